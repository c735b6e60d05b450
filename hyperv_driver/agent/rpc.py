# SPDX-License-Identifier: Apache-2.0
"""Neutron's RPC as an L2 agent speaks it: calls to the server, and its notifications."""

import oslo_messaging
from neutron_lib import context, rpc
from neutron_lib.agent import topics
from neutron_lib.services.trunk.constants import TRUNK_SUBPORT_OWNER
from oslo_utils import timeutils, uuidutils

from hyperv_driver.agent import AGENT_TYPE, BINARY

# What neutron-server sends to all agents, (resource, operation), as it names their topics.
NOTIFICATIONS = (
    (topics.PORT, topics.UPDATE),
    (topics.PORT, topics.DELETE),
    (topics.NETWORK, topics.UPDATE),
    (topics.NETWORK, topics.DELETE),
    (topics.SECURITY_GROUP, topics.UPDATE),
    (topics.PORT_BINDING, topics.ACTIVATE),
)
# Versioned objects that neutron-server is asked for or announces changes of, in the oldest version that it
# still speaks and that has what is read here; address groups cannot be converted to an older one.
RESOURCES = {"QosPolicy": "1.8", "Trunk": "1.1", "SubPort": "1.0", "AddressGroup": "1.2"}
TRUNK = "trunk"  # topic and namespace of calls about trunks
NAME, DATA = "versioned_object.name", "versioned_object.data"


class ServerFailure(Exception):
    """neutron-server was not reached, or failed at what it was asked."""


class Server:
    """What neutron-server is asked and told. Every call may raise ServerFailure.

    :param host: this host's name in neutron.
    """

    def __init__(self, host):
        self._host = host
        self._agent = f"hyperv-agent-{host}"
        self._context = context.get_admin_context_without_session()
        self._plugin = rpc.get_client(oslo_messaging.Target(topic=topics.PLUGIN))
        self._trunks = rpc.get_client(oslo_messaging.Target(topic=TRUNK, namespace=TRUNK))
        self._reports = rpc.get_client(oslo_messaging.Target(topic=topics.REPORTS))

    def details(self, ports):
        """Return details by port id; those that the server failed to get are missing.

        Details of a port that is not bound to this host are no more than its id.
        """
        answer = self._call(
            "get_devices_details_list_and_failed_devices", "1.5", devices=ports, host=self._host
        )
        return {details["device"]: details for details in answer["devices"]}

    def security_groups(self, ports):
        """Return the ports with security groups, and what is in these groups."""
        return self._call(
            "security_group_info_for_devices", "1.3", agent=False, devices=ports, call_version="1.3"
        )

    def policies(self, ids):
        """Return the rules of QoS policies by policy id, each as its object's name and fields."""
        return {
            policy["id"]: [(rule[NAME], rule[DATA]) for rule in policy["rules"]]
            for policy in self._resources("QosPolicy", id=list(ids))
        }

    def trunks(self, parents):
        """Return the trunks that have one of these parents: id, port_id, and sub_ports, VLANs by port id."""
        return [
            trunk
            | {
                "sub_ports": {
                    sub[DATA]["port_id"]: sub[DATA]["segmentation_id"] for sub in trunk["sub_ports"]
                }
            }
            for trunk in self._resources("Trunk", port_id=list(parents))
        ]

    def bind_subports(self, trunk_id, port_ids):
        """Have sub-ports bound to the host of their trunk's parent."""
        subports = [{"trunk_id": trunk_id, "port_id": port_id} for port_id in port_ids]
        self._call_about_trunks("update_subport_bindings", subports=subports)

    def update_trunk(self, trunk_id, status):
        self._call_about_trunks("update_trunk_status", trunk_id=trunk_id, status=status)

    def update(self, up, down):
        """Say which ports are wired and which are gone; return the ids of those that the server failed at."""
        answer = self._call(
            "update_device_list",
            "1.9",
            devices_up=up,
            devices_down=down,
            host=self._host,
            refresh_tunnels=False,
        )
        return [*answer["failed_devices_up"], *answer["failed_devices_down"]]

    def report(self, configurations, first, timeout):
        """Report the agent's state; return what the server makes of it, such as "revived".

        :param first: whether it is the first since the agent started, which says more.
        """
        state = {
            "agent_type": AGENT_TYPE,
            "binary": BINARY,
            "host": self._host,
            "topic": "N/A",
            "configurations": configurations,
            "uuid": uuidutils.generate_uuid(),
        }
        if first:
            # Their presence counts: neutron-server then spreads the versions, and tells Placement.
            state |= {"resource_versions": RESOURCES, "start_flag": True}
        return self._ask(
            self._reports.prepare(version="1.2", timeout=timeout),
            "report_state",
            agent_state={"agent_state": state},
            time=timeutils.utcnow().strftime("%Y-%m-%dT%H:%M:%S.%f"),
        )

    def _resources(self, name, **filters):
        wanted = {"resource_type": name, "version": RESOURCES[name], "filter_kwargs": filters}
        found = self._call("bulk_pull", "1.1", agent=False, **wanted)
        return [resource[DATA] for resource in found]

    def _call_about_trunks(self, method, **arguments):
        client = self._trunks.prepare(version="1.0", timeout=rpc.TRANSPORT.conf.rpc_response_timeout)
        self._ask(client, method, **arguments)

    def _call(self, method, version, /, agent=True, **arguments):
        # With a timeout of its own the client does not wait and grow it, but leaves both to the caller.
        client = self._plugin.prepare(version=version, timeout=rpc.TRANSPORT.conf.rpc_response_timeout)
        if agent:
            arguments["agent_id"] = self._agent
        return self._ask(client, method, **arguments)

    def _ask(self, client, method, **arguments):
        try:
            return client.call(self._context, method, **arguments)
        except Exception as error:  # whatever neutron-server raised is raised here, of whatever class
            raise ServerFailure(f"{method}: {type(error).__name__}: {error}") from error


