# SPDX-License-Identifier: Apache-2.0
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

CHECKOUT = Path(__file__).parents[3]
PINS = CHECKOUT / "nodepool" / "images" / "hyperv-2022.txt"


def resolve(requirements: Path) -> subprocess.CompletedProcess:
    """Have uv find wheels for 64-bit Windows and its Python 3.11, and nothing to build."""
    options = ("--python-platform", "x86_64-pc-windows-msvc", "--python-version", "3.11")
    command = [Path(sys.executable).with_name("uv"), "pip", "compile", "--system-certs", "--no-header"]
    return subprocess.run(
        [*command, *options, "--only-binary", ":all:", requirements], capture_output=True, text=True
    )


def names(pins: str) -> set[str]:
    """Return the names of what is pinned, without extras."""
    return set(re.findall(r"^([\w.-]+)[\w\[\],-]*==", pins, re.M))


class WindowsWheelsTest(unittest.TestCase):
    def test_what_a_node_is_made_with_has_wheels_for_windows(self):
        """With every requirement of a pin itself pinned: nothing is left for a node to find."""
        found = resolve(PINS)
        self.assertEqual(0, found.returncode, found.stderr)
        self.assertEqual(set(), names(found.stdout) - names(PINS.read_text()))

    def test_a_pin_without_a_wheel_is_named(self):
        with tempfile.TemporaryDirectory() as folder:
            pins = Path(folder, "pins.txt")
            pins.write_text("ovs==4.0.0\nsix==1.17.0\n")  # ovs 4.0.0 has sources only
            found = resolve(pins)
        self.assertNotEqual(0, found.returncode)
        self.assertIn("ovs==4.0.0 has no usable wheels", found.stderr)
