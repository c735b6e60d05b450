# SPDX-License-Identifier: Apache-2.0
r"""The accounts that services run as, and the passwords they log on with: those of local users are kept where
Windows keeps them, below HKLM\SECURITY\Policy\Secrets (documented: LSA private data), as their hash only.
"""

from collections.abc import Callable

from lab.windows_sandbox import errors
from lab.windows_sandbox.accounts import Accounts
from lab.windows_sandbox.environment import is_system
from lab.windows_sandbox.errors import Win32Error
from lab.windows_sandbox.md4 import password_hash
from lab.windows_sandbox.registry import Registry
from lab.windows_sandbox.services.configuration import Configuration
from lab.windows_sandbox.user_rights import UserRights

# Accounts without a password, which may always log on as a service.
_BUILT_IN = {
    "localservice": r"NT AUTHORITY\LocalService",
    "networkservice": r"NT AUTHORITY\NetworkService",
}


class ServiceAccounts:
    """The accounts that the services of one host may have.

    :param prepare_profile: makes the profile of a user, as a first logon does
    """

    def __init__(
        self,
        registry: Registry,
        accounts: Accounts,
        rights: UserRights,
        prepare_profile: Callable[[str], None],
    ):
        self._registry, self._accounts, self._rights = registry, accounts, rights
        self._prepare_profile = prepare_profile

    def account(self, name: str) -> str:
        r"""Return an account as a service's configuration names it: LocalSystem, NT AUTHORITY\…, .\USER;
        Win32Error 1057 if there is none.
        """
        if is_system(name):
            return "LocalSystem"
        domain, _, short = name.lower().replace(" ", "").rpartition("\\")
        if short in _BUILT_IN and domain in ("", "ntauthority"):
            return _BUILT_IN[short]
        user = self._accounts.user(name)
        if user is None:
            raise Win32Error(
                errors.INVALID_SERVICE_ACCOUNT,
                name,
                "this host has LocalSystem, LocalService, NetworkService and its local users",
            )
        return rf".\{user.name}"

    def user_of(self, account: str) -> str:
        """Return the name of the user who runs the service."""
        return account.removeprefix(".\\")

    def set_password(self, service: str, password: str) -> None:
        self._registry.set(_secret(service), "CurrVal", "REG_SZ", password_hash(password))

    def forget(self, service: str) -> None:
        if self._registry.key_exists(_secret(service)):
            self._registry.delete_key(_secret(service))

    def log_on(self, service: Configuration) -> None:
        """Win32Error if the service's account cannot log on as a service: its password is another, it is
        disabled, or it lacks the right (documented: Service User Accounts).
        """
        user = self.user_of(service.account)
        if not is_system(user) and user not in _BUILT_IN.values():
            known = self._registry.data(_secret(service.name), "CurrVal", "")
            self._accounts.check_password_hash(user, known)
            self._rights.check_logon(user, "Service")
        self._prepare_profile(user)


def _secret(service: str) -> str:
    return rf"HKLM\SECURITY\Policy\Secrets\_SC_{service}"
