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
            ("SELECT Nothing FROM Msvm_Memory", errors.INVALID_PARAMETER, "no property Nothing"),
            ("SELECT * FROM Msvm_DiskDrive WHERE Nothing = 1", errors.INVALID_QUERY, "no property Nothing"),
            ("SELECT * FROM Msvm_Memory WHERE BlockSize = 'x'", errors.INVALID_QUERY, "uint64 with 'x'"),
            ("SELECT * FROM Msvm_Memory WHERE BlockSize =", errors.INVALID_QUERY, "the end"),
            ("SELECT * FROM Msvm_Memory WHERE (BlockSize = 1", errors.INVALID_QUERY, "missing"),
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
