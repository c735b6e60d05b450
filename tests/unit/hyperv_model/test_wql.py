# SPDX-License-Identifier: Apache-2.0
"""Queries: what they select, and what they refuse."""

from lab.hyperv_model import errors
from lab.hyperv_model.errors import CimError
from tests.unit.hyperv_model.case import ModelCase

RASD = "Msvm_ResourceAllocationSettingData"


class WqlCase(ModelCase):
    def names(self, where, class_name="Msvm_ProcessorSettingData"):
        return [found["InstanceID"] for found in self.wmi.query(f"SELECT * FROM {class_name} WHERE {where}")]

    def setUp(self):
        super().setUp()
        self.one = self.define("one")
        self.two = self.define("Two's", generation=2)

    def test_strings_compare_regardless_of_case(self):
        found = self.wmi.query("select * from msvm_computersystem where elementname = 'ONE'")
        self.assertEqual([self.one.guid], [machine["Name"] for machine in found])

    def test_a_quote_is_doubled_or_escaped(self):
        for text in ("'Two''s'", r"'Two\'s'", '"Two\'s"'):
            found = self.wmi.query(f"SELECT * FROM Msvm_ComputerSystem WHERE ElementName = {text}")
            self.assertEqual([self.two.guid], [machine["Name"] for machine in found], text)

    def test_backslashes_are_escaped(self):
        controller = self.one.of(RASD, "Microsoft:Hyper-V:Emulated IDE Controller")[1]
        identifier = controller["InstanceID"].replace("\\", "\\\\")
        self.assertEqual([controller["InstanceID"]], self.names(f"InstanceID = '{identifier}'", RASD))

    def test_like_has_any_text_one_sign_and_sets(self):
        guid = self.one.guid
        for pattern, expected in (
            (f"Microsoft:{guid}%", 1),
            (f"Microsoft:{guid[:-1]}_%", 1),
            ("microsoft:[!]%", 0),
            (f"Microsoft:[{guid[0]}]%", None),
            ("%\\\\Default", 0),
        ):
            with self.subTest(pattern=pattern):
                found = self.names(f"InstanceID LIKE '{pattern}'")
                if expected is None:
                    self.assertIn(self.one.of("Msvm_ProcessorSettingData")[0]["InstanceID"], found)
                else:
                    self.assertEqual(expected, len(found))

    def test_sets_of_like_are_ranges_or_exclude(self):
        """Documented: "LIKE Operator" writes a range [a=f]."""

        def found(pattern):
            query = f"SELECT * FROM Msvm_ComputerSystem WHERE ElementName LIKE '{pattern}'"
            return [system["ElementName"] for system in self.wmi.query(query)]

        for name in ("p_1", "p%2", "p^3"):
            self.define(name)
        for pattern, expected in (
            ("[a-o]n[e]", ["one"]),
            ("[a=o]ne", ["one"]),
            ("[^a=n]ne", ["one"]),
            ("[^a-p]ne", []),
            ("p[_]_", ["p_1"]),
            ("p[%]%", ["p%2"]),
            ("p[%^]_", ["p%2", "p^3"]),
        ):
            with self.subTest(pattern=pattern):
                self.assertEqual(expected, found(pattern))
        with self.assertRaisesRegex(CimError, "not a pattern") as caught:
            found("[z-a]")
        self.assertEqual(errors.INVALID_QUERY, caught.exception.code)

    def test_null_is_like_nothing(self):
        self.assertEqual([], self.wmi.query("SELECT * FROM Msvm_ComputerSystem WHERE Status LIKE '%'"))

    def test_a_constant_may_come_first(self):
        query = "SELECT * FROM Msvm_ComputerSystem WHERE 2 < EnabledState AND 'one' = ElementName"
        self.assertEqual([self.one.guid], [system["Name"] for system in self.wmi.query(query)])

    def test_moments_compare_whatever_their_offset(self):
        self.one.settings["CreationTime"] = "20261126120000.000000+000"
        self.two.settings["CreationTime"] = "20261126100000.000000+000"
        for text, expected in (
            (">= '20261126130000.000000+060'", ["one"]),
            ("< '20261126060001.000000-300'", ["Two's"]),
        ):
            query = f"SELECT * FROM Msvm_VirtualSystemSettingData WHERE CreationTime {text}"
            self.assertEqual(expected, [found["ElementName"] for found in self.wmi.query(query)], text)

    def test_system_properties_select(self):
        query = "SELECT __PATH, __RELPATH FROM Msvm_ComputerSystem WHERE {} = '{}'"
        for name, value, count in (
            ("__SUPERCLASS", "CIM_ComputerSystem", 3),
            ("__SERVER", "hv1", 3),
            ("__NAMESPACE", r"root\\virtualization\\v2", 3),
            ("__CLASS", "CIM_ComputerSystem", 0),
        ):
            with self.subTest(name=name):
                self.assertEqual(count, len(self.wmi.query(query.format(name, value))))

    def test_and_binds_stronger_than_or(self):
        query = "ElementName = 'none' AND Name = 'none' OR ElementName = 'one'"
        self.assertEqual(1, len(self.wmi.query(f"SELECT * FROM Msvm_ComputerSystem WHERE {query}")))
        query = "ElementName = 'none' AND (Name = 'none' OR ElementName = 'one')"
        self.assertEqual(0, len(self.wmi.query(f"SELECT * FROM Msvm_ComputerSystem WHERE {query}")))

    def test_numbers_booleans_and_paths_compare_as_such(self):
        def count(text):
            return len(self.wmi.query(f"SELECT * FROM {text}"))

        self.assertEqual(2, count("Msvm_ComputerSystem WHERE EnabledState = '3'"))
        self.assertEqual(1, count("Msvm_ComputerSystem WHERE EnabledState < 3"))
        self.assertEqual(1, count("Msvm_VirtualSystemSettingData WHERE SecureBootEnabled = 'True'"))
        path = self.one.system.path.upper().replace("\\", "\\\\")
        self.assertEqual(1, count(f"Msvm_SettingsDefineState WHERE ManagedElement = '{path}'"))
        self.assertEqual(1, count(f"Msvm_ComputerSystem WHERE __PATH = '{path}'"))

    def test_null_equals_nothing_but_is_null(self):
        self.assertEqual(0, len(self.wmi.query("SELECT * FROM Msvm_ComputerSystem WHERE Status = ''")))
        self.assertEqual(3, len(self.wmi.query("SELECT * FROM Msvm_ComputerSystem WHERE Status IS NULL")))

    def test_a_query_finds_subclasses(self):
        found = self.wmi.query(
            "SELECT * FROM CIM_ResourceAllocationSettingData WHERE "
            f"InstanceID LIKE 'Microsoft:{self.one.guid}%'"
        )
        self.assertEqual(
            {RASD, "Msvm_MemorySettingData", "Msvm_ProcessorSettingData", "Msvm_SerialPortSettingData"},
            {item.class_name for item in found},
        )

    def test_fields_that_are_not_selected_are_null_but_keys_are_not(self):
        (found,) = self.wmi.query(
            "SELECT ElementName FROM Msvm_VirtualSystemSettingData WHERE ElementName='one'"
        )
        self.assertEqual("one", found["ElementName"])
        self.assertEqual(self.one.settings.path, found.path)
        self.assertIsNone(found["VirtualSystemType"])

    def test_what_is_handed_out_is_a_copy(self):
        self.wmi.query("SELECT * FROM Msvm_ComputerSystem")[1]["ElementName"] = "other"
        self.assertEqual("one", self.one.system["ElementName"])

    def test_bad_queries_are_refused_with_their_reason(self):
        for query, code, reason in (
            ("DELETE FROM X", errors.INVALID_QUERY, "not a WQL query"),
            ("SELECT * FROM Msvm_Nothing", errors.INVALID_CLASS, "no class Msvm_Nothing"),
            ("SELECT Nothing FROM Msvm_Memory", errors.INVALID_QUERY, "no property Nothing"),
            ("SELECT * FROM Msvm_DiskDrive WHERE Nothing = 1", errors.INVALID_QUERY, "no property Nothing"),
            ("SELECT * FROM Msvm_Memory WHERE BlockSize = 'x'", errors.INVALID_QUERY, "uint64 with 'x'"),
            ("SELECT * FROM Msvm_Memory WHERE BlockSize =", errors.INVALID_QUERY, "the end"),
            ("SELECT * FROM Msvm_Memory WHERE (BlockSize = 1", errors.INVALID_QUERY, "missing"),
            ("SELECT COUNT(*) FROM Msvm_Memory", errors.INVALID_QUERY, "no property COUNT"),
            ("SELECT * FROM Msvm_Memory WHERE BlockSize IS 5", errors.INVALID_QUERY, "near 'IS'"),
            ("SELECT * FROM X GROUP WITHIN 5", errors.PROVIDER_NOT_CAPABLE, "GROUP WITHIN is not simulated"),
            (
                "SELECT * FROM X WHERE A = 1 group within 600 BY T.Name HAVING NumberOfEvents > 25",
                errors.PROVIDER_NOT_CAPABLE,
                "GROUP WITHIN is not simulated",
            ),
            ("SELECT * FROM Msvm_Memory WHERE BlockSize = 1 GROUP", errors.INVALID_QUERY, "near 'GROUP'"),
            ("SELECT * FROM Msvm_Memory WHERE ElementName = Memory", errors.INVALID_QUERY, "near 'Memory'"),
            (
                "SELECT * FROM Msvm_Memory WHERE BlockSize LIKE '1%'",
                errors.INVALID_QUERY,
                "BlockSize is uint64",
            ),
            ("SELECT * FROM Msvm_Memory WHERE ElementName ISA 'x'", errors.INVALID_QUERY, "ISA"),
            (
                "SELECT * FROM Msvm_ConcreteJob WHERE Cancellable < 'x'",
                errors.INVALID_QUERY,
                "boolean with 'x'",
            ),
            (
                "SELECT * FROM Msvm_Memory WHERE Name.First = 'x'",
                errors.INVALID_QUERY,
                "no property Name.First",
            ),
            (
                "SELECT * FROM Msvm_Memory WHERE InstallDate > '1/1/2026'",
                errors.INVALID_QUERY,
                "datetime with",
            ),
            (
                "SELECT * FROM Msvm_Memory WHERE BlockSize = 1 BlockSize",
                errors.INVALID_QUERY,
                "near 'BlockSize'",
            ),
        ):
            with self.subTest(query=query), self.assertRaisesRegex(CimError, reason) as caught:
                self.wmi.query(query)
            self.assertEqual(code, caught.exception.code)

    def test_an_unknown_namespace_is_refused(self):
        with self.assertRaisesRegex(CimError, "no namespace root/nothing on HV1") as caught:
            self.model.namespace("root/nothing")
        self.assertEqual(errors.INVALID_NAMESPACE, caught.exception.code)


