# SPDX-License-Identifier: Apache-2.0
"""The process of ``test_neutron``: the agent, and the whole of neutron-server with this project's drivers.

Nothing of neutron is replaced: its plugins work on a database (SQLite), its messages go through
oslo.messaging's bus of one process, and Placement is an HTTP server that notes what it is asked.
Runs code, a JSON string a line, and prints what that leaves in `said`.
"""

import warnings

warnings.simplefilter("ignore")
from oslo_service import backend  # noqa: E402

backend.init_backend(backend.BackendType.THREADING)

import http.server  # noqa: E402
import itertools  # noqa: E402
import json  # noqa: E402
import sys  # noqa: E402
import threading  # noqa: E402
import time  # noqa: E402, F401

import sqlalchemy  # noqa: E402
from neutron import manager  # noqa: E402
from neutron.api import extensions  # noqa: E402
from neutron.common import config as neutron_config  # noqa: E402
from neutron.conf.plugins.ml2 import config as _ml2_options  # noqa: E402, F401
from neutron.db.migration.models import head  # noqa: E402
from neutron.objects.qos import rule as rules  # noqa: E402, F401
from neutron_lib import context, rpc  # noqa: E402
from neutron_lib.api import attributes  # noqa: E402
from neutron_lib.callbacks.exceptions import CallbackFailure  # noqa: E402, F401
from neutron_lib.db import api as database  # noqa: E402
from neutron_lib.plugins import directory  # noqa: E402
from neutron_lib.plugins import utils as plugins  # noqa: E402
from oslo_config import cfg  # noqa: E402

from hyperv_driver.agent import rpc as agent_rpc  # noqa: E402
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

HOST, PROJECT = "hv1", "project-1"
vlan_ids = itertools.count(101)
begun = threading.local()
asked = []  # what the agent has asked neutron-server, but for its reports: (method, arguments)
requests = []  # what Placement was asked since the agent started: (method, path, body)


class Placement(http.server.BaseHTTPRequestHandler):
    """Has whatever it is asked for."""

    def do_PUT(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        requests.append((self.command, self.path, json.loads(body or "null")))
        found = {"generation": 1, "resource_providers": [{"uuid": "host", "name": HOST}]}
        answer = json.dumps(found).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST = do_PUT

    def log_message(self, *_arguments):
        pass


def network(**changes):
    """Make a network of a VLAN of its own, with a subnet; return it."""
    vlan = {
        "provider:network_type": "vlan",
        "provider:physical_network": "physnet1",
        "provider:segmentation_id": next(vlan_ids),
    }
    made = {"name": "", "tenant_id": PROJECT, "admin_state_up": True, "shared": False} | vlan | changes
    made = plugins.create_network(core, admin, {"network": made})
    subnet = {"network_id": made["id"], "tenant_id": PROJECT, "ip_version": 4, "cidr": "10.0.0.0/24"}
    plugins.create_subnet(core, admin, {"subnet": subnet})
    return made


def port(of, **changes):
    """Make a port of an instance of this host, or another one; return it."""
    instances = {"device_owner": "compute:nova", "device_id": "instance-1", "binding:host_id": HOST}
    made = {"network_id": of["id"], "tenant_id": PROJECT, "admin_state_up": True} | instances | changes
    return plugins.create_port(core, admin, {"port": made})


def make_adapter(of):
    vmutils.create_nic("vm-1", of["id"], of["mac_address"])


def status(of):
    return core.get_port(admin, of["id"])["status"]


def active(of):
    return wait_for(lambda: status(of) == "ACTIVE")


def group(*of_rules):
    """Make a security group with no other rules than these; return its id."""
    made = {"name": "group", "tenant_id": PROJECT, "project_id": PROJECT, "description": "", "stateful": True}
    made = core.create_security_group(admin, {"security_group": made})
    for rule in made["security_group_rules"]:
        core.delete_security_group_rule(admin, rule["id"])
    for rule in of_rules:
        add_rule(made["id"], **rule)
    return made["id"]


def add_rule(group_id, **changes):
    names = ("protocol", "port_range_min", "port_range_max", "remote_ip_prefix", "remote_group_id")
    empty = dict.fromkeys((*names, "remote_address_group_id", "description"))
    made = empty | {"security_group_id": group_id, "tenant_id": PROJECT, "project_id": PROJECT}
    made |= {"direction": "ingress", "ethertype": "IPv4", "protocol": "tcp"} | changes
    return core.create_security_group_rule(admin, {"security_group_rule": made})


def remotes(of):
    """The addresses that may speak TCP to a port."""
    alloc, _found = networkutils._get_switch_port_allocation(of["id"])
    acls = networkutils._get_port_security_acls(alloc)
    return sorted(acl.RemoteIPAddress for acl in acls if (acl.Direction, acl.Protocol) == (1, "tcp"))


def policy(*of_rules):
    """Make a QoS policy of rules, (class, fields) each; return its id."""
    made = {"name": "policy", "project_id": PROJECT, "tenant_id": PROJECT, "description": "", "shared": False}
    made = qos.create_policy(admin, {"policy": made | {"is_default": False}})
    for kind, fields in of_rules:
        add_qos_rule(made["id"], kind, **fields)
    return made["id"]


def add_qos_rule(policy_id, kind, **fields):
    rule = {"direction": "egress"} | ({"max_burst_kbps": 0} if "max_kbps" in fields else {}) | fields
    name = f"{kind.rule_type}_rule"
    return qos.create_policy_rule(admin, kind, policy_id, {name: rule})


def begin(connection, _cursor, statement, parameters, _context, _many):
    """Have a transaction wait for those of other threads: SQLite makes no reader a writer while one writes.

    Within one of its own thread it may only read.
    """
    if statement == "BEGIN":
        outer = [each for each in getattr(begun, "connections", ()) if each.in_transaction()]
        begun.connections = [*outer, connection]
        statement = "BEGIN" if outer else "BEGIN IMMEDIATE"
    return statement, parameters


def noting(ask):
    def note(server, client, method, **arguments):
        if method != "report_state":
            asked.append((method, arguments))
        return ask(server, client, method, **arguments)

    return note


def reset():
    """Nothing of a test is in another's way: each has networks, groups and ports of its own."""
    asked.clear()


placement = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Placement)
threading.Thread(target=placement.serve_forever, daemon=True).start()
sys.argv = ["agent", "--config-file", r"C:\agent.conf"]
neutron_config.register_common_config_options()
cfg.CONF(sys.argv[1:], project="neutron")
cfg.CONF.set_override("auth_section", f"http://127.0.0.1:{placement.server_port}", "placement")
rpc.init(cfg.CONF)
admin = context.get_admin_context()
engine = database.get_writer_session().bind
sqlalchemy.event.listen(engine, "before_cursor_execute", begin, retval=True)
with engine.connect() as connection:
    connection.exec_driver_sql("PRAGMA journal_mode = WAL")
head.get_metadata().create_all(engine)
manager.init()
core, qos, trunks = (directory.get_plugin(name) for name in ("CORE", "QOS", "trunk"))
extensions.PluginAwareExtensionManager.get_instance().extend_resources("2.0", attributes.RESOURCES)
for plugin in (core, trunks):  # those that have any, as neutron-rpc-server finds out
    plugin.start_rpc_listeners()
agent_rpc.Server._ask = noting(agent_rpc.Server._ask)
agent_on_host.answer(globals(), reset)
