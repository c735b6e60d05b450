# SPDX-License-Identifier: Apache-2.0
import testtools

from lab.windows_sandbox.ansible import specification
from lab.windows_sandbox.ansible.modules import MODULES
from lab.windows_sandbox.ansible.specification import Module, ParametersRefused

MODULE = Module(
    "m",
    (),
    "",
    {
        "path": {"type": "path", "required": True, "aliases": ["dest"]},
        "state": {"type": "str", "choices": ["on", "off"], "default": "on"},
        "force": {"type": "bool", "default": False},
        "count": {"type": "int"},
        "names": {"type": "list", "elements": "str"},
        "actions": {
            "type": "list",
            "elements": "dict",
            "suboptions": {
                "type": {"type": "str", "required": True, "choices": ["a"]},
                "delay": {"type": "raw", "default": 0},
            },
        },
        "options": {"type": "dict"},
    },
)


def check(**given):
    return specification.check(MODULE, {"path": "x"} | given, str.upper)


class TestSpecification(testtools.TestCase):
    def assertRefused(self, words, **given):
        self.assertIn(words, str(self.assertRaises(ParametersRefused, check, **given)))

    def test_defaults_and_conversions(self):
        result = check(force="yes", count="3", names="a, b")
        self.assertEqual(
            {
                "path": "X",
                "state": "on",
                "force": True,
                "count": 3,
                "names": ["a", "b"],
                "actions": None,
                "options": None,
            },
            result,
        )
        self.assertFalse(check(force="no")["force"])

    def test_aliases(self):
        self.assertEqual("Y", specification.check(MODULE, {"dest": "y"}, str.upper)["path"])

    def test_suboptions(self):
        self.assertEqual([{"type": "a", "delay": 0}], check(actions=[{"type": "a"}])["actions"])
        self.assertRefused("missing required arguments: type found in", actions=[{"delay": 1}])
        self.assertRefused("must be one of: a", actions=[{"type": "b"}])
        self.assertRefused("Unsupported parameters for (m) module: x", actions=[{"type": "a", "x": 1}])

    def test_refusals(self):
        self.assertRefused("Unsupported parameters for (m) module: stat", stat=1)
        self.assertRefused("value of state must be one of: on, off. Got no match for: up", state="up")
        self.assertRefused("argument for count", count="three")
        self.assertRefused("argument for force", force="maybe")
        self.assertRefused("argument for options", options="k=v")
        error = self.assertRaises(ParametersRefused, specification.check, MODULE, {}, str)
        self.assertEqual("missing required arguments: path", str(error))

    def test_secrets_are_censored(self):
        self.assertEqual(
            {"password": specification.CENSORED, "name": "n"},
            specification.censored({"password": "p", "name": "n"}),
        )

    def test_every_module_is_specified(self):
        self.assertEqual(set(MODULES), set(specification.modules()))
        for releases in specification.modules().values():
            self.assertEqual(len(releases), len({(module.version, module.sha256) for module in releases}))
            for module in releases:
                self.assertEqual(64, len(module.sha256))