class AssociationCase(ModelCase):
    """Documented: "ASSOCIATORS OF Statement" and "REFERENCES OF Statement"."""

    def setUp(self):
        super().setUp()
        self.one = self.define("one")
        self.source = f"{{{self.one.settings.path}}}"

    def classes(self, query):
        return sorted({found.class_name for found in self.wmi.query(query)})

    def test_associators(self):
        of = f"ASSOCIATORS OF {self.source}"
        everything = self.classes(of)
        self.assertIn("Msvm_ComputerSystem", everything)
        self.assertIn("Msvm_MemorySettingData", everything)
        for where, expected in (
            ("AssocClass = Msvm_SettingsDefineState", ["Msvm_ComputerSystem"]),
            ("ResultClass=Msvm_ProcessorSettingData", ["Msvm_ProcessorSettingData"]),
            ("resultrole = ManagedElement", ["Msvm_ComputerSystem"]),
            ("Role = SettingData ResultClass = CIM_System", ["Msvm_ComputerSystem"]),
            ("Role = ManagedElement", []),
        ):
            with self.subTest(where=where):
                self.assertEqual(expected, self.classes(f"{of} WHERE {where}"))

    def test_a_path_may_be_relative(self):
        path = self.one.settings.path.partition(":")[2]
        self.assertIn("Msvm_ComputerSystem", self.classes(f"associators of {{{path}}}"))

    def test_references(self):
        of = f"REFERENCES OF {self.source}"
        self.assertEqual(
            ["Msvm_SettingsDefineState", "Msvm_VirtualSystemSettingDataComponent"], self.classes(of)
        )
        self.assertEqual(["Msvm_SettingsDefineState"], self.classes(f"{of} WHERE Role = SettingData"))
        self.assertEqual([], self.classes(f"{of} WHERE ResultClass = Msvm_AffectedJobElement"))

    def test_refusals(self):
        for query, code in (
            ("ASSOCIATORS OF", errors.INVALID_QUERY),
            (f"ASSOCIATORS OF {self.source} WHERE", errors.INVALID_QUERY),
            (f"ASSOCIATORS OF {self.source} WHERE Nothing = x", errors.INVALID_QUERY),
            (f"ASSOCIATORS OF {self.source} WHERE Role", errors.INVALID_QUERY),
            (f"ASSOCIATORS OF {self.source} WHERE Role = a Role = b", errors.INVALID_QUERY),
            (f"REFERENCES OF {self.source} WHERE AssocClass = CIM_System", errors.INVALID_QUERY),
            (f"ASSOCIATORS OF {self.source} WHERE AssocClass = Nothing", errors.INVALID_CLASS),
            (f"ASSOCIATORS OF {self.source} WHERE ClassDefsOnly", errors.PROVIDER_NOT_CAPABLE),
            ('ASSOCIATORS OF {Msvm_Memory="x"}', errors.INVALID_OBJECT_PATH),
            ('REFERENCES OF {Msvm_VirtualSystemSettingData.InstanceID="x"}', errors.NOT_FOUND),
        ):
            with self.subTest(query=query), self.assertRaises(CimError) as caught:
                self.wmi.query(query)
            self.assertEqual(hex(code), hex(caught.exception.code), query)
