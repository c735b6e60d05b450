# SPDX-License-Identifier: Apache-2.0
"""The stand-in for PyMI's ``mi``, against the model over its socket; what PyMI does was read from its
source.
"""

import datetime
import os
import pathlib
import queue
import socket
import sys
import threading
import unittest.mock

from lab import windows_shims
from lab.hyperv_model import states
from lab.hyperv_model.server import serve
from tests.unit.hyperv_model.case import V2, ModelCase

sys.path.append(str(pathlib.Path(windows_shims.__file__).parent))
import mi


class MiCase(ModelCase):
    def setUp(self):
        super().setUp()
        run = self.root / "run"
        run.mkdir(exist_ok=True)
        self.server = serve(self.model, run / "wmi.sock")
        self.addCleanup(self.server.close)
        patch = unittest.mock.patch.dict(os.environ, WINDOWS_HOST_RUN=str(run))
        patch.start()
        self.addCleanup(patch.stop)
        self.application = mi.Application()
        self.session = self.application.create_session()

    def query(self, text, namespace=V2):
        operation = self.session.exec_query(namespace, text)
        found = []
        while (instance := operation.get_next_instance()) is not None:
            found.append(instance)
        self.assertFalse(operation.has_more_results())
        return found

    def class_of(self, name):
        return self.session.get_class(V2, name).get_next_class()

    def assert_error(self, code, mi_result, function, *arguments, **keywords):
        with self.assertRaises(mi.error) as caught:
            function(*arguments, **keywords)
        details = caught.exception.args[0]
        self.assertEqual((mi_result, code), (details["mi_result"], details["error_code"] & 0xFFFFFFFF))
        return details["message"]

    def test_elements_are_found_by_name_in_any_case_and_by_index(self):
        (host,) = self.query("SELECT * FROM Msvm_ComputerSystem")
        self.assertEqual(("elementname", mi.MI_STRING, "HV1"), host.get_element("elementname"))
        self.assertEqual("HV1", host["ElementName"])
        self.assertEqual("InstanceID", host.get_element(0)[0])
        self.assertEqual(len(host), len(list(host.elements())))
        self.assert_error(0, mi.mi_error.MI_RESULT_NO_SUCH_PROPERTY, host.get_element, "Nothing")

    def test_the_path_is_the_models(self):
        (host,) = self.query("SELECT * FROM Msvm_ComputerSystem")
        self.assertEqual(self.wmi.query("SELECT * FROM Msvm_ComputerSystem")[0].path, host.get_path())

    def test_an_instance_of_a_class_has_no_path(self):
        cls = self.class_of("Msvm_MemorySettingData")
        instance = self.application.create_instance_from_class("Msvm_MemorySettingData", cls)
        self.assertEqual("", instance.get_path())
        self.assertTrue(instance["AutomaticAllocation"], "a default of the class")

    def test_values_are_converted_as_pymi_does(self):
        cls = self.class_of("Msvm_MemorySettingData")
        instance = self.application.create_instance_from_class("Msvm_MemorySettingData", cls)
        instance["VirtualQuantity"] = "512"
        instance["Address"] = 7
        instance["DynamicMemoryEnabled"] = 1
        instance["HostResource"] = ["a", 2]
        instance["Limit"] = None
        self.assertEqual(
            (512, "7", True, ("a", "2"), None),
            tuple(
                instance[name]
                for name in ("VirtualQuantity", "Address", "DynamicMemoryEnabled", "HostResource", "Limit")
            ),
        )

    def test_values_of_the_wrong_type_are_refused(self):
        cls = self.class_of("Msvm_MemorySettingData")
        instance = self.application.create_instance_from_class("Msvm_MemorySettingData", cls)
        for name, value, raised in (
            ("VirtualQuantity", True, mi.error),
            ("VirtualQuantity", -1, OverflowError),
            ("VirtualQuantity", "many", ValueError),
            ("VirtualQuantity", [1], TypeError),
            ("HostResource", "text", TypeError),
            ("Address", ["a"], TypeError),
            ("DynamicMemoryEnabled", "true", TypeError),
            ("Nothing", 1, mi.error),
        ):
            with self.subTest(name=name, value=value), self.assertRaises(raised):
                instance[name] = value

    def test_a_clone_is_another(self):
        (host,) = self.query("SELECT * FROM Msvm_ComputerSystem")
        clone = host.clone()
        clone["ElementName"] = "other"
        self.assertEqual("HV1", host["ElementName"])

    def test_datetimes_are_pythons(self):
        (system,) = self.query("SELECT * FROM Win32_OperatingSystem", "root/cimv2")
        self.assertIsInstance(system["LocalDateTime"], datetime.datetime)
        cls = self.class_of("Msvm_ConcreteJob")
        self.assertEqual(datetime.timedelta(minutes=5), cls["TimeBeforeRemoval"])

    def test_parameters_are_in_the_order_of_their_names(self):
        cls = self.class_of("Msvm_VirtualSystemManagementService")
        params = self.application.create_method_params(cls, "GetSummaryInformation")
        self.assertEqual(["RequestedInformation", "SettingData"], [name for name, _, _ in params.elements()])
        self.assertEqual(mi.MI_REFERENCEA, params.get_element(1)[1])
        self.assertFalse(self.application.create_method_params(cls, "GetSummaryInformation") is params)
        self.assert_error(
            0, mi.mi_error.MI_RESULT_METHOD_NOT_FOUND, self.application.create_method_params, cls, "Nothing"
        )

    def test_a_class_has_no_elements_of_its_own(self):
        with self.assertRaises(mi.error):
            self.class_of("Msvm_MemorySettingData").get_element("Limit")

    def test_a_method_is_called(self):
        machine = self.define()
        (system,) = self.query("SELECT * FROM Msvm_ComputerSystem WHERE ElementName = 'vm'")
        params = self.application.create_method_params(system.get_class(), "RequestStateChange")
        params["RequestedState"] = states.ENABLE
        with self.session.invoke_method(system, "RequestStateChange", params) as operation:
            outputs = operation.get_next_instance()
        self.assertEqual(4096, outputs["ReturnValue"])
        self.assertEqual("Msvm_ConcreteJob", outputs["Job"].get_class_name())
        (job,) = self.query("SELECT * FROM Msvm_ConcreteJob WHERE JobState = 4 OR JobState = 7")[-1:]
        self.assertIn(machine.guid, self.session.get_associators(V2, job).get_next_instance().get_path())

    def test_embedded_instances_come_out(self):
        self.define()
        (service,) = self.query("SELECT * FROM Msvm_VirtualSystemManagementService")
        params = self.application.create_method_params(service.get_class(), "GetSummaryInformation")
        params["RequestedInformation"] = [1]
        outputs = self.session.invoke_method(service, "GetSummaryInformation", params).get_next_instance()
        self.assertEqual("vm", outputs["SummaryInformation"][0]["ElementName"])

    def test_errors_carry_their_hresult(self):
        result = mi.mi_error
        self.assert_error(
            0x80041010, result.MI_RESULT_INVALID_CLASS, self.session.get_class, V2, "Msvm_Nothing"
        )
        self.assert_error(
            0x8004100E,
            result.MI_RESULT_INVALID_NAMESPACE,
            self.session.exec_query,
            "root/x",
            "SELECT * FROM Y",
        )
        self.assert_error(0x80041017, result.MI_RESULT_INVALID_QUERY, self.session.exec_query, V2, "SELECT")
        elsewhere = self.application.create_session("HV2")
        self.assert_error(
            0x800706BA, result.MI_RESULT_FAILED, elsewhere.exec_query, V2, "SELECT * FROM Msvm_Memory"
        )
        (host,) = self.query("SELECT * FROM Msvm_ComputerSystem")
        self.assert_error(0x80041024, result.MI_RESULT_NOT_SUPPORTED, self.session.modify_instance, V2, host)

    def test_what_is_not_simulated_is_refused(self):
        refused = mi.mi_error.MI_RESULT_NOT_SUPPORTED
        options = self.application.create_operation_options()
        self.assert_error(0, refused, options.set_custom_option, "n", mi.MI_STRING, "v")
        # On Windows it has a Win32_DiskPartition and others (documented); none of them is here.
        (disk,) = self.query("SELECT * FROM Win32_DiskDrive", "root/cimv2")
        self.assert_error(0x80041024, refused, self.session.get_associators, "root/cimv2", disk)
        destination = self.application.create_destination_options()
        failed = mi.mi_error.MI_RESULT_FAILED
        self.assert_error(0x8007052E, failed, destination.add_credentials, "Default", "", "u", "p", "")
        self.assert_error(0, refused, self.application.create_session, ".", mi.PROTOCOL_WINRM)

    def test_a_late_answer_is_a_timeout(self):
        options = self.application.create_operation_options()
        options.set_timeout(datetime.timedelta(milliseconds=50))
        with self.model.lock, self.assertRaises(mi.timeouterror):
            self.session.exec_query(V2, "SELECT * FROM Msvm_Memory", operation_options=options)
        self.assertEqual(2, len(self.query("SELECT * FROM Msvm_Memory")))

    def test_a_host_that_was_started_anew_is_found_again(self):
        self.query("SELECT * FROM Msvm_Memory")
        self.server.close()
        self.assert_error(0x800706BA, mi.mi_error.MI_RESULT_FAILED, self.query, "SELECT * FROM Msvm_Memory")
        self.server = serve(self.model, self.root / "run" / "wmi.sock")
        self.addCleanup(self.server.close)
        self.assertEqual(2, len(self.query("SELECT * FROM Msvm_Memory")))

    def test_events_are_called_back_and_the_last_one_ends_it(self):
        machine = self.define()
        calls = queue.Queue()
        operation = self.session.subscribe(
            V2,
            "SELECT * FROM __InstanceModificationEvent WITHIN 0.05 "
            "WHERE TargetInstance ISA 'Msvm_ComputerSystem' AND TargetInstance.EnabledState = 2 "
            "AND TargetInstance.EnabledState != PreviousInstance.EnabledState",
            lambda *arguments: calls.put(arguments),
        )
        self.request(machine, states.ENABLE)
        event, *_ = calls.get(timeout=2)
        self.assertEqual("vm", event["TargetInstance"]["ElementName"])
        operation.cancel()
        while (last := calls.get(timeout=2))[0] is not None:
            pass
        self.assertEqual(0, last[3], "more results")

    def test_a_subscription_to_a_host_that_goes_fails_as_a_call_does(self):
        self.server.close()
        path = self.root / "run" / "wmi.sock"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
            listener.listen()
            going = threading.Thread(target=lambda: listener.accept()[0].close())
            going.start()
            query = "SELECT * FROM __InstanceCreationEvent WITHIN 1 WHERE TargetInstance ISA 'Msvm_Memory'"
            self.assert_error(
                0x800706BE, mi.mi_error.MI_RESULT_FAILED, self.session.subscribe, V2, query, print
            )
            going.join()

    def test_an_event_query_without_within_is_refused(self):
        message = self.assert_error(
            0x80042002,
            mi.mi_error.MI_RESULT_FAILED,
            self.session.subscribe,
            V2,
            "SELECT * FROM __InstanceModificationEvent WHERE TargetInstance ISA 'Msvm_Memory'",
            print,
        )
        self.assertIn("WITHIN", message)
