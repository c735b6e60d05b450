# SPDX-License-Identifier: Apache-2.0
"""The process of ``test_agent``: the agent, and the half of neutron-server that it talks to.

The agent, os-win and PyMI are real, and so are neutron's classes that answer and notify agents; only the
plugin below them, which would need a database, is a dictionary of ports. Runs code, a JSON string a line,
and prints what that leaves in `said`.
"""

import warnings

warnings.simplefilter("ignore")
from oslo_service import backend  # noqa: E402

backend.init_backend(backend.BackendType.THREADING)

import sys  # noqa: E402
import time  # noqa: E402, F401
import types  # noqa: E402
from unittest import mock  # noqa: E402

from neutron.api.rpc.handlers import resources_rpc, securitygroups_rpc  # noqa: E402
from neutron.common import config as common_config  # noqa: E402
from neutron.db import agents_db, provisioning_blocks, securitygroups_rpc_base  # noqa: E402
from neutron.objects import trunk as trunk_objects  # noqa: E402
from neutron.objects.qos import policy as qos_policy  # noqa: E402
from neutron.objects.qos import rule as qos_rule  # noqa: E402
from neutron.plugins.ml2 import rpc as ml2_rpc  # noqa: E402
from neutron.services.trunk.rpc import server as trunk_rpc  # noqa: E402
from neutron_lib import context, rpc  # noqa: E402
from neutron_lib.agent import topics  # noqa: E402
from neutron_lib.plugins import directory  # noqa: E402
from oslo_config import cfg  # noqa: E402

from hyperv_driver import oswin  # noqa: E402, F401
from tests.contract.driver import agent_on_host  # noqa: E402
from tests.contract.driver.agent_on_host import (  # noqa: E402, F401
    bandwidth,
    networkutils,
    remove_adapter,
    running_agent,
    vlans,
    vmutils,
)
from tests.contract.driver.waiting import wait_for  # noqa: E402

HOST = "hv1"
POLICY = "33333333-0000-4000-8000-000000000001"
NETWORK = "22222222-0000-4000-8000-000000000001"


class Plugin(securitygroups_rpc_base.SecurityGroupInfoAPIMixin, agents_db.AgentDbMixin):
    """What neutron's server-side classes ask of the ML2 plugin, over dictionaries."""

    def __init__(self):
        self.ports = {}
        self.rules = {}
        self.members = {}
        self.policies = {}
        self.trunks = {}
        self.statuses = []
        self.reports = []
        self.agent_status = "alive"
        self.failing = False
        self.mechanism_manager = types.SimpleNamespace(mech_drivers={})

    def add_port(self, number, **changes):
        port_id = f"11111111-0000-4000-8000-{number:012}"
        self.ports[port_id] = {
            "id": port_id, "network_id": NETWORK, "status": "DOWN", "admin_state_up": True, "fixed_ips": [],
            "mac_address": f"fa:16:3e:00:00:{number:02}", "device_owner": "compute:nova",
            "allowed_address_pairs": [], "binding:host_id": HOST, "binding:profile": {},
            "port_security_enabled": True, "security_groups": [], "qos_policy_id": None,
            "network_type": "vlan", "segmentation_id": 100 + number, "physical_network": "physnet1",
        } | changes  # fmt: skip
        return port_id

    def notify(self, port_id):
        port = self.ports[port_id]
        notifier.port_update(
            admin, port, port["network_type"], port["segmentation_id"], port["physical_network"]
        )

    def set_policy(self, policy_id, *rules):
        """Make or change a QoS policy, and announce that."""
        policy = qos_policy.QosPolicy(admin, id=policy_id, name="policy", rules=list(rules))
        self.policies[policy_id] = policy
        resources_rpc.ResourcesPushRpcApi().push(admin, [policy], "updated")

    def add_trunk(self, parent, **subports):
        """Make a trunk of a parent and of sub-ports, (id, segmentation id) each; return it."""
        trunk_id = "44444444" + parent[8:]
        trunk = trunk_objects.Trunk(
            admin, id=trunk_id, port_id=parent, status="DOWN",
            sub_ports=[
                trunk_objects.SubPort(
                    admin, trunk_id=trunk_id, port_id=port_id, segmentation_type="vlan", segmentation_id=vlan
                )
                for port_id, vlan in subports.values()
            ],
        )  # fmt: skip
        self.trunks[trunk_id] = trunk
        return trunk

    # trunk.rpc.server.TrunkSkeleton

    def get_port(self, _context, port_id):
        return self.ports[port_id]

    def update_port(self, _context, port_id, port):
        self.ports[port_id].update(port["port"])
        self.notify(port_id)
        return self.ports[port_id]

    # ml2.rpc.RpcCallbacks

    def get_bound_ports_contexts(self, _context, devices, host):
        if self.failing:
            raise RuntimeError("no database")
        return {device: self._bound(device) for device in devices if device in self.ports}

    def _bound(self, port_id):
        port = self.ports[port_id]
        segment = {name: port[name] for name in ("network_type", "segmentation_id", "physical_network")}
        network = types.SimpleNamespace(
            _network={"mtu": 1500, "qos_policy_id": None}, current={"id": NETWORK}
        )
        return types.SimpleNamespace(
            current=port, bottom_bound_segment=segment, network=network, host=port["binding:host_id"],
            vif_type="hyperv",
        )  # fmt: skip

    def update_port_statuses(self, _context, statuses, _host=None):
        for port_id, status in statuses.items():
            self.update_port_status(_context, port_id, status)

    def update_port_status(self, _context, port_id, status, _host=None):
        self.statuses.append((port_id, status))
        if port_id in self.ports:
            self.ports[port_id]["status"] = status
            return port_id

    def port_bound_to_host(self, _context, port_id, host):
        port = self.ports.get(port_id)
        return port if port and port["binding:host_id"] == host else None

    @staticmethod
    def _device_to_port_id(_context, device, pci_slot=None):
        return device

    # securitygroups_rpc.SecurityGroupServerRpcCallback

    def get_ports_from_devices(self, _context, devices):
        return [
            {
                **self.ports[port_id],
                "security_group_rules": [],
                "fixed_ips": ["10.0.0.5"],
                "security_group_source_groups": [],
                "security_group_remote_address_groups": [],
            }  # fmt: skip
            for port_id in devices
            if self.ports.get(port_id, {}).get("port_security_enabled")
        ]

    def _select_rules_for_ports(self, _context, ports):
        return [
            (port_id, rule | {"security_group_id": group})
            for port_id, port in ports.items()
            for group in port["security_groups"]
            for rule in self.rules[group]
        ]

    def _select_sg_ids_for_ports(self, _context, ports):
        return [(group,) for port in ports.values() for group in port["security_groups"]]

    def _get_sgs_stateful_flag(self, _context, group_ids):
        return dict.fromkeys(group_ids, True)

    def _select_ips_for_remote_group(self, _context, group_ids):
        return {group: self.members[group] for group in group_ids}

    def _select_ips_for_remote_address_group(self, _context, group_ids):
        return {}

    # neutron.api.rpc.callbacks.version_manager

    def get_agents_resource_versions(self, _tracker):
        """None but what agents report from now on."""

    # agents_db.AgentExtRpcCallback

    def create_or_update_agent(self, _context, state, _time):
        self.reports.append(state)
        return self.agent_status, state


