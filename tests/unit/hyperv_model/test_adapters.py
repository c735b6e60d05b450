# SPDX-License-Identifier: Apache-2.0
"""Network adapters of a machine, their connections and the features of these."""

from lab.hyperv_model import networking, states
from tests.unit.hyperv_model.case import ModelCase, xml

NIC = "Msvm_SyntheticEthernetPortSettingData"
PORT = "Msvm_EthernetPortAllocationSettingData"


class NetworkCase(ModelCase):
    def adapter(self, machine, **values):
        return self.add(machine, NIC, "Synthetic Ethernet Port", ElementName="port", **values)

    def test_a_static_address_is_kept_and_a_dynamic_one_is_made(self):
        machine = self.define()
        static = self.adapter(machine, Address="fa163e000001", StaticMacAddress=True)
        self.assertEqual("FA163E000001", self.wmi.at(static)["Address"])
        dynamic = self.adapter(machine, StaticMacAddress=False)
        self.assertEqual("000000000000", self.wmi.at(dynamic)["Address"])
        for _twice in range(2):
            self.request(machine, states.ENABLE)
            self.assertEqual("00155D020A00", self.wmi.at(dynamic)["Address"])
            self.request(machine, states.DISABLE)

    def test_a_changed_address_is_held_to_the_same(self):
        machine = self.define()
        self.add(machine, NIC, "Synthetic Ethernet Port", StaticMacAddress=True, Address="00155D000002")
        (adapter,) = machine.of(NIC)
        change = "ModifyResourceSettings"
        self.fail_with("12 hex digits", self.service, change, **self.modify(adapter, Address="ZZ"))
        self.fail_with("multicast", self.service, change, **self.modify(adapter, Address="01005e000001"))
        self.succeed(self.service, change, **self.modify(adapter, Address="00-15-5d-00-00-09"))
        self.assertEqual("00155D000009", adapter["Address"])

    def test_emulated_adapters_are_four_of_generation_1_while_it_is_off(self):
        """Documented: "Plan for Hyper-V scalability in Windows Server", Msvm_EmulatedEthernetPort."""
        emulated = "Msvm_EmulatedEthernetPortSettingData", "Emulated Ethernet Port"

        def refuse(reason, machine):
            settings = xml(emulated[0], ResourceSubType=f"Microsoft:Hyper-V:{emulated[1]}")
            wanted = {"AffectedConfiguration": machine.settings.path, "ResourceSettings": [settings]}
            self.fail_with(reason, self.service, "AddResourceSettings", **wanted)

        machine = self.define()
        self.adapter(machine)
        added = self.add(machine, *emulated)
        self.add(machine, PORT, "Ethernet Connection", Parent=added)
        self.request(machine, states.ENABLE)
        addresses = [part["Address"] for part in networking.adapters(machine)]
        self.assertEqual(["00155D020A00", "00155D020A01"], addresses)
        refuse("needs Off", machine)
        self.request(machine, states.DISABLE)
        for _ in range(3):
            self.add(machine, *emulated)
        refuse("it has 4 already", machine)
        self.adapter(machine)
        refuse("generation 2 has no emulated", self.define("two", generation=2))

    def test_features_have_ranges(self):
        """Documented: Set-VMNetworkAdapterVlan, and the pages of the classes."""
        machine = self.define()
        adapter = self.add(machine, NIC, "Synthetic Ethernet Port")
        connection = self.add(machine, PORT, "Ethernet Connection", Parent=adapter)
        for class_name, values in (
            ("Vlan", {"OperationMode": 4}),
            ("Vlan", {"OperationMode": 2, "TrunkVlanIdArray": [100, 4095]}),
            ("Vlan", {"OperationMode": 3, "PrimaryVlanId": 5000}),
            ("ExtendedAcl", {"Direction": 3, "Action": 1, "Weight": 1}),
            ("Acl", {"Direction": 1, "Action": 4}),
        ):
            feature = xml(f"Msvm_EthernetSwitchPort{class_name}SettingData", **values)
            with self.subTest(class_name=class_name, **values):
                self.fail_with(
                    "expected 1 to",
                    self.service,
                    "AddFeatureSettings",
                    AffectedConfiguration=connection,
                    FeatureSettings=[feature],
                )

    def test_extended_acls_name_what_there_is_and_differ_in_weight(self):
        """Documented: Add-VMNetworkAdapterExtendedAcl."""
        machine = self.define()
        adapter = self.add(machine, NIC, "Synthetic Ethernet Port")
        port = self.add(machine, PORT, "Ethernet Connection", Parent=adapter)

        def acl(**values):
            values = {"Direction": 1, "Action": 1, "Weight": 9, **values}
            settings = xml("Msvm_EthernetSwitchPortExtendedAclSettingData", **values)
            return {"AffectedConfiguration": port, "FeatureSettings": [settings]}

        add = "AddFeatureSettings"
        for name, wrong in (
            ("LocalIPAddress", "10.0.0.256"),
            ("RemoteIPAddress", "10.0.0.0/33"),
            ("LocalPort", "65536"),
            ("RemotePort", "443-80"),
            ("Protocol", "ICMP"),
        ):
            with self.subTest(name=name):
                reason = f"{name} is {wrong}, expected .* or ANY"
                self.fail_with(reason, self.service, add, **acl(**{name: wrong}))
        right = {"LocalIPAddress": "any", "RemoteIPAddress": "2001:db8::/64", "Protocol": "tcp"}
        ports = {"LocalPort": "80-443", "RemotePort": "0"}
        (added,) = self.succeed(self.service, add, **acl(**right, **ports))["ResultingFeatureSettings"]
        self.fail_with("'Weight': 9} already", self.service, add, **acl())
        self.succeed(self.service, add, **acl(Direction=2))
        self.succeed(self.service, add, **acl(Weight=8))
        settings = xml(self.wmi.at(added).class_name, InstanceID=self.wmi.at(added)["InstanceID"], Weight=8)
        change = "ModifyFeatureSettings"
        self.fail_with("'Weight': 8} already", self.service, change, FeatureSettings=[settings])
        self.assertEqual(9, self.wmi.at(added)["Weight"])

    def test_a_connection_needs_a_switch(self):
        machine = self.define()
        adapter = self.adapter(machine, StaticMacAddress=False)
        (switch,) = self.wmi.query("SELECT * FROM Msvm_VirtualEthernetSwitch WHERE ElementName = 'external'")
        wrong = switch.path.replace(switch["Name"], "00000000-0000-0000-0000-000000000000")
        for path, reason in ((wrong, "no virtual switch"), (machine.system.path, "is not a virtual switch")):
            self.fail_with(
                reason,
                self.service,
                "AddResourceSettings",
                AffectedConfiguration=machine.settings.path,
                ResourceSettings=[
                    xml(
                        PORT,
                        ResourceSubType="Microsoft:Hyper-V:Ethernet Connection",
                        Parent=adapter,
                        HostResource=[path],
                    )
                ],
            )
        port = self.add(machine, PORT, "Ethernet Connection", Parent=adapter, HostResource=[switch.path])
        self.assertEqual(self.wmi.at(adapter)["InstanceID"] + "\\C", self.wmi.at(port)["InstanceID"])

    def test_a_feature_is_one_per_port(self):
        machine = self.define()
        port = self.add(
            machine, PORT, "Ethernet Connection", Parent=self.adapter(machine, StaticMacAddress=False)
        )
        vlan = {
            "AffectedConfiguration": port,
            "FeatureSettings": [
                xml("Msvm_EthernetSwitchPortVlanSettingData", AccessVlanId=5, OperationMode=1)
            ],
        }
        added = self.succeed(self.service, "AddFeatureSettings", **vlan)["ResultingFeatureSettings"]
        self.fail_with("already", self.service, "AddFeatureSettings", **vlan)
        self.succeed(self.service, "RemoveFeatureSettings", FeatureSettings=added)
        self.succeed(self.service, "AddFeatureSettings", **vlan)
