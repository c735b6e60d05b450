# SPDX-License-Identifier: Apache-2.0
"""Packages, whose installers run as a host's processes do: contained."""

from tests.unit.windows_sandbox.host_case import TwiceCase


class TestPackages(TwiceCase):
    INSTALLER = "#!/bin/sh\n# ProductCode: {11111111-2222-3333-4444-555555555555}\necho $@ >>/c/said.txt\n"

    def test_msi(self):
        self.write(r"C:\tool.msi", self.INSTALLER)
        self.change("win_package", path=r"C:\tool.msi", arguments=["A=1"])
        self.change("win_package", product_id="{11111111-2222-3333-4444-555555555555}", state="absent")
        said = self.session.local(r"C:\said.txt").read_text()
        self.assertEqual("/i /qn /norestart A=1\n/x\n", said)

    def test_exe(self):
        self.write(r"C:\setup.exe", self.INSTALLER + "exit 5")
        self.fail_with("unexpected rc", "win_package", path=r"C:\setup.exe", product_id="tool")
        self.write(r"C:\setup.exe", "#!/bin/sh\necho there > /c/there.txt\n")
        self.change("win_package", path=r"C:\setup.exe", creates_path=r"C:\there.txt")
        self.fail_with("cannot be reached", "win_package", path=r"C:\no.exe", product_id="x")
