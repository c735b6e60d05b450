# SPDX-License-Identifier: Apache-2.0
"""WMI over WS-Management: the plug-in's client (on pywinrm), the server, and the Hyper-V model behind it."""

import pathlib
import tempfile
import time
import unittest

import xmltodict
from hyperv_tempest_plugin.host import Disk, HypervHost, Machine, Nic
from hyperv_tempest_plugin.wsman import ENUMERATION, WMI, WQL, WSMAN, Namespace
from winrm.exceptions import WSManFaultError
from winrm.protocol import Protocol

from lab.hyperv_model import Model, vhd
from tests.contract.winrm_server.requests_to_wmi import embedded, reference
from tests.contract.winrm_server.shell_host import ShellHost, serve, watch_envelopes

V2 = "root/virtualization/v2"
SYSTEMS = f"{WMI}{V2}/Msvm_ComputerSystem"
TRANSFER = "http://schemas.xmlsoap.org/ws/2004/09/transfer"
ADDRESSING = "http://schemas.xmlsoap.org/ws/2004/08/addressing"
KIND = "Microsoft:Hyper-V:"
MANAGEMENT = "Msvm_VirtualSystemManagementService"


class ModelHost(ShellHost):
    """A host with a Hyper-V model behind its WMI; C:\\ is `folder`."""

    def __init__(self, folder):
        super().__init__()
        self.model = Model(self.name, lambda path: pathlib.Path(folder, path.rpartition("\\")[2]))
        self.wmi = self.model.namespace


