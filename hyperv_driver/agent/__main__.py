# SPDX-License-Identifier: Apache-2.0
"""Runs the agent until standard input ends."""

import sys

# os-win's requirements bring eventlet. Nobody here may choose to run on it, as in nova-compute.
sys.modules["eventlet"] = None

from oslo_service import backend  # noqa: E402

# Or oslo.messaging chooses when it is imported.
backend.init_backend(backend.BackendType.THREADING)

import oslo_messaging  # noqa: E402
from neutron_lib import rpc  # noqa: E402
from neutron_lib.constants import RP_BANDWIDTHS  # noqa: E402
from oslo_log import log as logging  # noqa: E402

from hyperv_driver import oswin  # noqa: E402
from hyperv_driver.agent import BINARY, acls, bandwidth, config, ports, reports, trunks, wiring  # noqa: E402
from hyperv_driver.agent.rpc import Notifications, Server  # noqa: E402
from hyperv_driver.oswin import exceptions  # noqa: E402
from hyperv_driver.stopping import StopWhenInputEnds  # noqa: E402

LOG = logging.getLogger(__name__)
CONF = config.CONF
# Seconds that the agent's stop may take: it waits for an answer of neutron-server at most.
STOP_LIMIT = 30


def main():
    """:returns: why the agent cannot run; None when it was stopped."""
    config.register()
    CONF(project="neutron", prog=BINARY)
    logging.setup(CONF, BINARY)
    stop = StopWhenInputEnds(sys.stdin.fileno(), lambda: STOP_LIMIT)
    stop.start()
    networkutils = oswin.network_utilities()
    try:
        mappings = config.Mappings(CONF.AGENT.physical_network_vswitch_mappings)
        for switch in mappings.switches.values():
            networkutils.get_vswitch_id(switch)
        providers = config.resource_providers(CONF.AGENT, mappings)
        for switch in providers[RP_BANDWIDTHS]:
            if not oswin.reserves_bandwidth(networkutils, switch):
                raise ValueError(
                    f"[AGENT] resource_provider_bandwidths has virtual switch {switch}, which is not in "
                    "absolute mode: see New-VMSwitch -MinimumBandwidthMode"
                )
    except (ValueError, exceptions.HyperVvSwitchNotFound) as error:
        return str(error)

    oslo_messaging.set_transport_defaults(control_exchange="neutron")
    rpc.init(CONF)
    server = Server(CONF.host)
    filters = CONF.SECURITYGROUP.enable_security_group
    loop = ports.Ports(
        networkutils,
        server,
        wiring.Wiring(networkutils, mappings),
        acls.Acls(networkutils) if filters else None,
        bandwidth.Bandwidth(networkutils, mappings),
        trunks.Trunks(server, mappings),
        CONF.AGENT.polling_interval,
    )
    connection = Notifications(loop, CONF.host).listen()
    state = {"vswitch_mappings": mappings.switches, "port_filter": filters, **providers}
    reporter = reports.Reports(server, state, CONF.AGENT.report_interval, loop.resync)
    reporter.start()
    # From here on the end of input is a stop in good order.
    stop.wait(0)
    LOG.info("Wiring ports of %s", CONF.host)
    loop.run(stop.wait)
    LOG.info("Asked to stop")
    reporter.stop()
    connection.close()
    return None


if __name__ == "__main__":
    sys.exit(main())
