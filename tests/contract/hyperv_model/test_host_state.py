# SPDX-License-Identifier: Apache-2.0
"""A host's state outlives its process, as os-win sees it, and can be compared."""

import contextlib
import io
import json
import types
from unittest import mock

from lab import host_state
from lab.hyperv_model import Model
from lab.hyperv_model.jobs import Fault
from lab.hyperv_model.server import serve
from tests.contract.hyperv_model.os_win_case import DISABLED, ENABLED, PAUSED, SUSPENDED, OsWinCase

SERVICES = types.SimpleNamespace(
    installed=types.SimpleNamespace(
        names=lambda: ["nova-compute"], read=lambda name: types.SimpleNamespace(start_mode="auto")
    ),
    query=lambda name: types.SimpleNamespace(state="running"),
)


class HostStateCase(OsWinCase):
    def setUp(self):
        super().setUp()
        self.path = self.root / "state.json"

    def save(self, path=None):
        host_state.save(path or self.path, self.model, SERVICES)

    def restart(self, name="HV1"):
        """Have another process of the host, which loads the state."""
        self.server.close()
        self.model.close()
        self.model = Model(name, self.local, self.run_folder, self.facts, self.job_seconds)
        self.addCleanup(self.model.close)
        host_state.load(self.path, self.model)
        self.server = serve(self.model, self.run_folder / "wmi.sock")
        self.addCleanup(self.server.close)

    def machines(self):
        """Three machines: one that runs, one paused with a checkpoint, one saved."""
        for name in ("vm-1", "vm-2", "vm-3"):
            machine = self.create(name, generation=2)
            self.attach(machine, self.file(rf"C:\disks\{name}.vhdx"))
            self.vmutils.create_nic(name, f"port of {name}", "fa:16:3e:00:00:0" + name[-1])
            self.os_win.networkutils.connect_vnic_to_vswitch("external", f"port of {name}")
            self.vmutils.set_vm_state(name, ENABLED)
        self.os_win.networkutils.set_vswitch_port_vlan_id(101, "port of vm-1")
        self.vmutils.take_vm_snapshot("vm-2", "before")
        self.vmutils.set_vm_state("vm-2", PAUSED)
        self.vmutils.set_vm_state("vm-3", SUSPENDED)

    def told(self):
        """What os-win tells of the host's machines."""
        return {
            name: [
                self.vmutils.get_vm_state(name),
                self.vmutils.get_vm_id(name),
                self.vmutils.get_vm_storage_paths(name)[0],
                self.vmutils.get_vm_nic_names(name),
                len(self.vmutils.get_vm_snapshots(name)),
            ]
            for name in self.vmutils.list_instances()
        } | {"switches": self.os_win.networkutils.get_vswitch_external_network_name("external")}

    def test_another_process_of_the_host_has_what_the_first_had(self):
        self.machines()
        told = self.told()
        self.save()
        self.restart()
        self.assertEqual(told, self.told())
        self.assertEqual(3, len(told) - 1)
        self.save(self.root / "again.json")
        before, after = (host_state.read(path) for path in (self.path, self.root / "again.json"))
        changed = {line.partition(": ")[2].split()[0] for line in host_state.differences(before, after)}
        self.assertLessEqual(changed, {"on_time"})

    def test_machines_go_on_after_a_restart(self):
        self.machines()
        self.save()
        self.restart()
        self.vmutils.set_vm_state("vm-2", ENABLED)
        self.vmutils.set_vm_state("vm-3", ENABLED)
        for snapshot in self.vmutils.get_vm_snapshots("vm-2"):
            self.vmutils.remove_vm_snapshot(snapshot)
        self.wait_for(lambda: self.vmutils.get_vm_storage_paths("vm-2")[0] == [r"C:\disks\vm-2.vhdx"])
        for name in ("vm-1", "vm-2", "vm-3"):
            self.vmutils.set_vm_state(name, DISABLED)
            self.vmutils.destroy_vm(name)
        self.assertEqual([], self.vmutils.list_instances())
        self.create("vm-1")

    def test_a_checkpoint_is_applied_after_a_restart(self):
        self.machines()
        self.vmutils.set_vm_state("vm-2", DISABLED)
        self.save()
        self.restart()
        (snapshot,) = self.vmutils.get_vm_snapshots("vm-2")
        self.os_win.wmi(
            'service = wmi.WMI(moniker="root/virtualization/v2").Msvm_VirtualSystemSnapshotService()[0]\n'
            f"service.ApplySnapshot({snapshot!r})"
        )
        self.wait_for(lambda: self.vmutils.get_vm_state("vm-2") == SUSPENDED)
        self.assertGreater(self.machine("vm-2").run.on_time, 0)
        self.vmutils.set_vm_state("vm-2", ENABLED)

    def test_what_differs(self):
        self.create("vm-1")
        self.save()
        self.create("vm-2")
        self.vmutils.destroy_vm("vm-1")
        (switch,) = self.model.store.of(host_state.V2, "Msvm_VirtualEthernetSwitch")
        switch["ElementName"] = "other"
        with mock.patch.object(SERVICES, "query", lambda name: types.SimpleNamespace(state="stopped")):
            self.save(after := self.root / "after.json")
        written = io.StringIO()
        arguments = ["host_state", str(self.path), str(after)]
        with mock.patch("sys.argv", arguments), contextlib.redirect_stdout(written):
            self.assertEqual(1, host_state.main())
        lines = written.getvalue().splitlines()
        self.assertEqual({"-", "+", "~"}, {line[0] for line in lines})
        self.assertIn('~ service nova-compute: state was "running", is "stopped"', lines)
        self.assertIn("+ machine " + self.vmutils.get_vm_id("vm-2"), lines)
        self.assertTrue(any(line.endswith('ElementName was "external", is "other"') for line in lines), lines)
        with mock.patch("sys.argv", [*arguments[:2], arguments[1]]), contextlib.redirect_stdout(written):
            self.assertEqual(0, host_state.main())

    def test_what_is_under_way_is_not_saved(self):
        self.create("vm-1")
        self.model.faults.append(Fault("Msvm_ComputerSystem.RequestStateChange", seconds=0.5))
        self.os_win.wmi(
            'wmi.WMI(moniker="root/virtualization/v2").Msvm_ComputerSystem(ElementName="vm-1")[0]'
            ".RequestStateChange(2)"
        )
        with self.assertRaisesRegex(host_state.StateError, "cannot save the state of HV1: .* runs"):
            self.save()
        self.assertFalse(self.path.exists())

    def test_files_that_are_refused(self):
        self.machines()
        self.save()
        state = json.loads(self.path.read_text())
        kind = host_state.V2
        first = next(iter(state["instances"][kind]))
        for damage, text in (
            (lambda state: state | {"version": 1}, "is of version 1, expected 2"),
            (lambda state: state | {"kind": "?"}, "is no state of a simulated Hyper-V host"),
            (lambda state: state | {"host": "HV2"}, "is the state of HV2, not of HV1"),
            (lambda state: {name: state[name] for name in state if name != "machines"}, "cannot be loaded"),
            (lambda state: state["instances"][kind][first].update(Colour=1) or state, "cannot be loaded"),
            (lambda state: [], "is no state"),
        ):
            self.path.write_text(json.dumps(damage(json.loads(json.dumps(state)))))
            with self.assertRaisesRegex(host_state.StateError, text):
                self.restart()
        self.path.write_text(json.dumps(state)[:-9])
        with self.assertRaisesRegex(host_state.StateError, "cannot be read"):
            self.restart()
        self.path.write_text(json.dumps(state))
        self.local(r"C:\disks\vm-1.vhdx").unlink()
        with self.assertRaisesRegex(host_state.StateError, "vm-1.vhdx' not found"):
            self.restart()
