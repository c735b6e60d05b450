# SPDX-License-Identifier: Apache-2.0
"""Many machines on one host, and many hosts on this machine, all at once."""

from tests.contract.two_hosts import TwoHostsTest


class ManyMachinesTest(TwoHostsTest):
    facts = ({},)

    def test_64_lifecycles_at_once(self):
        ran, left = self.programs[0].run(
            r"""
            import concurrent.futures, threading

            together = threading.Barrier(64, timeout=120)

            def live(number):
                name = f"vm-{number}"
                disk = rf"C:\disks\{name}.vhdx"
                together.wait()
                vhdutils.create_dynamic_vhd(disk, 16 << 20)
                vmutils.create_vm(name, False, constants.VM_GEN_2, r"C:\machines", notes=[name])
                vmutils.update_vm(name, 64, 64, 1, 1, None, False)
                vmutils.create_scsi_controller(name)
                vmutils.attach_scsi_drive(name, disk)
                vmutils.set_vm_state(name, constants.HYPERV_VM_STATE_ENABLED)
                together.wait()
                running = vmutils.get_vm_state(name) == constants.HYPERV_VM_STATE_ENABLED
                vmutils.set_vm_state(name, constants.HYPERV_VM_STATE_DISABLED)
                vmutils.destroy_vm(name)
                return running

            pathutils.makedirs(r"C:\disks")
            with concurrent.futures.ThreadPoolExecutor(64) as threads:
                said = sum(threads.map(live, range(64))), vmutils.list_instances()
            """
        )
        self.assertEqual((64, []), (ran, left))


class ManyHostsTest(TwoHostsTest):
    facts = ({},) * 20
    driven = 1

    def test_20_hosts_at_once(self):
        names = [host.name for host in self.hosts]
        had, left = self.programs[0].run(
            f"""
            import concurrent.futures, threading

            together = threading.Barrier(20, timeout=120)

            def live(host):
                utils = utilsfactory.get_vmutils(host)
                together.wait()
                utils.create_vm(f"vm-{{host}}", False, constants.VM_GEN_2, "C:" + chr(92) + "machines")
                utils.set_vm_state(f"vm-{{host}}", constants.HYPERV_VM_STATE_ENABLED)
                together.wait()
                had = utils.list_instances()
                utils.set_vm_state(f"vm-{{host}}", constants.HYPERV_VM_STATE_DISABLED)
                utils.destroy_vm(f"vm-{{host}}")
                return had, utils.list_instances()

            with concurrent.futures.ThreadPoolExecutor(20) as threads:
                said = list(zip(*threads.map(live, {names!r})))
            """
        )
        self.assertEqual([[f"vm-{name}"] for name in names], had)
        self.assertEqual([[]] * 20, left)
