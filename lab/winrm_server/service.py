# SPDX-License-Identifier: Apache-2.0
"""One host's WS-Management service: an authenticated request in, an HTTP status and an envelope out."""

import logging
import time
from collections.abc import Callable

from lab.winrm_server import cim_xml, enumeration, faults, identify, protocol, shells
from lab.winrm_server.faults import Fault
from lab.winrm_server.host import Host

LOG = logging.getLogger(__name__)

_POWERSHELL = "http://schemas.microsoft.com/powershell/"


class Service:
    """Answers envelopes by the resource that they name. Safe to call from many threads; Receive blocks.

    :param disturb: gets each request's action first, and may raise Fault, or what ends the connection
    """

    def __init__(self, host: Host, disturb: Callable[[str], None] = lambda action: None):
        self._host, self._disturb = host, disturb
        self._shells = shells.Shells(host)
        self._wmi = enumeration.Wmi(host)

    def answer(self, message: bytes, user: str) -> tuple[int, bytes]:
        """Return (HTTP status, envelope) for one envelope of `user`."""
        if identify.asks(message):
            (system,) = self._host.wmi("root/cimv2").query("SELECT Version FROM Win32_OperatingSystem")
            return 200, identify.response({name: value for name, _, value in system.items()}["Version"])
        started, request, asked = time.monotonic(), None, "unreadable request"
        try:
            request = protocol.read(message)
            asked = f"{request.action.rpartition('/')[2]} of {request.resource_uri.rpartition('/1/')[2]}"
            self._disturb(request.action)
            status, envelope = 200, protocol.reply(request, self._serve(request, user))
            outcome = "done"
        except Fault as fault:
            message_id = request.message_id if request else ""
            status, envelope = 500, protocol.fault_reply(fault, self._host.name, message_id)
            outcome = f"fault {fault.kind.code:#x}: {fault.message}"
        LOG.info("%s: %s: %s (%.3f s)", user, asked, outcome, time.monotonic() - started)
        return status, envelope

    def close(self) -> None:
        """End everything that clients have started."""
        self._shells.close()

    def _serve(self, request: protocol.Request, user: str) -> str:
        if not self._host.may_manage(user):
            raise Fault(faults.ACCESS_DENIED)
        if request.resource_uri == shells.RESOURCE_URI:
            return self._shells.answer(request, user)
        if request.resource_uri.startswith(cim_xml.WMI):
            return self._wmi.answer(request, user)
        if request.resource_uri.startswith(_POWERSHELL):
            raise Fault(
                faults.RESOURCE_NOT_FOUND,
                "The simulated host has no PowerShell remoting (psrp): connect to its remote shell (winrm).",
            )
        raise Fault(
            faults.RESOURCE_NOT_FOUND,
            f"The resource URI {request.resource_uri} is not served; "
            f"expected {shells.RESOURCE_URI} or {cim_xml.WMI}….",
        )
