# SPDX-License-Identifier: Apache-2.0
from types import SimpleNamespace

from lab.windows_sandbox.scripts import hyperv_inventory
from lab.windows_sandbox.scripts.ansible_variable import AnsibleVariable
from tests.unit.hyperv_model.case import ModelCase


class TestInventory(ModelCase):
    def list(self):
        variable = AnsibleVariable()
        session = SimpleNamespace(host=SimpleNamespace(wmi=self.model.namespace))
        self.assertEqual([], hyperv_inventory.inventory(session, variable))
        return variable.result["lines"]

    def test_a_machine_and_what_belongs_to_it(self):
        before = self.list()
        machine = self.define("instance-1")
        self.attach(machine, self.file("C:\\disks\\root.vhdx"))
        self.add(
            machine,
            "Msvm_SyntheticEthernetPortSettingData",
            "Synthetic Ethernet Port",
            ElementName="tap-1",
            Address="FA163E000001",
            StaticMacAddress="True",
        )
        self.request(machine, 2)
        guid = machine.system["Name"]
        self.assertEqual(
            [
                f"disk C:\\disks\\root.vhdx of {guid}",
                f"machine instance-1 {guid}, state 2",
                f"port tap-1 FA163E000001 of {guid}",
            ],
            [line for line in self.list() if line not in before],
        )
        self.assertEqual(sorted(before), before)