class Notifications:
    """Hands neutron-server's notifications on to the ports; it only notes them, in whatever thread they come.

    :param ports: ports.Ports.
    :param host: this host's name in neutron.
    """

    target = oslo_messaging.Target(version="1.5")

    def __init__(self, ports, host):
        self._ports = ports
        self._host = host

    def listen(self):
        """Return the connection that listens from now on."""
        connection = rpc.Connection()
        for resource, operation in NOTIFICATIONS:
            topic = topics.get_topic_name(topics.AGENT, resource, operation)
            connection.create_consumer(topic, [self], fanout=True)
        for name, version in RESOURCES.items():
            topic = topics.RESOURCE_TOPIC_PATTERN % {"resource_type": name, "version": version}
            connection.create_consumer(topic, [self], fanout=True)
        connection.consume_in_threads()
        return connection

    def port_update(self, _context, port, **_segment):
        # A sub-port has no adapter to look for.
        here = port.get("binding:host_id") == self._host and port.get("device_owner") != TRUNK_SUBPORT_OWNER
        self._ports.updated(port["id"], here)

    def binding_activate(self, _context, port_id, host):
        """A live migration ended: of the port's bindings it is another one that counts now."""
        if host == self._host:
            self._ports.updated(port_id, here=True)

    def port_delete(self, _context, port_id):
        self._ports.deleted(port_id)

    def network_update(self, _context, network):
        self._ports.network_updated(network["id"])

    def network_delete(self, _context, network_id):
        """Nothing to do: neutron deletes a network only when its ports are gone."""

    def security_groups_rule_updated(self, _context, security_groups):
        self._ports.rules_updated(security_groups)

    def security_groups_member_updated(self, _context, security_groups):
        self._ports.members_updated(security_groups)

    def push(self, _context, resource_list, event_type):
        """Versioned objects of one kind changed."""
        for resource in resource_list:
            changed = resource[DATA]
            if resource[NAME] == "QosPolicy":
                self._ports.policy_updated(changed["id"])
            elif resource[NAME] == "AddressGroup":
                self._ports.members_updated([changed["id"]])
            elif resource[NAME] == "Trunk":
                self._ports.trunk_updated(changed["id"], changed["port_id"])
            else:
                self._ports.trunk_updated(changed["trunk_id"])