class WmiCase(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.simulated = ModelHost(folder.name)
        self.addCleanup(self.simulated.model.close)
        server, certificate = serve(self, self.simulated)
        self.protocol = Protocol(
            f"https://127.0.0.1:{server.port}/wsman",
            transport="certificate",
            cert_pem=str(certificate.pem),
            cert_key_pem=str(certificate.key),
            server_cert_validation="ignore",
        )
        self.addCleanup(self.protocol.transport.close_session)
        self.wmi = Namespace(self.protocol, V2)

    def assert_fault(self, code, text, call, *args, **kwargs):
        with self.assertRaisesRegex(WSManFaultError, text) as caught:
            call(*args, **kwargs)
        self.assertEqual(code, caught.exception.wsman_fault_code, caught.exception)

    def enumerate(self, uri, **options):
        return self.wmi.send(f"{ENUMERATION}/Enumerate", uri, {"n:Enumerate": options})


class TestQueries(WmiCase):
    def test_instances_are_in_the_namespace_of_their_class(self):
        found = self.enumerate(SYSTEMS, **{"w:OptimizeEnumeration": None})
        system = found.find(f"{{{WSMAN}}}Items/{{{SYSTEMS}}}Msvm_ComputerSystem")
        self.assertEqual("FAKE-HOST", system.findtext(f"{{{SYSTEMS}}}Name"))
        self.assertEqual(
            "p:Msvm_ComputerSystem_Type", system.get("{http://www.w3.org/2001/XMLSchema-instance}type")
        )
        names = [child.tag.lower() for child in system]
        self.assertEqual(sorted(names), names)

    def test_query(self):
        (item,) = self.wmi.query("SELECT * FROM Msvm_ComputerSystem WHERE Name = 'FAKE-HOST'")
        self.assertEqual(("Msvm_ComputerSystem", "FAKE-HOST"), (item.class_name, item["ElementName"]))
        self.assertIsNone(item["InstallDate"])
        self.assertRaisesRegex(KeyError, "Msvm_ComputerSystem has no property Colour", item.all, "Colour")
        self.assertEqual([], self.wmi.query("SELECT * FROM Msvm_ComputerSystem WHERE Name = 'other'"))

    def test_query_for_some_properties(self):
        (item,) = self.wmi.query("SELECT ElementName, InstallDate FROM Msvm_ComputerSystem")
        self.assertEqual("XmlFragment", item.class_name)
        self.assertEqual("FAKE-HOST", item["ElementName"])
        self.assertRaises(KeyError, item.all, "Name")

    def test_many_instances_come_in_envelopes_that_the_client_can_hold(self):
        store = self.simulated.model.store
        for number in range(1200):
            store.add("root/cimv2", "Win32_PnPEntity", DeviceID=f"dev-{number}", Name="<&> \\ é" * 20)
        sizes = watch_envelopes(self.protocol)
        found = Namespace(self.protocol, "root/cimv2").query(
            "SELECT * FROM Win32_PnPEntity WHERE DeviceID LIKE 'dev-%'"
        )
        self.assertEqual([f"dev-{number}" for number in range(1200)], [item["DeviceID"] for item in found])
        self.assertEqual("<&> \\ é" * 20, found[0]["Name"])
        self.assertGreater(len(sizes), 1)
        self.assertLessEqual(max(sizes), self.protocol.max_env_sz)

    def test_datetimes_numbers_booleans_and_arrays(self):
        store = self.simulated.model.store
        store.add(
            V2,
            "Msvm_ConcreteJob",
            InstanceID="job",
            StartTime="20240229132501.500000+060",
            JobState=4,
            ElapsedTime="00000001020304.000000:000",
            Cancellable=True,
            OperationalStatus=[2, 15],
        )
        (job,) = self.wmi.query("SELECT * FROM Msvm_ConcreteJob")
        self.assertEqual(
            ["2024-02-29T13:25:01.5+01:00", "4", "true"],
            [job[name] for name in ("StartTime", "JobState", "Cancellable")],
        )
        self.assertEqual(["2", "15"], job.all("OperationalStatus"))

    def test_enumeration_by_pulls_and_release(self):
        uri = f"{WMI}root/cimv2/Win32_PnPEntity"
        for number in range(3):
            self.simulated.model.store.add("root/cimv2", "Win32_PnPEntity", DeviceID=str(number), Name="n")

        def open_context():
            answer = self.enumerate(uri)
            self.assertIsNone(answer.find(f"{{{WSMAN}}}Items"))
            return answer.findtext(f"{{{ENUMERATION}}}EnumerationContext")

        def pull(context, **options):
            return self.wmi.send(
                f"{ENUMERATION}/Pull", uri, {"n:Pull": {"n:EnumerationContext": context, **options}}
            )

        context = open_context()
        self.assertEqual(1, len(pull(context).find(f"{{{ENUMERATION}}}Items")))
        rest = pull(context, **{"n:MaxElements": "5"})
        self.assertEqual(2, len(rest.find(f"{{{ENUMERATION}}}Items")))
        self.assertIsNotNone(rest.find(f"{{{ENUMERATION}}}EndOfSequence"))
        self.assert_fault(0x8033801B, context, pull, context)
        context = open_context()
        release = {"n:Release": {"n:EnumerationContext": context}}
        self.protocol.send_message(self.wmi_envelope(f"{ENUMERATION}/Release", uri, release))
        self.assert_fault(0x8033801B, context, pull, context)

    def wmi_envelope(self, action, uri, body):
        return xmltodict.unparse(
            {"env:Envelope": {**self.protocol.build_wsman_header(action, uri), "env:Body": body}}
        )

    def test_refusals(self):
        query = self.wmi.query
        self.assert_fault(
            0x80338000, "no class Msvm_Unicorn in root/virtualization/v2", query, "SELECT * FROM Msvm_Unicorn"
        )
        self.assert_fault(0x8033801A, "not a WQL query", query, "GIVE ME ALL")
        self.assert_fault(
            0x80338000,
            "no namespace root/nowhere",
            Namespace(self.protocol, "root/nowhere").query,
            "SELECT * FROM X",
        )
        wql = {"w:Filter": {"@Dialect": WQL, "#text": "SELECT * FROM Msvm_ComputerSystem"}}
        self.assert_fault(0x803380FB, "asterisk", self.enumerate, SYSTEMS, **wql)
        self.assert_fault(0x8033801A, "needs a WQL filter", self.enumerate, f"{WMI}{V2}/*")
        self.assert_fault(
            0x80338019, "dialect urn:x", self.enumerate, SYSTEMS, **{"w:Filter": {"@Dialect": "urn:x"}}
        )
        self.assert_fault(
            0x80338086, "EnumerateNone", self.enumerate, SYSTEMS, **{"w:EnumerationMode": "EnumerateNone"}
        )
        for number in ("0", "many"):
            self.assert_fault(
                0x80338041,
                "expected a positive number",
                self.enumerate,
                SYSTEMS,
                **{"w:OptimizeEnumeration": None, "w:MaxElements": number},
            )
        self.assert_fault(0x80338041, "holds Colour", self.enumerate, SYSTEMS, **{"w:Colour": "red"})
        self.assert_fault(0x80338000, "is no WMI resource", self.enumerate, f"{WMI}Msvm_ComputerSystem")
        self.assert_fault(
            0x80338000, "is not served", self.enumerate, "http://schemas.microsoft.com/wbem/wsman/1/config"
        )

    def test_references(self):
        for mode, wrapped in (("EnumerateEPR", ""), ("EnumerateObjectAndEPR", f"{{{WSMAN}}}Item/")):
            found = self.enumerate(SYSTEMS, **{"w:EnumerationMode": mode, "w:OptimizeEnumeration": None})
            items = found.find(f"{{{WSMAN}}}Items")
            reference = items.find(f"{wrapped}{{{ADDRESSING}}}EndpointReference")
            self.assertEqual(SYSTEMS, reference.findtext(f".//{{{WSMAN}}}ResourceURI"))
            selectors = {each.get("Name"): each.text for each in reference.iter(f"{{{WSMAN}}}Selector")}
            system = self.wmi.send(f"{TRANSFER}/Get", SYSTEMS, {}, selectors)
            self.assertEqual("FAKE-HOST", system.findtext(f"{{{SYSTEMS}}}Name"))
            objects = items.findall(f"{wrapped}{{{SYSTEMS}}}Msvm_ComputerSystem")
            self.assertEqual(int(bool(wrapped)), len(objects))


class TestInstances(WmiCase):
    def get(self, **selectors):
        return self.wmi.send(f"{TRANSFER}/Get", SYSTEMS, {}, selectors)

    def test_get(self):
        system = self.get(CreationClassName="Msvm_ComputerSystem", Name="fake-host")
        self.assertEqual("FAKE-HOST", system.findtext(f"{{{SYSTEMS}}}Name"))

    def test_get_of_a_singleton(self):
        uri = f"{WMI}root/cimv2/Win32_OperatingSystem"
        system = self.wmi.send(f"{TRANSFER}/Get", uri, {})
        self.assertEqual("10.0.20348", system.findtext(f"{{{uri}}}Version"))

    def test_get_refusals(self):
        self.assert_fault(
            0x80338000, "not found", self.get, CreationClassName="Msvm_ComputerSystem", Name="x"
        )
        self.assert_fault(0x8033805B, "has the keys CreationClassName, Name", self.get, Name="FAKE-HOST")
        self.assert_fault(0x80338013, "no method Put", self.wmi.send, f"{SYSTEMS}/Put", SYSTEMS, {})
        self.assert_fault(0x80338013, "has no action", self.wmi.send, f"{TRANSFER}/Put", SYSTEMS, {})


class TestMachines(WmiCase):
    """The plug-in's view of a machine that was made by methods over WS-Management."""

    def setUp(self):
        super().setUp()
        (service,) = self.wmi.query(f"SELECT * FROM {MANAGEMENT}")
        names = ("SystemCreationClassName", "SystemName", "CreationClassName", "Name")
        self.keys = {name: service[name] for name in names}
        self.host = HypervHost(self.protocol)

    def manage(self, method, **inputs):
        return self.wmi.call(MANAGEMENT, self.keys, method, **inputs)

    def define(self, name="instance-00000001"):
        answer = self.manage(
            "DefineSystem",
            SystemSettings=embedded(
                "Msvm_VirtualSystemSettingData",
                ElementName=name,
                VirtualSystemSubType="Microsoft:Hyper-V:SubType:2",
            ),
        )
        self.assertEqual("4096", answer["ReturnValue"])
        self.assertIn("Msvm_ConcreteJob", answer["Job"])
        deadline = time.monotonic() + 5
        while not (machines := self.simulated.model.machines):
            self.assertLess(time.monotonic(), deadline, "the machine was not defined in time")
            time.sleep(0.02)
        (machine,) = machines.values()
        return machine

    def add(self, machine, class_name, **properties):
        text = embedded(class_name, **properties)
        with self.simulated.model.lock:
            outputs = self.simulated.wmi(V2).invoke(
                self.simulated.wmi(V2).get(MANAGEMENT, self.keys).path,
                "AddResourceSettings",
                {"AffectedConfiguration": machine.settings.path, "ResourceSettings": [text]},
            )
        self.assertEqual(0, outputs["ReturnValue"])
        return outputs["ResultingResourceSettings"][0]

    def test_no_such_machine(self):
        self.assertIsNone(self.host.machine("instance-00000001"))

    def test_bare_machine(self):
        self.define()
        self.assertEqual(Machine("off", 0.0, 1, 1024, (), ()), self.host.machine("instance-00000001"))

    def attach(self, machine, path):
        controller = self.add(
            machine, "Msvm_ResourceAllocationSettingData", ResourceSubType=f"{KIND}Synthetic SCSI Controller"
        )
        drive = self.add(
            machine,
            "Msvm_ResourceAllocationSettingData",
            ResourceSubType=f"{KIND}Synthetic Disk Drive",
            Parent=controller,
            AddressOnParent="0",
        )
        self.add(
            machine,
            "Msvm_StorageAllocationSettingData",
            ResourceSubType=f"{KIND}Virtual Hard Disk",
            Parent=drive,
            HostResource=[path],
        )

    def make_disks(self):
        local_path = self.simulated.model.local_path
        vhd.create(local_path(r"C:\base.vhdx"), 64 << 20, vhd.DYNAMIC)
        vhd.create_differencing(r"C:\root.vhdx", r"C:\base.vhdx", local_path)

    def test_disks_with_parents(self):
        self.make_disks()
        self.attach(self.define(), r"C:\root.vhdx")
        disk = Disk(r"C:\root.vhdx", (r"C:\base.vhdx",))
        self.assertEqual((disk,), self.host.machine("instance-00000001").disks)

    def test_disk_whose_file_is_gone(self):
        self.make_disks()
        self.attach(self.define(), r"C:\root.vhdx")
        (self.folder / "root.vhdx").unlink()
        with self.assertRaisesRegex(ValueError, r"returned 32779 for C:\\root.vhdx; expected its settings"):
            self.host.machine("instance-00000001")

    def test_nics(self):
        machine = self.define()
        nics = [
            self.add(
                machine,
                "Msvm_SyntheticEthernetPortSettingData",
                ResourceSubType=f"{KIND}Synthetic Ethernet Port",
                Address=f"FA163E00000{number}",
                StaticMacAddress="true",
            )
            for number in (1, 2)
        ]
        (switch,) = self.simulated.wmi(V2).query("SELECT * FROM Msvm_VirtualEthernetSwitch")
        self.add(
            machine,
            "Msvm_EthernetPortAllocationSettingData",
            ResourceSubType=f"{KIND}Ethernet Connection",
            Parent=nics[0],
            HostResource=[switch.path],
        )
        expected = (Nic("fa:16:3e:00:00:01", True), Nic("fa:16:3e:00:00:02", False))
        self.assertEqual(expected, self.host.machine("instance-00000001").nics)

    def test_references_are_endpoints(self):
        machine = self.define()
        uri = f"{WMI}{V2}/Msvm_SettingsDefineState"
        found = self.enumerate(uri, **{"w:OptimizeEnumeration": None})
        element = found.find(f".//{{{uri}}}ManagedElement")
        self.assertEqual(SYSTEMS, element.findtext(f".//{{{WSMAN}}}ResourceURI"))
        selectors = {entry.get("Name"): entry.text for entry in element.iter(f"{{{WSMAN}}}Selector")}
        self.assertEqual({"CreationClassName": "Msvm_ComputerSystem", "Name": machine.guid}, selectors)

    def test_a_reference_goes_in_as_it_comes_out(self):
        machine = self.define()
        keys = {"CreationClassName": "Msvm_ComputerSystem", "Name": machine.guid}
        answer = self.manage("DestroySystem", AffectedSystem=reference(SYSTEMS, keys))
        self.assertEqual("4096", answer["ReturnValue"])
        deadline = time.monotonic() + 5
        while self.simulated.model.machines:
            self.assertLess(time.monotonic(), deadline, "the machine was not destroyed in time")
            time.sleep(0.02)

    def test_what_is_no_reference(self):
        for wrong in ("x", reference(SYSTEMS, {}), reference("urn:x", {"Name": "x"})):
            refused = {"AffectedSystem": wrong}
            self.assert_fault(0x80338041, "holds no reference", self.manage, "DestroySystem", **refused)

    def test_method_refusals(self):
        self.assert_fault(0x80338013, "no method RequestReset", self.manage, "RequestReset")
        self.assert_fault(
            0x80338102, "has no input parameter Colour", self.manage, "DefineSystem", Colour="red"
        )
        self.assert_fault(
            0x80338102, "not an embedded instance", self.manage, "DefineSystem", SystemSettings="x"
        )
