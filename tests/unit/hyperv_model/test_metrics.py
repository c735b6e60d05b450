# SPDX-License-Identifier: Apache-2.0
"""What ControlMetrics takes, what it leaves, and of which kind its values are."""

from tests.unit.hyperv_model.case import ModelCase

ENABLE, DISABLE, RESET = 2, 3, 4
VALUE = "CIM_BaseMetricValue"


class MetricsCase(ModelCase):
    def setUp(self):
        super().setUp()
        self.metrics = self.wmi.query("SELECT * FROM Msvm_MetricService")[0].path
        self.definitions = {
            found["ElementName"]: found.path
            for found in self.wmi.query("SELECT * FROM CIM_BaseMetricDefinition")
        }
        self.vm = self.define()
        _, self.disk = self.attach(self.vm, self.file(r"C:\d.vhd"))

    def control(self, wanted, subject=None, name=None):
        arguments = {
            "Subject": subject,
            "Definition": name and self.definitions[name],
            "MetricCollectionEnabled": wanted,
        }
        return self.wmi.invoke(self.metrics, "ControlMetrics", arguments)["ReturnValue"]

    def values(self):
        return self.wmi.query(f"SELECT * FROM {VALUE}")

    def test_services_are_found_by_the_names_that_their_pages_tell(self):
        for class_name, name in (
            ("Msvm_MetricService", "metricsvc"),
            ("Msvm_VirtualSystemMigrationService", "migrationwmi"),
            ("Msvm_VirtualSystemSnapshotService", "vssnapsvc"),
            ("Msvm_ImageManagementService", "vhdsvc"),
            ("Msvm_VirtualSystemManagementService", "vmms"),
        ):
            (service,) = self.wmi.query(f"SELECT * FROM {class_name}")
            self.assertEqual(name, service["Name"])

    def test_averages_are_aggregated(self):
        """Inferred from ceilometer's specification of disk.iops, which looks for them so."""
        self.assertEqual(0, self.control(ENABLE, self.disk))
        self.assertEqual(
            {
                "Disk Data Read": "Msvm_BaseMetricValue",
                "Disk Data Written": "Msvm_BaseMetricValue",
                "Average Disk Latency": "Msvm_AggregationMetricValue",
                "Average Normalized Disk Throughput": "Msvm_AggregationMetricValue",
            },
            {value["ElementName"]: value.class_name for value in self.values()},
        )

    def test_a_reset_begins_anew_and_begins_nothing(self):
        self.assertEqual(0, self.control(RESET, self.disk))
        self.assertEqual([], self.values())
        self.control(ENABLE, self.disk, "Disk Data Read")
        (stored,) = self.model.store.of("root/virtualization/v2", VALUE)
        stored["MetricValue"] = "5"
        self.assertEqual(0, self.control(RESET, self.disk))
        self.assertEqual(["0"], [value["MetricValue"] for value in self.values()])
        self.control(DISABLE, self.disk)
        self.assertEqual([], self.values())

    def test_a_definition_alone_is_about_all_that_have_it(self):
        """Documented."""
        other = self.define("other")
        self.attach(other, self.file(r"C:\e.vhd"))
        self.assertEqual(0, self.control(ENABLE, name="Disk Data Read"))
        self.assertEqual(
            {self.vm.guid, other.guid}, {value["InstanceID"].split("\\")[0][10:] for value in self.values()}
        )

    def test_what_never_runs_is_not_measured(self):
        template = self.wmi.query(
            "SELECT * FROM Msvm_StorageAllocationSettingData WHERE InstanceID LIKE 'Microsoft:Definition%'"
        )[0]
        host = self.wmi.query("SELECT * FROM Msvm_ComputerSystem WHERE Name='HV1'")[0]
        self.assertEqual([2, 2], [self.control(ENABLE, subject.path) for subject in (template, host)])
        self.assertEqual([], self.values())

    def test_a_machine_may_be_called_as_its_host(self):
        self.assertEqual(0, self.control(ENABLE, self.define("HV1").system.path))

    def test_a_disk_that_goes_takes_its_values_along(self):
        self.control(ENABLE, self.disk)
        self.succeed(self.service, "RemoveResourceSettings", ResourceSettings=[self.disk])
        self.assertEqual([], self.values())
