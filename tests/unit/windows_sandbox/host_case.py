# SPDX-License-Identifier: Apache-2.0
"""A host that nobody reaches over the network, and its modules as functions."""

import tempfile
from pathlib import Path

import testtools

from lab.windows_sandbox.ansible import execution, specification
from lab.windows_sandbox.ansible.payload import Call
from lab.windows_sandbox.host import WindowsHost
from lab.windows_sandbox.session import Session


class HostCase(testtools.TestCase):
    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.host = WindowsHost(Path(folder.name), "127.0.0.1", "hyperv-test")
        self.addCleanup(self.host.close)
        self.session = Session(self.host, "zuul")
        self.session.prepare_profile()

    def run_module(self, name, /, _check_mode=False, _diff=False, **parameters):
        """Return a module's result."""
        arguments = parameters | {"_ansible_check_mode": _check_mode, "_ansible_diff": _diff}
        return execution.run_module(self.session, Call(name, b"", arguments, {}, None, None))

    def ship_oldest(self):
        """Have modules come from the oldest releases that were read; without this they are the newest."""
        oldest = {name: releases[:1] for name, releases in specification.modules().items()}
        self.patch(specification, "modules", lambda: oldest)

    def succeed(self, name, /, **parameters):
        result = self.run_module(name, **parameters)
        self.assertFalse(result.get("failed"), result)
        return result

    def fail_with(self, words, name, /, **parameters):
        result = self.run_module(name, **parameters)
        self.assertTrue(result.get("failed"), result)
        self.assertIn(words, result["msg"])
        return result

    def write(self, path, text=""):
        local = self.session.writable(path)
        local.parent.mkdir(parents=True, exist_ok=True)
        local.write_text(text)


class TwiceCase(HostCase):
    def change(self, name, /, **parameters):
        """Check that a module would change, changes, and then has nothing to change; return its result."""
        self.assertTrue(self.succeed(name, _check_mode=True, **parameters)["changed"], "check mode")
        result = self.succeed(name, **parameters)
        self.assertTrue(result["changed"], parameters)
        self.assertFalse(self.succeed(name, **parameters)["changed"], "again")
        return result
