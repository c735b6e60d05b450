# SPDX-License-Identifier: Apache-2.0
"""WS-Management as Windows serves it, in front of any host that fits host.Host."""

from lab.winrm_server.http import Server
from lab.winrm_server.tls import server_context, trust

__all__ = ["Server", "server_context", "trust"]