def complete(_context, port_id, _resource, _entity):
    plugin.update_port_status(None, port_id, "ACTIVE")


def policies(_context, _pager=None, id=()):
    return [plugin.policies[policy_id] for policy_id in id if policy_id in plugin.policies]


def trunks(_context, _pager=None, port_id=()):
    return [trunk for trunk in plugin.trunks.values() if trunk.port_id in port_id]


def limit(max_kbps):
    return qos_rule.QosBandwidthLimitRule(admin, max_kbps=max_kbps, max_burst_kbps=0, direction="egress")


def minimum(min_kbps):
    return qos_rule.QosMinimumBandwidthRule(admin, min_kbps=min_kbps, direction="egress")


def serve():
    connection = rpc.Connection()
    endpoints = [
        ml2_rpc.RpcCallbacks(notifier, mock.Mock()),
        securitygroups_rpc.SecurityGroupServerRpcCallback(),
        resources_rpc.ResourcesPullRpcCallback(),
    ]
    connection.create_consumer(topics.PLUGIN, endpoints)
    connection.create_consumer(topics.REPORTS, [agents_db.AgentExtRpcCallback()])
    connection.consume_in_threads()
    trunk_rpc.TrunkSkeleton()


def active(port_id):
    return wait_for(lambda: plugin.ports[port_id]["status"] == "ACTIVE")


def make_adapter(port_id):
    vmutils.create_nic("vm-1", port_id, plugin.ports[port_id]["mac_address"])


def reset():
    plugin.__init__()


sys.argv = ["agent", "--config-file", r"C:\agent.conf"]
common_config.register_common_config_options()
cfg.CONF(sys.argv[1:], project="neutron")
rpc.init(cfg.CONF)
directory.add_plugin("CORE", plugin := Plugin())
notifier = ml2_rpc.AgentNotifierApi(topics.AGENT)
admin = context.get_admin_context_without_session()
provisioning_blocks.provisioning_complete = complete
qos_policy.QosPolicy.get_objects = policies
trunk_objects.Trunk.get_objects = trunks
trunk_objects.Trunk.get_object = lambda _context, id: plugin.trunks.get(id)
trunk_objects.Trunk.update = lambda trunk, **fields: [
    setattr(trunk, name, value) for name, value in fields.items()
]
trunk_stub = trunk_rpc.TrunkStub()
serve()
agent_on_host.answer(globals(), reset)
