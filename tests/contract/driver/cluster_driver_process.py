# SPDX-License-Identifier: Apache-2.0
"""A driver_process of HyperVClusterDriver, on a node of a failover cluster.

What the nova-computes of both nodes know together, nova's database, Neutron and placement, is a file: RECORDS
has ``instances`` by uuid, ``nodes`` by host, ``bindings`` by port, ``allocations`` by instance, ``actions``.
"""

import functools
import os
import pathlib
import socket
from unittest import mock

from tests.contract.driver import driver_process  # isort: split

from nova import exception, objects
from nova.network import neutron
from nova.scheduler.client import report

from hyperv_driver import clusterdriver
from tests.contract.driver import cluster_records
from tests.unit.driver.base import vif

HOST = os.environ["COMPUTERNAME"]
records = functools.partial(cluster_records.records, pathlib.Path(os.environ["RECORDS"]))


def get_by_uuid(_context, uuid, expected_attrs=None):
    with records() as found:
        if uuid not in found["instances"]:
            raise exception.InstanceNotFound(instance_id=uuid)
        values = dict(found["instances"][uuid])
    return driver_process.instance(values.pop("name"), uuid=uuid, compute_id=1, **values)


def save(self):
    with records() as found:
        found["instances"][self.uuid] |= {
            "host": self.host, "node": self.node, "power_state": self.power_state,
        }  # fmt: skip


def get_node(_context, host, node):
    with records() as found:
        if host not in found["nodes"]:
            raise exception.ComputeHostNotFound(host=host)
        return objects.ComputeNode(id=len(host), uuid=found["nodes"][host])


def bind(_context, instance, host, migration=None, provider_mappings=None):
    with records() as found:
        if found.get("neutron_is_down"):
            raise exception.PortUpdateFailed(port_id="all", reason="Neutron is down")
        for port in found["bindings"]:
            found["bindings"][port] = host


def network_info(_context, instance):
    with records() as found:
        return [vif(id=port) for port in found["bindings"]]


def get_allocations(_context, consumer):
    with records() as found:
        return found["allocations"][consumer]


def put_allocations(_context, consumer, payload):
    with records() as found:
        if set(payload["allocations"]) & set(found.get("full", ())):
            return False
        found["allocations"][consumer] = payload
    return True


def act(_context, uuid, action, want_result=True):
    with records() as found:
        found["actions"].append([uuid, action])


class Migration:
    """Of the one instance, from its first node."""

    @classmethod
    def get_by_instance_and_status(cls, _context, _uuid, status):
        assert status == "finished"
        return cls()

    def save(self):
        with records() as found:
            found["resized_to"] = [self.dest_compute, self.dest_node, self.dest_compute_id]


# Stand-ins of what is nova's, which take calls of its signatures only.
network_api = mock.create_autospec(neutron.API, instance=True)
network_api.setup_instance_network_on_host.side_effect = bind
network_api.get_instance_nw_info.side_effect = network_info
placement = mock.create_autospec(report.SchedulerReportClient, instance=True)
placement.get_allocs_for_consumer.side_effect = get_allocations
placement.put_allocations.side_effect = put_allocations
for target, replacement in (
    ("nova.objects.Instance.get_by_uuid", get_by_uuid),
    ("nova.objects.Instance.save", save),
    ("nova.objects.ComputeNode.get_by_host_and_nodename", get_node),
    ("nova.objects.AggregateList.get_by_host", lambda *_given, key: []),
    ("nova.objects.InstanceAction.action_start", act),
    ("nova.objects.Migration.get_by_instance_and_status", Migration.get_by_instance_and_status),
    ("nova.objects.InstanceAction.action_finish", lambda *_given, **_options: None),
    ("nova.objects.MigrationList.get_in_progress_by_host_and_node", lambda *_given: []),
    ("nova.network.neutron.API", lambda: network_api),
    ("nova.scheduler.client.report.report_client_singleton", lambda: placement),
):
    mock.patch(target, replacement).start()

if __name__ == "__main__":
    socket.gethostname = lambda: HOST
    driver_process.CONF.set_override("host", HOST)
    driver_process.CONF.set_override("cluster_event_check_interval", 1, group="hyperv")
    driver_process.serve(clusterdriver.HyperVClusterDriver, HOST)
