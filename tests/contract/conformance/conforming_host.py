# SPDX-License-Identifier: Apache-2.0
"""The host that the conformance suite asks: a simulated one, or the one that the environment names."""

import os

from winrm.exceptions import WSManFaultError
from winrm.protocol import Protocol

from tests.contract.windows_sandbox.started_host import AnsibleHost, StartedHostCase

VARIABLE = "HYPERV_CI_WINDOWS_"


class RealHost(AnsibleHost):
    """A Windows host as HYPERV_CI_WINDOWS_* describe it; WinRM listens there for HTTPS.

    :ivar settings: those of pywinrm's Protocol
    :raises ValueError: if the variables do not say how to log on
    """

    def __init__(self, folder, variables):
        super().__init__(folder)
        given = {
            name.removeprefix(VARIABLE).lower(): value
            for name, value in variables.items()
            if name.startswith(VARIABLE) and value
        }
        address, port = given.pop("address"), given.pop("port", "5986")
        match sorted(given):
            case ["password", "user"]:
                logon = {"transport": "ntlm", "username": given["user"], "password": given["password"]}
                variables = {"ansible_user": given["user"], "ansible_password": given["password"]}
            case ["certificate", "key"]:
                logon = {
                    "transport": "certificate",
                    "cert_pem": given["certificate"],
                    "cert_key_pem": given["key"],
                }
                variables = {
                    "ansible_winrm_cert_pem": given["certificate"],
                    "ansible_winrm_cert_key_pem": given["key"],
                }
            case names:
                raise ValueError(
                    f"{VARIABLE}* are set for {', '.join(names) or 'no logon'}; expected USER and PASSWORD, "
                    "or CERTIFICATE and KEY (files)"
                )
        self.settings = {"endpoint": f"https://{address}:{port}/wsman", **logon}
        self.write_inventory(
            ansible_host=address,
            ansible_port=int(port),
            ansible_winrm_transport=logon["transport"],
            **variables,
        )


class ConformanceCase(StartedHostCase):
    """Tests that a real host passes, too: they leave nothing on it, and know of it what any Windows has."""

    @classmethod
    def reach(cls, folder):
        if os.environ.get(f"{VARIABLE}ADDRESS"):
            host = RealHost(folder, os.environ)
            cls.settings = host.settings
            return host
        started = super().reach(folder)
        cls.settings = {
            "endpoint": f"{started.urls['https']}/wsman",
            "transport": "certificate",
            "cert_pem": str(started.tls / "zuul.pem"),
            "cert_key_pem": str(started.tls / "zuul.key"),
        }
        return started

    def connect(self, **settings):
        """Return pywinrm's Protocol to the host."""
        protocol = Protocol(**{**self.settings, "server_cert_validation": "ignore", **settings})
        self.addCleanup(protocol.transport.close_session)
        return protocol

    def assert_fault(self, code, call, *arguments):
        """The call ends with the WSManFault of this code."""
        fault = self.assertRaises(WSManFaultError, call, *arguments)
        self.assertEqual(code, fault.wsman_fault_code, fault)
