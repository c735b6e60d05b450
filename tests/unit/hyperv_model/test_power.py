# SPDX-License-Identifier: Apache-2.0
"""The life of a machine: the table of transitions, what refuses to start, shutdown, and jobs."""

import time
import unittest

from lab import guesses
from lab.hyperv_model import errors, jobs, resources, states, storage
from lab.hyperv_model.errors import CimError
from tests.unit.hyperv_model.case import ModelCase

REQUEST = "Msvm_ComputerSystem.RequestStateChange"
WAY_TO = {
    states.OFF: (),
    states.RUNNING: (states.ENABLE,),
    states.PAUSED: (states.ENABLE, states.QUIESCE),
    states.SAVED: (states.ENABLE, states.OFFLINE),
}


class PowerCase(ModelCase):
    def put(self, machine, state):
        self.request(machine, states.DISABLE) if machine.state != states.OFF else None
        for request in WAY_TO[state]:
            self.request(machine, request)
        self.assertEqual(state, machine.state)

    def test_every_request_in_every_state_is_as_the_table_says(self):
        machine = self.define()
        for state in WAY_TO:
            for request in sorted(states.REQUESTS):
                with self.subTest(state=states.TITLES[state], request=request):
                    self.put(machine, state)
                    transition = states.TRANSITIONS.get((state, request))
                    outputs, job = self.call(
                        machine.system.path, "RequestStateChange", RequestedState=request
                    )
                    if transition:
                        self.assertEqual((7, transition.to), (job["JobState"], machine.state))
                    else:
                        self.assertEqual((32775, state), (outputs["ReturnValue"], machine.state))

    def test_a_machine_without_a_disk_starts(self):
        machine = self.define()
        self.request(machine, states.ENABLE)
        self.assertEqual(states.RUNNING, machine.state)

    def test_while_a_job_runs_the_state_is_between(self):
        machine = self.define()
        self.model.faults.append(jobs.Fault(REQUEST, seconds=0.2))
        outputs = self.wmi.invoke(
            machine.system.path, "RequestStateChange", {"RequestedState": states.ENABLE}
        )
        self.assertEqual(states.STARTING, machine.state)
        self.assertEqual(4, self.wmi.at(outputs["Job"])["JobState"])
        again = self.wmi.invoke(machine.system.path, "RequestStateChange", {"RequestedState": states.ENABLE})
        self.assertEqual(32775, again["ReturnValue"])

    def test_a_rule_makes_a_job_fail_once(self):
        machine = self.define()
        self.model.faults.append(jobs.Fault(REQUEST, message="The planets stand badly.", code=32777))
        job = self.fail_with(
            "planets", machine.system.path, "RequestStateChange", RequestedState=states.ENABLE
        )
        self.assertEqual((32777, states.OFF), (job["ErrorCode"], machine.state))
        self.request(machine, states.ENABLE)

    def test_a_killed_job_leaves_the_machine_as_it_was(self):
        machine = self.define()
        self.model.faults.append(jobs.Fault(REQUEST, seconds=0.05))
        outputs = self.wmi.invoke(
            machine.system.path, "RequestStateChange", {"RequestedState": states.ENABLE}
        )
        self.succeed(outputs["Job"], "RequestStateChange", RequestedState=5)
        self.assertEqual(9, self.wmi.at(outputs["Job"])["JobState"])
        time.sleep(0.1)
        self.assertEqual(states.OFF, machine.state)

    def test_only_machines_have_a_time_since_they_were_turned_on(self):
        machine = self.define()
        self.request(machine, states.ENABLE)
        found = self.wmi.query("SELECT Name, OnTimeInMilliseconds FROM Msvm_ComputerSystem")
        self.assertEqual(
            {"HV1": True, machine.guid: False},
            {system["Name"]: system["OnTimeInMilliseconds"] is None for system in found},
        )

    def test_a_job_knows_what_it_is_about(self):
        machine = self.define()
        outputs = self.request(machine, states.ENABLE)
        (element,) = self.wmi.associators(outputs["Job"], "Msvm_AffectedJobElement")
        self.assertEqual(machine.system.path, element.path)

    def test_too_much_memory_does_not_start(self):
        machine = self.define()
        memory = machine.of("Msvm_MemorySettingData")[0]
        size = self.facts.memory_mb
        self.succeed(self.service, "ModifyResourceSettings", **self.modify(memory, VirtualQuantity=size))
        self.fail_with(
            "Not enough memory", machine.system.path, "RequestStateChange", RequestedState=states.ENABLE
        )
        self.assertEqual(states.OFF, machine.state)

    def test_memory_of_running_machines_is_not_free(self):
        before = self.model.facts.free_memory_mb(self.model)
        self.request(self.define(), states.ENABLE)
        self.assertEqual(before - 1024, self.model.facts.free_memory_mb(self.model))

    def test_a_missing_parent_does_not_start(self):
        machine = self.define()
        base = self.file(r"C:\base.vhd")
        self.attach(machine, self.file(r"C:\root.vhd", parent=base))
        self.local(base).unlink()
        self.fail_with("root.vhd", machine.system.path, "RequestStateChange", RequestedState=states.ENABLE)

    def test_a_file_that_is_no_disk_does_not_start(self):
        machine = self.define()
        self.local(r"C:\root.vhd").parent.mkdir(parents=True)
        self.local(r"C:\root.vhd").write_bytes(b"text" * 500)
        self.attach(machine, r"C:\root.vhd")
        self.fail_with("0xC03A", machine.system.path, "RequestStateChange", RequestedState=states.ENABLE)

    def test_a_disk_has_one_running_machine(self):
        first, second = self.define("first"), self.define("second")
        path = self.file(r"C:\root.vhd")
        self.attach(first, path)
        self.attach(second, path)
        self.request(first, states.ENABLE)
        self.fail_with(
            "used by 'first'", second.system.path, "RequestStateChange", RequestedState=states.ENABLE
        )

    def test_machines_share_a_parent_that_none_writes(self):
        base = self.file(r"C:\base.vhdx")
        for name in ("first", "second"):
            machine = self.define(name, generation=2)
            self.attach(machine, self.file(rf"C:\{name}.vhdx", parent=base))
            self.request(machine, states.ENABLE)
        writer = self.define("writer", generation=2)
        self.attach(writer, base)
        self.fail_with(
            "base.vhdx' is used by 'first'.*0x80070020",
            writer.system.path,
            "RequestStateChange",
            RequestedState=states.ENABLE,
        )
        for name in ("first", "second"):
            self.request(self.machine(name), states.DISABLE)
        self.request(writer, states.ENABLE)
        third = self.define("third", generation=2)
        self.attach(third, self.file(r"C:\third.vhdx", parent=base))
        self.fail_with(
            "'writer' writes", third.system.path, "RequestStateChange", RequestedState=states.ENABLE
        )

    def test_the_host_opens_disks_as_machines_do(self):
        def attach(read_only):
            self.model.call("virtdisk.AttachVirtualDisk", {"path": base, "read_only": read_only})

        base = self.file(r"C:\base.vhdx")
        machine = self.define(generation=2)
        self.attach(machine, self.file(r"C:\root.vhdx", parent=base))
        attach(read_only=False)
        self.fail_with(
            "'this host' writes", machine.system.path, "RequestStateChange", RequestedState=states.ENABLE
        )
        self.model.call("virtdisk.DetachVirtualDisk", {"path": base})
        attach(read_only=True)
        self.request(machine, states.ENABLE)
        self.model.call("virtdisk.DetachVirtualDisk", {"path": base})
        with self.assertRaisesRegex(CimError, "base.vhdx is used by vm") as caught:
            attach(read_only=False)
        self.assertEqual(32, caught.exception.code)
        attach(read_only=True)

    def test_a_disk_out_of_reach_keeps_no_other_machine_from_starting(self):
        first, second = self.define("first"), self.define("second")
        for machine in (first, second):
            self.attach(machine, self.file(rf"C:\{machine.name}.vhd"))
        self.request(first, states.ENABLE)
        self.local(r"C:\first.vhd").unlink()
        self.request(second, states.ENABLE)


