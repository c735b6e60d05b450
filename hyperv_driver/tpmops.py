# SPDX-License-Identifier: Apache-2.0
"""Virtual TPMs whose state is encrypted for this host alone (a local key protector).

As Set-VMKeyProtector -NewLocalKeyProtector and Enable-VMTPM do it, for which os-win has no method: its
add_vtpm takes the key protector of a shielding data file. Sources: the pages of MSFT_HgsGuardian,
MSFT_HgsKeyProtector and Msvm_SecurityService.
"""

import threading

import os_traits
from oslo_log import log as logging

from hyperv_driver import oswin

LOG = logging.getLogger(__name__)

# The guardian that Hyper-V's own tools make and use for such key protectors.
GUARDIAN = "UntrustedGuardian"
LOCAL_MODE = 1  # MSFT_HgsClientConfiguration.Mode: no Host Guardian Service has the keys
# What Hyper-V's virtual TPM is to nova; its key stays on the host, whoever starts the instance.
TRAITS = (
    os_traits.COMPUTE_SECURITY_TPM_2_0,
    os_traits.COMPUTE_SECURITY_TPM_CRB,
    os_traits.COMPUTE_SECURITY_TPM_SECRET_SECURITY_HOST,
)


class TpmOps:
    def __init__(self, vmutils, hostutils):
        self._vmutils = vmutils
        self._hostutils = hostutils
        self._making_guardian = threading.Lock()

    def traits(self):
        """{trait: whether this host has it}."""
        return dict.fromkeys(TRAITS, self._is_possible())

    def add(self, name):
        """Give a virtual machine of generation 2, which is off, a TPM.

        :raises os_win.exceptions.OSWinException: Hyper-V refuses, or the host's keys are those of a Host
            Guardian Service.
        """
        if not self._is_possible():
            raise oswin.exceptions.OSWinException(
                f"cannot give {name} a TPM: this host's guardian is not in local mode"
            )
        oswin.enable_tpm(self._vmutils, name, self._key_protector())

    def _is_possible(self):
        try:
            connection = self._hostutils._conn_hgs
        except oswin.exceptions.OSWinException as error:
            LOG.debug("This host gives no virtual TPMs: %s", error)
            return False
        code, configuration = connection.MSFT_HgsClientConfiguration.Get()
        _check("MSFT_HgsClientConfiguration.Get", code)
        return configuration.Mode == LOCAL_MODE

    def _key_protector(self):
        """The bytes of a new key protector, which no other host can open."""
        connection = self._hostutils._conn_hgs
        code, key_protector = connection.MSFT_HgsKeyProtector.NewByGuardians(
            AllowUntrustedRoot=True, Owner=self._guardian(connection)
        )
        _check("MSFT_HgsKeyProtector.NewByGuardians", code)
        return key_protector.RawData

    def _guardian(self, connection):
        with self._making_guardian:
            found = connection.MSFT_HgsGuardian(Name=GUARDIAN)
            if found:
                return found[0]
            code, guardian = connection.MSFT_HgsGuardian.NewByGenerateCertificates(
                Name=GUARDIAN, GenerateCertificates=True
            )
            _check("MSFT_HgsGuardian.NewByGenerateCertificates", code)
            return guardian


def _check(method, code):
    if code:
        raise oswin.exceptions.OSWinException(f"{method} returned {code}, expected 0")
