# SPDX-License-Identifier: Apache-2.0
"""ZooKeeper with TLS: where Zuul and Nodepool keep what they are doing."""

import socket
import ssl
from pathlib import Path

from lab.errors import LabError
from lab.home import Home
from lab.services.daemon import Daemon
from lab.services.keys import Authority

ADDRESS, PORT = "127.0.0.1", 2281
JARS = Path("/usr/share/java")

CONFIGURATION = """\
tickTime=2000
dataDir={directory}
secureClientPort={port}
secureClientPortAddress={address}
serverCnxnFactory=org.apache.zookeeper.server.NettyServerCnxnFactory
ssl.keyStore.location={tls}/server-store.pem
ssl.trustStore.location={tls}/ca.pem
ssl.clientAuth=need
admin.enableServer=false
# The data is as old as the lab that runs; nobody restores it.
forceSync=no
"""


def daemon(home: Home) -> Daemon:
    """Return ZooKeeper's daemon."""
    return Daemon(home, "zookeeper")


def start(home: Home) -> None:
    """Make a certificate for the server and one for its clients (tls/client.*), and start ZooKeeper."""
    authority = Authority.new("hyperv-ci ZooKeeper")
    authority.write_certificate(home.tls / "ca.pem")
    for name in ("server", "client"):
        authority.issue(name, home.tls, ADDRESS)
    home.zookeeper.mkdir(mode=0o700)
    configuration = home.zookeeper / "zoo.cfg"
    configuration.write_text(
        CONFIGURATION.format(directory=home.zookeeper, address=ADDRESS, port=PORT, tls=home.tls),
        encoding="utf-8",
    )
    daemon(home).start(
        [
            "java",
            "-Xmx192m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            "-cp",
            _class_path(),
            "-Dzookeeper.forceSync=no",
            "org.apache.zookeeper.server.quorum.QuorumPeerMain",
            configuration,
        ]
    )


def wait(home: Home) -> None:
    """Wait until ZooKeeper accepts a TLS connection."""
    context = ssl.create_default_context(cafile=home.tls / "ca.pem")
    context.load_cert_chain(home.tls / "client.pem", home.tls / "client.key")

    def answers() -> bool:
        try:
            with (
                socket.create_connection((ADDRESS, PORT), timeout=5) as connection,
                context.wrap_socket(connection, server_hostname=ADDRESS),
            ):
                return True
        except (ConnectionError, TimeoutError):
            return False

    daemon(home).wait(answers, 60)


def _class_path() -> str:
    # zkServer.sh's class path lacks the netty jars that TLS needs, and netty-all.jar is empty in Debian.
    jars = [JARS / "zookeeper.jar", JARS / "slf4j-simple.jar"]
    for pattern in ("netty-*.jar", "slf4j-api.jar", "zookeeper-jute*.jar"):
        jars += sorted(JARS.glob(pattern))
    missing = [jar for jar in jars if not jar.exists()]
    if missing:
        raise LabError(
            f"ZooKeeper's jar {missing[0]} is missing: expected it from Debian's libzookeeper-java"
        )
    return ":".join(map(str, jars))
