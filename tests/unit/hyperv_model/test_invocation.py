# SPDX-License-Identifier: Apache-2.0
"""What is refused of any call, and what each method does with one that says nothing."""

from lab.hyperv_model import errors
from lab.hyperv_model.errors import CimError
from lab.windows_sandbox import wmi  # noqa: F401 - registers what Windows around does
from tests.unit.hyperv_model.case import ModelCase


class InvocationCase(ModelCase):
    def refuse(self, code, reason, target, method, **arguments):
        with self.assertRaisesRegex(CimError, reason) as caught:
            self.wmi.invoke(target, method, arguments)
        self.assertEqual(code, caught.exception.code)

    def test_unknown_methods_and_parameters_are_named(self):
        system = self.define().system.path
        self.refuse(
            errors.INVALID_METHOD, "Msvm_ComputerSystem has no method RequestReset", system, "RequestReset"
        )
        self.refuse(
            errors.INVALID_METHOD_PARAMETERS,
            "RequestStateChange has no input parameter State",
            system,
            "RequestStateChange",
            State=2,
        )
        self.refuse(
            errors.TYPE_MISMATCH,
            "RequestedState is uint16, got 'on'",
            system,
            "RequestStateChange",
            RequestedState="on",
        )
        self.refuse(
            errors.INVALID_OBJECT_PATH,
            "needs an instance",
            "Msvm_ComputerSystem",
            "RequestStateChange",
            RequestedState=2,
        )

    def test_references_must_lead_somewhere(self):
        system = self.define().system.path
        missing = system.replace(self.machine("vm").guid, "NONE")
        self.refuse(errors.NOT_FOUND, "not found", self.service, "DestroySystem", AffectedSystem=missing)
        self.refuse(
            errors.NOT_FOUND,
            "is not on HV1",
            self.service,
            "DestroySystem",
            AffectedSystem=system.replace("HV1", "HV2"),
        )

    def test_references_are_to_instances_of_the_class_that_is_declared(self):
        machine = self.define()
        for method, arguments in (
            ("DestroySystem", {"AffectedSystem": machine.settings.path}),
            ("RemoveResourceSettings", {"ResourceSettings": [machine.settings.path]}),
            ("GetSummaryInformation", {"SettingData": [machine.system.path]}),
        ):
            with self.subTest(method=method):
                reason = f"{method}.{next(iter(arguments))} is .*, expected a CIM_"
                self.refuse(errors.INVALID_PARAMETER, reason, self.service, method, **arguments)
        self.assertIs(machine, self.machine("vm"))

    def test_every_method_of_the_schema_is_simulated(self):
        from lab.hyperv_model import providers

        for classes in self.model.store.definitions.values():
            for definition in classes.values():
                for method in definition.methods.values():
                    self.assertTrue(callable(providers.function_for(definition, method)))

    def test_every_method_answers_or_refuses_a_call_without_parameters(self):
        """So none of them takes the client's connection down."""
        self.attach(self.define(), self.file(r"C:\root.vhd"))
        for (namespace, _), instances in list(self.model.store._instances.items()):
            for instance in list(instances.values())[:1]:
                for method in instance.definition.methods.values():
                    target = instance.class_name if method.static else instance.path
                    with self.subTest(method=f"{instance.class_name}.{method.name}"):
                        try:
                            self.model.namespace(namespace).invoke(target, method.name, {})
                        except CimError as refusal:
                            self.assertNotEqual(errors.INVALID_METHOD, refusal.code)

    def test_a_summary_has_what_was_asked_for(self):
        machine = self.define()
        outputs = self.wmi.invoke(
            self.service,
            "GetSummaryInformation",
            {"SettingData": [machine.settings.path], "RequestedInformation": [4, 100, 103]},
        )
        (summary,) = outputs["SummaryInformation"]
        self.assertEqual(
            (1, 3, None, None),
            tuple(summary[name] for name in ("NumberOfProcessors", "EnabledState", "MemoryUsage", "UpTime")),
        )
        self.refuse(
            errors.INVALID_PARAMETER, "999", self.service, "GetSummaryInformation", RequestedInformation=[999]
        )

    def test_the_image_service_tells_parent_and_size(self):
        (service,) = self.wmi.query("SELECT * FROM Msvm_ImageManagementService")
        base = self.file(r"C:\base\base.vhdx")
        path = self.file(r"C:\vm\root.vhdx", parent=base)
        text = self.succeed(service.path, "GetVirtualHardDiskSettingData", Path=path)["SettingData"]
        for value in ("C:\\base\\base.vhdx", f">{16 << 20}<", '"Type" TYPE="uint16"><VALUE>4<'):
            self.assertIn(value, text)
        outputs, _ = self.call(service.path, "GetVirtualHardDiskSettingData", Path=r"C:\none.vhdx")
        self.assertEqual(32779, outputs["ReturnValue"])
