# SPDX-License-Identifier: Apache-2.0
"""Recordings of hosts: what the model itself writes, with differences made on purpose."""

import copy
import json
import tempfile
import unittest
import zipfile
from dataclasses import replace
from pathlib import Path

from click.testing import CliRunner

from lab import cli
from lab.errors import LabError
from lab.recording import archive, comparison, model

V2 = "root/virtualization/v2"


class RecordingTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.recorded = model.record()

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name, "recording.zip")
        self.real = copy.deepcopy(self.recorded)

    def found(self):
        archive.write(self.real, self.path)
        return [str(one) for one in comparison.differences(archive.read(self.path), self.recorded)]

    def call(self, name, state):
        (call,) = (one for one in self.real.calls if (one["name"], one["state"]) == (name, state))
        return call

    def test_everything_that_the_script_asks_was_asked_of_the_model(self):
        plan = model.plan()
        self.assertEqual(
            len(plan["states"]) * len(plan["requests"]) + len(plan["calls"]), len(self.recorded.calls)
        )
        self.assertEqual(plan["commands"], [one["command"] for one in self.recorded.commands])
        self.assertLess(50, len(self.recorded.classes[V2]))

    def test_a_host_is_like_itself(self):
        self.assertEqual([], self.found())

    def test_names_of_dotnet_and_letters_case(self):
        classes = self.real.classes[V2]
        classes["MSVM_COMPUTERSYSTEM"] = classes.pop("Msvm_ComputerSystem")
        for one in classes["MSVM_COMPUTERSYSTEM"]["properties"].values():
            one["type"] = one["type"].replace("[]", "array")
        for one in classes["Msvm_SummaryInformation"]["properties"].values():
            one["type"] = one["type"].replace("object", "instance").replace("[]", "Array")
        self.assertEqual([], self.found())

    def test_classes(self):
        classes = self.real.classes[V2]
        del classes["Msvm_ShutdownComponent"]
        system = classes["Msvm_ComputerSystem"]
        system["parent"] = "CIM_System"
        system["properties"]["Name"] = {"type": "string", "key": False}
        del system["properties"]["ProcessID"], system["methods"]["InjectNonMaskableInterrupt"]
        system["methods"]["RequestStateChange"]["RequestedState"]["type"] = "uint32"
        system["properties"]["Unknown"] = {"type": "string", "key": False}
        what = f"classes: {V2} Msvm_ComputerSystem"
        self.assertEqual(
            {
                f"classes: {V2} Msvm_ShutdownComponent: the real host has none, the simulated one has it",
                f"{what}, parent: the real host has CIM_System, the simulated one has CIM_ComputerSystem",
                f"{what}.Name: the real host has string, the simulated one has the key string",
                f"{what}.ProcessID: the real host has none, the simulated one has uint32",
                f"{what}.InjectNonMaskableInterrupt: the real host has none, the simulated one is there",
                f"{what}.RequestStateChange.RequestedState: the real host has in uint32, "
                "the simulated one has in uint16",
            },
            set(self.found()),
        )

    def test_calls(self):
        self.call("destroy a machine", "running").update({"return": 32768})
        self.call("destroy a machine", "saved")["job"]["error"] = 32784
        ours = self.call("request state 2 of a machine", "off")
        ours["seconds"] = ours["seconds"] * comparison.RATIO + comparison.SECONDS
        missing = self.call("request state 3 of a machine", "off")
        self.real.calls.remove(missing)
        machine = "request state {} of a machine, which is off: the real host"
        for expected in (
            "calls: destroy a machine, which is running: the real host returned 32768, the simulated one",
            "calls: destroy a machine, which is saved: the real host returned 4096, job 7 with error 32784, ",
            f"timing: {machine.format(2)} took ",
            f"calls: {machine.format(3)} was not asked, the simulated one returned 32775",
        ):
            self.assertEqual(1, len([line for line in self.found() if line.startswith(expected)]), expected)
        self.assertEqual(4, len(self.found()))

    def test_what_is_not_simulated_is_no_difference(self):
        for code in comparison.NOT_SIMULATED:
            simulated = copy.deepcopy(self.recorded)
            (ours,) = (one for one in simulated.calls if one["name"] == "validate a disk that is not there")
            self.assertEqual(32779, ours.pop("return"))
            ours["exception"] = code
            self.assertEqual([], list(comparison.differences(self.real, simulated)))

    def test_commands_and_settings(self):
        self.real.commands[1]["exit"] = 4
        self.real.winrm["MaxTimeoutms"] = "180000"
        self.assertEqual(
            [
                "commands: exit 3: the real host ended with 4, the simulated one ended with 3",
                "winrm: MaxTimeoutms: the real host has 180000, the simulated one has 60000",
            ],
            self.found(),
        )

    def test_command(self):
        self.real.about["caption"] = "Windows Server 2025"
        self.real.commands[1]["exit"] = 4
        archive.write(self.real, self.path)
        told = CliRunner().invoke(cli.hyperv_ci, ["compare", str(self.path)])
        self.assertEqual(3, told.exit_code, told.output)
        self.assertIn("1 differences from Windows Server 2025 10.0.20348.", told.output)

    def test_what_is_no_recording(self):
        with self.assertRaisesRegex(LabError, "recording.zip is no recording of a host: .*No such file"):
            archive.read(self.path)
        self.path.write_text("text")
        with self.assertRaisesRegex(LabError, "is no recording of a host: File is not a zip file"):
            archive.read(self.path)
        archive.write(replace(self.real, calls={}), self.path)
        with self.assertRaisesRegex(LabError, "calls.json holds a dict, expected a list"):
            archive.read(self.path)
        archive.write(replace(self.real, about={"format": 0}), self.path)
        with self.assertRaisesRegex(LabError, "has format 0, expected 1: record it anew"):
            archive.read(self.path)
        with zipfile.ZipFile(self.path, "w") as made:
            made.writestr("about.json", json.dumps({}))
        with self.assertRaisesRegex(LabError, "is no recording of a host: .*classes.json"):
            archive.read(self.path)
