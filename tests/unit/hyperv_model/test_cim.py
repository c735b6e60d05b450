# SPDX-License-Identifier: Apache-2.0
"""Types, paths, and the text of embedded instances."""

import unittest

from lab.hyperv_model import cim, embedded, errors, mof
from lab.hyperv_model.errors import CimError
from lab.hyperv_model.store import Store

MOF = """
#pragma namespace("root/test")
class Base { [key] string InstanceID; uint16 Number = 7; };
class Derived : Base
{
  string Names[]; boolean Flag; datetime When;
  uint32 Do([in] string What, [out] Base REF Job);
};
"""


class CimCase(unittest.TestCase):
    def setUp(self):
        self.known = {}
        mof.parse(MOF, "HV1", self.known)
        self.derived = self.known["root/test"]["derived"]

    def test_a_class_inherits_keys_defaults_and_methods(self):
        self.assertEqual(["InstanceID"], [item.name for item in self.derived.keys])
        self.assertEqual({"Number": 7}, self.derived.defaults)
        self.assertEqual(["What"], [item.name for item in self.derived.method("do").inputs()])
        self.assertTrue(self.derived.is_a("base"))

    def test_values_are_held_to_their_types(self):
        for name, value in (
            ("Number", 65536),
            ("Number", -1),
            ("Number", True),
            ("Number", "x"),
            ("Flag", 1),
            ("Flag", "yes"),
            ("Names", "one"),
            ("When", "yesterday"),
        ):
            with self.subTest(name=name, value=value), self.assertRaises(CimError) as caught:
                cim.Instance(self.derived, {name: value})
            self.assertEqual(errors.TYPE_MISMATCH, caught.exception.code)

    def test_an_unknown_property_is_named(self):
        with self.assertRaisesRegex(CimError, "Derived has no property Nmae"):
            cim.Instance(self.derived, {"Nmae": "x"})

    def test_a_path_escapes_its_keys_and_is_read_back(self):
        instance = cim.Instance(self.derived, {"InstanceID": 'Microsoft:A\\B "C"'})
        self.assertEqual(
            r'\\HV1\root\test:Derived.InstanceID="Microsoft:A\\B \"C\""',
            instance.path,
        )
        self.assertEqual(
            ("HV1", "root/test", "Derived", {"InstanceID": 'Microsoft:A\\B "C"'}),
            cim.parse_path(instance.path),
        )

    def test_keys_stand_in_a_path_in_alphabetical_order(self):
        definition = Store("HV1").definition("root/virtualization/v2", "Msvm_ComputerSystem")
        self.assertEqual(["CreationClassName", "Name"], [item.name for item in definition.keys])

    def test_an_interval_is_days_and_time(self):
        self.assertEqual("00000001010203.500000:000", cim.interval(86400 + 3600 + 120 + 3.5))

    def test_mof_outside_the_subset_is_refused(self):
        for text, reason in (
            ('#pragma namespace("n") class A : B { };', "B, which is not defined"),
            ('#pragma namespace("n") class A { uint7 x; };', "unknown type uint7"),
            ('#pragma namespace("n") class A { [write] string x; };', "unknown qualifier write"),
            ('#pragma namespace("n") class A { string x }', "expected ';'"),
        ):
            with self.subTest(reason=reason), self.assertRaisesRegex(ValueError, reason):
                mof.parse(text, "HV1", {})


class EmbeddedCase(unittest.TestCase):
    def setUp(self):
        self.store = Store("HV1")
        mof.parse(MOF, "HV1", self.store.definitions)

    def read(self, text, expected="Base"):
        return embedded.read(text, self.store, "root/test", expected)

    def test_what_is_written_reads_back(self):
        values = {"InstanceID": "a<b&c", "Names": ["x", ""], "Flag": True, "Number": 3}
        instance = cim.Instance(self.store.definition("root/test", "Derived"), values)
        again = self.read(embedded.write(instance))
        self.assertEqual(instance.values, again.values)

    def test_what_is_left_out_is_null(self):
        instance = self.read(
            '<INSTANCE CLASSNAME="Derived"><PROPERTY NAME="Flag" TYPE="boolean"/></INSTANCE>'
        )
        self.assertEqual({None}, set(instance.values.values()))

    def test_other_text_is_refused(self):
        for text, reason in (
            ("", "not an embedded instance of Base"),
            ("<CLASS/>", "<CLASS>"),
            ('<INSTANCE CLASSNAME="Nothing"/>', "no class Nothing"),
            ('<INSTANCE CLASSNAME="__Provider"/>', "got an embedded __Provider, expected a Base"),
            ('<INSTANCE CLASSNAME="Base"><PROPERTY NAME="X" TYPE="string"/></INSTANCE>', "no property X"),
        ):
            self.store.definitions["root/test"]["__provider"] = self.store.definitions["root/cimv2"][
                "__provider"
            ]
            with self.subTest(reason=reason), self.assertRaisesRegex(CimError, reason):
                self.read(text)