class InterruptCase(ModelCase):
    def test_only_a_running_machine_takes_one(self):
        machine = self.define()
        method = "InjectNonMaskableInterrupt"
        self.assertEqual(32775, self.wmi.invoke(machine.system.path, method, {})["ReturnValue"])
        self.request(machine, states.ENABLE)
        self.succeed(machine.system.path, method)
        self.assertEqual(states.RUNNING, machine.state)


class EvidenceCase(unittest.TestCase):
    def test_every_row_carries_a_known_kind_of_evidence(self):
        rows = [transition.evidence for transition in states.TRANSITIONS.values()]
        rows += [kind.evidence for kind in resources.KINDS.values()]
        rows += [limits.evidence for limits in storage.CONTROLLERS.values()]
        self.assertLessEqual(set(rows), {"documented", "recorded", "inferred", "guessed"})


class GuessCase(ModelCase):
    def test_a_guess_is_told_of_once(self):
        told = []
        self.model.guesses.tell = told.append
        machine = self.define()
        for request in (states.ENABLE, states.RESET, states.QUIESCE):
            self.request(machine, request)
        self.assertEqual([], told)
        for request in (states.RESET, states.QUIESCE, states.RESET, states.DISABLE):
            self.request(machine, request)
        self.assertEqual([guesses.RESET_OF_PAUSED], told)
        self.assertEqual({guesses.RESET_OF_PAUSED}, self.model.guesses.met)


class ShutdownCase(ModelCase):
    def component(self):
        found = self.wmi.query("SELECT * FROM Msvm_ShutdownComponent")
        return found[0].path if found else None

    def test_a_guest_shuts_down(self):
        machine = self.define()
        self.attach(machine, self.file(r"C:\root.vhd"))
        self.request(machine, states.ENABLE)
        with self.model.lock:  # the guest waits
            self.succeed(self.component(), "InitiateShutdown", Force=False, Reason="test")
            self.assertEqual(states.SHUTTING_DOWN, machine.state)
        self.wait_for(lambda: machine.state == states.OFF)
        self.assertIsNone(self.component())

    def test_without_an_operating_system_the_call_fails(self):
        self.request(self.define(), states.ENABLE)
        with self.assertRaises(CimError) as caught:
            self.wmi.invoke(self.component(), "InitiateShutdown", {"Force": False})
        self.assertEqual(errors.DEVICE_NOT_READY, caught.exception.code)

    def test_a_paused_guest_is_in_the_wrong_state(self):
        machine = self.define()
        self.request(machine, states.ENABLE)
        self.request(machine, states.QUIESCE)
        outputs = self.wmi.invoke(self.component(), "InitiateShutdown", {"Force": False})
        self.assertEqual(32775, outputs["ReturnValue"])
