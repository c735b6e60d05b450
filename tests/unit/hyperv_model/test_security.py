# SPDX-License-Identifier: Apache-2.0
"""Security settings that a client changes one by one."""

from lab.hyperv_model.errors import CimError
from tests.unit.hyperv_model.case import ModelCase, xml

SETTINGS = "Msvm_SecuritySettingData"


class SecurityCase(ModelCase):
    def setUp(self):
        super().setUp()
        self.define(generation=2)
        self.security = self.wmi.query("SELECT * FROM Msvm_SecurityService")[0].path
        self.change("SetKeyProtector", KeyProtector=[1, 2, 3])
        self.change("ModifySecuritySettings", TpmEnabled="true")

    @property
    def settings(self):
        (found,) = self.wmi.query(f"SELECT * FROM {SETTINGS}")
        return found

    def wanted(self, **values):
        return xml(SETTINGS, InstanceID=self.settings["InstanceID"], **values)

    def change(self, method, KeyProtector=None, **values):
        arguments = {"KeyProtector": KeyProtector} if KeyProtector else {}
        self.succeed(self.security, method, SecuritySettingData=self.wanted(**values), **arguments)

    def test_what_is_left_out_stays(self):
        self.change("ModifySecuritySettings", ShieldingRequested="true")
        self.assertTrue(self.settings["TpmEnabled"])

    def test_settings_that_no_machine_has_are_not_found(self):
        for method in ("ModifySecuritySettings", "SetKeyProtector", "GetKeyProtector"):
            wanted = xml(SETTINGS, InstanceID=self.settings["InstanceID"] + "x", TpmEnabled="false")
            with self.subTest(method), self.assertRaisesRegex(CimError, "not found"):
                self.wmi.invoke(self.security, method, {"SecuritySettingData": wanted})
        self.assertTrue(self.settings["TpmEnabled"])

    def test_a_shielded_machine_keeps_its_tpm(self):
        self.change("ModifySecuritySettings", ShieldingRequested="true")
        wanted = self.wanted(TpmEnabled="false")
        self.fail_with(
            "shielding needs a virtual TPM",
            self.security,
            "ModifySecuritySettings",
            SecuritySettingData=wanted,
        )
