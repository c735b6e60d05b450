# SPDX-License-Identifier: Apache-2.0
import configparser
import os
import pathlib
import subprocess
import sys
import tempfile
import zipfile

import testtools

ROOT = pathlib.Path(__file__).parents[3]


class WheelTest(testtools.TestCase):
    """What `pip wheel` makes of a commit; its backend is called directly, without a network."""

    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.source = pathlib.Path(folder.name, "hyperv-ci")
        subprocess.run(["git", "clone", "--quiet", ROOT, self.source], check=True)

    def test_holds_the_driver_and_nothing_else(self):
        build = subprocess.run(
            [sys.executable, "-Wignore", "-c", "import pbr.build; pbr.build.build_wheel('.')"],
            cwd=self.source, env={**os.environ, "PBR_VERSION": "0.1.0"}, capture_output=True, text=True,
        )  # fmt: skip
        self.assertEqual(0, build.returncode, build.stderr)
        (wheel,) = self.source.glob("*.whl")
        self.assertEqual("hyperv_driver-0.1.0-py3-none-any.whl", wheel.name)
        with zipfile.ZipFile(wheel) as archive:
            names = {name for name in archive.namelist() if ".dist-info/" not in name}
            entry_points = configparser.ConfigParser()
            entry_points.read_string(archive.read("hyperv_driver-0.1.0.dist-info/entry_points.txt").decode())
        files = (path for path in (self.source / "hyperv_driver").rglob("*") if path.is_file())
        driver = {str(path.relative_to(self.source)) for path in files}
        self.assertEqual({*driver, "nova/virt/hyperv/__init__.py"}, names)
        self.assertEqual(
            {"hyperv": "hyperv_driver.ml2:HyperVMechanismDriver"},
            dict(entry_points["neutron.ml2.mechanism_drivers"]),
        )
