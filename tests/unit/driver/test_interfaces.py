# SPDX-License-Identifier: Apache-2.0
from unittest import mock

from nova import exception
from nova.network import model

from hyperv_driver import oswin, powerops
from tests.unit.driver import base
from tests.unit.driver.base import instance, vif

GENERATION_2 = {"hw_machine_type": "hyperv-gen2"}


class AttachTest(base.DriverTestCase):
    def attach(self, made, port):
        self.driver.attach_interface(self.context, made, base.image_meta(), port)

    def detach(self, made, port):
        self.driver.detach_interface(self.context, made, port)

    def test_to_a_running_machine_of_generation_2(self):
        made = self.spawn(properties=GENERATION_2)
        port = vif(details={"vlan": "101"})
        self.attach(made, port)
        nic = {"mac": port["address"], "switch": "external", "vlan": 101}
        self.assertEqual({port["id"]: nic}, self.vm(made)["nics"])
        self.detach(made, port)
        self.assertEqual({}, self.vm(made)["nics"])
        self.detach(made, port)

    def test_generation_1_must_be_off(self):
        port = vif()
        made = self.spawn(vifs=[port])
        for refusal, call, words in (
            (exception.InterfaceAttachFailed, self.attach, "attach port {} to"),
            (exception.InterfaceDetachFailed, self.detach, "detach port {} from"),
        ):
            error = self.assertRaises(refusal, call, made, port)
            self.assertEqual(
                f"cannot {words.format(port['id'])} {made.name}: "
                "it is of generation 1 and Running, needs Off",
                str(error),
            )
        self.driver.power_off(made)
        self.detach(made, port)
        self.attach(made, port)
        self.assertEqual([port["id"]], list(self.vm(made)["nics"]))

    def test_saved_machine(self):
        made = self.spawn(properties=GENERATION_2)
        self.vm(made)["state"] = powerops.SAVED
        error = self.assertRaises(exception.InterfaceAttachFailed, self.attach, made, vif())
        self.assertIn("it is Saved, needs Off or Running", str(error))

    def test_failure_takes_the_adapter_away(self):
        made = self.spawn(properties=GENERATION_2)
        failing = mock.patch.object(
            self.host.networkutils,
            "connect_vnic_to_vswitch",
            side_effect=oswin.exceptions.HyperVException("no switch"),
        )
        with failing:
            self.assertRaises(exception.NovaException, self.attach, made, vif())
        self.assertEqual({}, self.vm(made)["nics"])

    def test_port_bound_for_something_else(self):
        made = self.spawn(properties=GENERATION_2)
        port = vif(type=model.VIF_TYPE_OVS)
        self.assertRaises(exception.VirtualInterfacePlugException, self.attach, made, port)

    def test_instance_that_hyperv_does_not_have(self):
        self.assertRaises(exception.InstanceNotFound, self.detach, instance("x-ff"), vif())
