# SPDX-License-Identifier: Apache-2.0
"""What a take-over writes to nova's own database, and asks of Neutron and placement.

Not test_*.py: see nova_driver_tests.
"""

from unittest import mock

import nova.tests.unit  # noqa: F401  must be the first of nova's to be imported
import oslo_messaging
from nova import context, exception, objects, test
from nova.network import neutron
from nova.scheduler.client import report

from hyperv_driver import takeoverops

RUNNING = 1
RESOURCES = {"VCPU": 2, "MEMORY_MB": 512}


class TakeOverTest(test.TestCase):
    def setUp(self):
        super().setUp()
        self.flags(host="HV2")
        self.context = context.get_admin_context()
        self.nodes = {host: self.add_node(host) for host in ("HV1", "HV2")}
        self.instance = objects.Instance(
            self.context, project_id="project", user_id="user", host="HV1", node="HV1", task_state=None,
            compute_id=self.nodes["HV1"].id, launched_on="HV1",
            flavor=objects.Flavor(name="small", flavorid="1", memory_mb=512, vcpus=2, root_gb=1),
        )  # fmt: skip
        self.instance.create()
        self.networks = mock.create_autospec(neutron.API, instance=True)
        self.placement = mock.create_autospec(report.SchedulerReportClient, instance=True)
        self.placement.get_allocs_for_consumer.return_value = {
            "allocations": {
                self.nodes["HV1"].uuid: {"resources": RESOURCES, "generation": 7},
                "of Neutron": {"resources": {"NET_BW_EGR_KILOBIT_PER_SEC": 1}},
            },
            "consumer_generation": 3,
        }
        for target, replacement in (
            ("nova.network.neutron.API", lambda: self.networks),
            ("nova.scheduler.client.report.report_client_singleton", lambda: self.placement),
        ):
            patch = mock.patch(target, replacement)
            patch.start()
            self.addCleanup(patch.stop)
        self.powerops = mock.Mock()
        self.powerops.state.return_value = RUNNING
        self.networkops = mock.Mock()
        self.takeoverops = takeoverops.TakeoverOps(
            "HV2", self.networkops, mock.Mock(), self.powerops, mock.Mock()
        )

    def add_node(self, host):
        node = objects.ComputeNode(
            self.context, host=host, hypervisor_hostname=host, vcpus=1, memory_mb=1, local_gb=1,
            vcpus_used=0, memory_mb_used=0, local_gb_used=0, hypervisor_type="hyperv", hypervisor_version=1,
            cpu_info="",
        )  # fmt: skip
        node.create()
        return node

    def recorded(self):
        found = objects.Instance.get_by_uuid(self.context, self.instance.uuid)
        return found.host, found.node, found.compute_id, found.power_state

    def take_over(self):
        self.takeoverops.take_over(context.get_admin_context(), self.instance)

    def test_all_of_nova_knows_it_here(self):
        self.take_over()
        self.assertEqual(("HV2", "HV2", self.nodes["HV2"].id, RUNNING), self.recorded())
        self.networks.setup_instance_network_on_host.assert_called_once_with(mock.ANY, self.instance, "HV2")
        self.networkops.plug.assert_called_once_with(
            self.instance, self.networks.get_instance_nw_info.return_value
        )
        (_, consumer, wanted), _ = self.placement.put_allocations.call_args
        self.assertEqual(self.instance.uuid, consumer)
        self.assertEqual(
            {
                self.nodes["HV2"].uuid: {"resources": RESOURCES},
                "of Neutron": {"resources": {"NET_BW_EGR_KILOBIT_PER_SEC": 1}},
            },
            wanted["allocations"],
        )
        self.assertEqual(3, wanted["consumer_generation"])
        (action,) = objects.InstanceActionList.get_by_instance_uuid(self.context, self.instance.uuid)
        self.assertEqual("failover", action.action)
        self.assertIsNotNone(action.finish_time)

    def test_it_is_in_the_zone_of_its_new_host(self):
        aggregate = objects.Aggregate(self.context, name="rack", metadata={"availability_zone": "second"})
        aggregate.create()
        aggregate.add_host("HV2")
        self.take_over()
        zone = objects.Instance.get_by_uuid(self.context, self.instance.uuid).availability_zone
        self.assertEqual("second", zone)

    def test_a_conductor_that_does_not_reach_the_api_database(self):
        self.instance.availability_zone = "first"
        error = oslo_messaging.RemoteError("CantStartEngineError")
        refused = mock.patch("nova.objects.AggregateList.get_by_host", side_effect=error)
        with refused, self.assertLogs(takeoverops.LOG.logger, "WARNING"):
            self.take_over()
        found = objects.Instance.get_by_uuid(self.context, self.instance.uuid)
        self.assertEqual(("HV2", "first"), (found.host, found.availability_zone))

    def test_what_fails_can_be_done_again(self):
        self.networks.setup_instance_network_on_host.side_effect = exception.PortUpdateFailed(
            port_id="one", reason="Neutron is down"
        )
        self.assertRaises(exception.PortUpdateFailed, self.take_over)
        self.assertEqual(("HV1", "HV1", self.nodes["HV1"].id, None), self.recorded())
        self.networks.setup_instance_network_on_host.side_effect = None
        self.take_over()
        # Allocations that have moved already are left.
        self.placement.get_allocs_for_consumer.return_value = {"allocations": {self.nodes["HV2"].uuid: {}}}
        self.placement.put_allocations.reset_mock()
        self.instance.host = self.instance.node = "HV1"
        self.take_over()
        self.placement.put_allocations.assert_not_called()
        self.assertEqual("HV2", self.recorded()[0])

    def test_a_resize_to_be_confirmed_is_reverted_from_here(self):
        migration = objects.Migration(
            self.context, instance_uuid=self.instance.uuid, status="finished", migration_type="resize",
            source_compute="HV0", source_node="HV0", dest_compute="HV1", dest_node="HV1",
            dest_compute_id=self.nodes["HV1"].id,
        )  # fmt: skip
        migration.create()
        self.instance.vm_state = "resized"
        self.take_over()
        found = objects.Migration.get_by_id(self.context, migration.id)
        self.assertEqual(
            ("HV0", "HV2", "HV2", self.nodes["HV2"].id),
            (found.source_compute, found.dest_compute, found.dest_node, found.dest_compute_id),
        )

    def test_a_refusal_of_placement_is_logged(self):
        self.placement.put_allocations.return_value = False
        with self.assertLogs(takeoverops.LOG.logger, "ERROR") as logs:
            self.take_over()
        self.assertIn("Placement refuses", logs.output[0])
        self.assertEqual("HV2", self.recorded()[0])

    def test_allocations_that_are_elsewhere(self):
        self.placement.get_allocs_for_consumer.return_value = {"allocations": {"another": {}}}
        with self.assertLogs(takeoverops.LOG.logger, "ERROR") as logs:
            self.take_over()
        self.assertIn("placement has them on another, expected", logs.output[0])
        self.placement.put_allocations.assert_not_called()
        self.assertEqual("HV2", self.recorded()[0])

    def test_a_node_that_nova_forgot(self):
        self.nodes["HV1"].destroy()
        with self.assertLogs(takeoverops.LOG.logger, "ERROR") as logs:
            self.take_over()
        self.assertIn("nova has no node HV1", logs.output[0])
        self.placement.put_allocations.assert_not_called()
        self.assertEqual("HV2", self.recorded()[0])
