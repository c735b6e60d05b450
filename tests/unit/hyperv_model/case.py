# SPDX-License-Identifier: Apache-2.0
"""A model whose C:\\ is a folder, and the few calls that most tests begin with."""

import pathlib
import tempfile
import time
import unittest
from xml.sax.saxutils import escape

from lab.hyperv_model import Model, vhd
from lab.hyperv_model.guest import Guest
from lab.hyperv_model.host import HostFacts

SERVICE = "Msvm_VirtualSystemManagementService"
V2 = "root/virtualization/v2"
FAST = HostFacts(guest=Guest(boot_seconds=0, shutdown_seconds=0.01, line_seconds=0.001, idle_seconds=0.01))


def xml(class_name, **values):
    """An embedded instance as text."""
    parts = []
    for name, value in values.items():
        if isinstance(value, list):
            items = "".join(f"<VALUE>{escape(str(item))}</VALUE>" for item in value)
            array = f"<VALUE.ARRAY>{items}</VALUE.ARRAY>"
            parts.append(f'<PROPERTY.ARRAY NAME="{name}" TYPE="string">{array}</PROPERTY.ARRAY>')
        else:
            text = escape(str(value))
            parts.append(f'<PROPERTY NAME="{name}" TYPE="string"><VALUE>{text}</VALUE></PROPERTY>')
    return f'<INSTANCE CLASSNAME="{class_name}">{"".join(parts)}</INSTANCE>'


class ModelCase(unittest.TestCase):
    facts = FAST
    job_seconds = 0.01
    run_folder = None  # a folder of the test's own

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        run_folder = self.run_folder or self.root / "run"
        self.model = Model("HV1", self.local, run_folder, self.facts, self.job_seconds)
        self.addCleanup(self.model.close)
        self.wmi = self.model.namespace(V2)
        self.service = self.wmi.query(f"SELECT * FROM {SERVICE}")[0].path

    def local(self, path):
        if not path.upper().startswith("C:\\"):
            raise FileNotFoundError(f"no drive for {path}")
        return self.root / "C" / path[3:].replace("\\", "/")

    def file(self, path, kind="dynamic", parent=None):
        """Make a virtual disk of 16 MB at a Windows path."""
        self.local(path).parent.mkdir(parents=True, exist_ok=True)
        if parent:
            vhd.create_differencing(path, parent, self.local)
        else:
            vhd.create(self.local(path), 16 << 20, kind)
        return path

    def call(self, target, method, **arguments):
        """Call a method and wait for its job.

        :returns: the outputs, and the job's instance if there was one
        """
        outputs = self.wmi.invoke(target, method, arguments)
        if outputs["ReturnValue"] != 4096:
            return outputs, None
        deadline = time.monotonic() + 5
        while (job := self.wmi.at(outputs["Job"]))["JobState"] == 4:
            self.assertLess(time.monotonic(), deadline, "the job does not end")
            time.sleep(0.005)
        return outputs, job

    def wait_for(self, condition):
        deadline = time.monotonic() + 20
        while not condition():
            self.assertLess(time.monotonic(), deadline, "it does not happen")
            time.sleep(0.005)

    def succeed(self, target, method, **arguments):
        outputs, job = self.call(target, method, **arguments)
        if job:
            self.assertEqual(7, job["JobState"], job["ErrorDescription"])
        else:
            self.assertEqual(0, outputs["ReturnValue"])
        return outputs

    def fail_with(self, text, target, method, **arguments):
        outputs, job = self.call(target, method, **arguments)
        self.assertIsNotNone(job, f"returned {outputs['ReturnValue']}, expected a job that fails")
        self.assertEqual(10, job["JobState"])
        if text not in job["ErrorDescription"]:
            self.assertRegex(job["ErrorDescription"], text)
        return job

    def define(self, name="vm", generation=1, **settings):
        self.succeed(
            self.service,
            "DefineSystem",
            SystemSettings=xml(
                "Msvm_VirtualSystemSettingData",
                ElementName=name,
                VirtualSystemSubType=f"Microsoft:Hyper-V:SubType:{generation}",
                **settings,
            ),
        )
        return self.machine(name)

    def machine(self, name):
        return next(machine for machine in self.model.machines.values() if machine.name == name)

    def add(self, machine, class_name, sub_type, **values):
        settings = xml(class_name, ResourceSubType=f"Microsoft:Hyper-V:{sub_type}", **values)
        return self.succeed(
            self.service,
            "AddResourceSettings",
            AffectedConfiguration=machine.settings.path,
            ResourceSettings=[settings],
        )["ResultingResourceSettings"][0]

    def attach(self, machine, path, slot=0):
        """Attach a disk to the first controller; returns the paths of drive and disk."""
        kind = "Emulated IDE Controller" if machine.generation == 1 else "Synthetic SCSI Controller"
        rasd = "Msvm_ResourceAllocationSettingData"
        found = machine.of(rasd, f"Microsoft:Hyper-V:{kind}")
        controller = found[0].path if found else self.add(machine, rasd, "Synthetic SCSI Controller")
        drive = self.add(machine, rasd, "Synthetic Disk Drive", Parent=controller, AddressOnParent=slot)
        disk = self.add(
            machine,
            "Msvm_StorageAllocationSettingData",
            "Virtual Hard Disk",
            Parent=drive,
            HostResource=[path],
        )
        return drive, disk

    def modify(self, part, **values):
        return {
            "ResourceSettings": [xml(part.class_name, InstanceID=part["InstanceID"], **values)],
        }

    def request(self, machine, state):
        return self.succeed(machine.system.path, "RequestStateChange", RequestedState=state)
