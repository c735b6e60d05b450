# SPDX-License-Identifier: Apache-2.0
"""os-win's vmutils: virtual machines are dictionaries, in `vms` by their names."""

import functools
import time
import types

from hyperv_driver.oswin import constants, exceptions


class FakeMachine:
    """An Msvm_ComputerSystem."""

    def __init__(self, calls):
        self._calls = calls

    def InjectNonMaskableInterrupt(self):
        self._calls.append("NMI")
        return "job", 4096


class FakeConnection:
    """os-win's connection to WMI."""

    def __init__(self, vms):
        self._vms = vms
        self.planned = {}
        self.parents = {}

    def Msvm_StorageAllocationSettingData(self, fields):
        assert fields == ["HostResource"]
        paths = [path for vm in self._vms.values() for _bus, path in vm["disks"]]
        return [types.SimpleNamespace(HostResource=[path]) for path in paths]

    def Msvm_ImageManagementService(self):
        return [self]

    def SetParentVirtualHardDisk(self, ChildPath, ParentPath, IgnoreIDMismatch):
        assert IgnoreIDMismatch
        self.parents[ChildPath] = ParentPath
        return "job", 4096

    def Msvm_VirtualSystemSettingData(self, fields, VirtualSystemType):
        assert (fields, VirtualSystemType) == (["ElementName", "Notes"], "planned")
        return [types.SimpleNamespace(ElementName=name, Notes=notes) for name, notes in self.planned.items()]


class FakeJobUtils:
    def check_ret_val(self, ret_val, job_path):
        assert (job_path, ret_val) == ("job", 4096)


class FakeVMUtils:
    _VIRTUAL_SYSTEM_TYPE_PLANNED = "planned"

    def __init__(self):
        self._jobutils = FakeJobUtils()
        self.vms = {}
        self._conn = FakeConnection(self.vms)
        self.calls = []
        self.guest_answers_shutdown = True
        self.stuck_in = None
        self.slots = 64
        self.limits = {}
        self.unseen = 0

    def _vm(self, name):
        if name not in self.vms:
            raise exceptions.HyperVVMNotFoundException(vm_name=name)
        return self.vms[name]

    def _lookup_vm_check(self, vm_name, as_vssd=True):
        assert not as_vssd
        self._vm(vm_name)
        return FakeMachine(self.calls)

    def vm_exists(self, vm_name):
        return vm_name in self.vms

    def list_instances(self):
        return list(self.vms)

    def list_instance_notes(self):
        return [(name, vm["notes"]) for name, vm in self.vms.items() if vm["notes"]]

    def get_instance_uuid(self, vm_name):
        return (self._vm(vm_name)["notes"] or [None])[0]

    def get_vm_serial_port_connections(self, vm_name):
        return list(self._vm(vm_name)["serial"].values())

    def build_vm(self, machine):
        self.vms[machine.name] = {
            "state": constants.HYPERV_VM_STATE_DISABLED,
            "notes": machine.notes,
            "generation": machine.generation,
            "path": machine.folder,
            "disks": [],
            "nics": {},
            "memory_mb": machine.memory_mb,
            "vcpus": machine.vcpus,
            "memory_ratio": machine.memory_ratio,
            "is host": machine.is_host,
            "devices": list(machine.devices),
            "numa node": machine.numa_node,
            "serial": machine.serial_pipes,
            "scsi": True,
        }
        for drive in machine.drives:
            drive_type = constants.DVD if drive.is_dvd else constants.DISK
            self.set_disk_qos_specs(drive.path, drive.iops_limit)
            if drive.ide:
                self.attach_ide_drive(machine.name, drive.path, *drive.ide, drive_type)
            else:
                self.attach_scsi_drive(machine.name, drive.path, drive_type)
        if machine.generation == constants.VM_GEN_2 and machine.boot_order:
            self._vm(machine.name)["boot"] = list(machine.boot_order)
        return functools.partial(self._add_adapters, machine.name)

    def _add_adapters(self, vm_name, addresses):
        self._vm(vm_name)["nics"].update({name: {"mac": address} for name, address in addresses.items()})

    def attach_ide_drive(self, vm_name, path, ctrller_addr, drive_addr, drive_type=constants.DISK):
        assert self._vm(vm_name)["generation"] == constants.VM_GEN_1
        self._occupy(vm_name, "ide", ctrller_addr, drive_addr, path)
        self._attach(vm_name, "ide", path, drive_type)

    def attach_scsi_drive(self, vm_name, path, drive_type=constants.DISK):
        assert self._vm(vm_name)["scsi"]
        assert drive_type == constants.DISK or self._vm(vm_name)["generation"] == constants.VM_GEN_2
        self._attach(vm_name, "scsi", path, drive_type)

    def _occupy(self, vm_name, bus, address, slot, path):
        places = self._vm(vm_name).setdefault("places", {})
        taken = [
            other for bus_, other in self._vm(vm_name)["disks"] if places.get(other) == (bus, address, slot)
        ]
        assert not taken, (taken, path)
        places[path] = bus, address, slot

    def get_disk_attachment_info(self, attached_disk_path=None, is_physical=True, serial=None):
        for name, vm in self.vms.items():
            for bus, path in vm["disks"]:
                if path == attached_disk_path:
                    place = vm.get("places", {}).get(path, (bus, 0, 0))
                    assert is_physical == (path in vm.get("volumes", {}).values())
                    return {
                        "controller_path": (name, *place[:2]),
                        "controller_type": place[0].upper(),
                        "controller_addr": str(place[1]),
                        "controller_slot": place[2],
                    }
        raise exceptions.DiskNotFound(f"{attached_disk_path} is not attached")

    def _attach(self, vm_name, bus, path, drive_type):
        self._vm(vm_name)["disks"].append((bus, path))
        assert (drive_type == constants.DVD) == path.endswith(".iso")

    def set_disk_qos_specs(self, disk_path, max_iops=None, min_iops=None):
        self.limits[disk_path] = max_iops

    def _get_mounted_disk_resource_from_path(self, disk_path, is_physical):
        assert not is_physical
        return types.SimpleNamespace(IOPSLimit=self.limits.get(disk_path))

    def get_vm_ide_controller(self, vm_name, ctrller_addr):
        assert self._vm(vm_name)["generation"] == constants.VM_GEN_1
        return vm_name, "ide", ctrller_addr

    def get_vm_scsi_controller(self, vm_name):
        assert self._vm(vm_name)["scsi"]
        return vm_name, "scsi", 0

    def get_free_controller_slot(self, scsi_controller_path):
        name, bus, _address = scsi_controller_path
        slot = len([disk for disk in self._vm(name)["disks"] if disk[0] == bus])
        if slot == self.slots:
            raise exceptions.HyperVException("Exceeded the maximum number of slots")
        return slot

    def attach_volume_to_controller(self, vm_name, controller_path, address, mounted_disk_path, serial=None):
        if controller_path[1] == "ide":
            self._occupy(vm_name, *controller_path[1:], address, mounted_disk_path)
        self._vm(vm_name)["disks"].append((controller_path[1], mounted_disk_path))
        self._vm(vm_name).setdefault("volumes", {})[serial] = mounted_disk_path

    def get_vm_physical_disk_mapping(self, vm_name):
        volumes = self._vm(vm_name).get("volumes", {})
        return {
            serial: {"resource_path": (vm_name, serial), "mounted_disk_path": path}
            for serial, path in volumes.items()
        }

    def set_disk_host_res(self, disk_res_path, mounted_disk_path):
        self.calls.append(("set_disk_host_res", *disk_res_path, mounted_disk_path))
        name, serial = disk_res_path
        self._vm(name)["volumes"][serial] = mounted_disk_path

    def update_vm_disk_path(self, disk_path, new_disk_path, is_physical=True):
        assert not is_physical
        self.calls.append(("update_vm_disk_path", disk_path, new_disk_path))
        for vm in self.vms.values():
            vm["disks"] = [(bus, new_disk_path if path == disk_path else path) for bus, path in vm["disks"]]

    def get_mounted_disk_by_drive_number(self, device_number):
        self.unseen -= 1
        return None if self.unseen >= 0 else f"Msvm_DiskDrive {device_number}"

    def detach_vm_disk(self, vm_name, disk_path=None, is_physical=True, serial=None):
        vm = self._vm(vm_name)
        if serial:
            disk_path = vm.get("volumes", {}).pop(serial, None)
        else:
            assert not is_physical
        vm["disks"] = [(bus, path) for bus, path in vm["disks"] if path != disk_path]
        self.limits.pop(disk_path, None)
        vm["boot"] = [path for path in vm.get("boot", ()) if path != disk_path]

    def enable_secure_boot(self, vm_name, msft_ca_required):
        self._vm(vm_name)["secure boot"] = "UEFI CA" if msft_ca_required else "Windows"

    def set_boot_order(self, vm_name, device_boot_order):
        others = [path for path in self._vm(vm_name).get("boot", ()) if path not in device_boot_order]
        # os-win makes a set of the others.
        self._vm(vm_name)["boot"] = [*device_boot_order, *reversed(others)]

    def create_nic(self, vm_name, nic_name, mac_address=None):
        self._vm(vm_name)["nics"][nic_name] = {"mac": mac_address}

    def destroy_nic(self, vm_name, nic_name):
        self._vm(vm_name)["nics"].pop(nic_name, None)

    def get_vm_snapshots(self, vm_name, snapshot_name=None):
        snapshots = self._vm(vm_name).get("snapshots", [])
        return [vm_name for name, _disks in snapshots if snapshot_name in (None, name)]

    def take_vm_snapshot(self, vm_name, snapshot_name=None):
        vm = self._vm(vm_name)
        vm["snapshots"] = [*vm.get("snapshots", ()), (snapshot_name, list(vm["disks"]))]
        vm["disks"] = [(bus, path.replace(".vhd", "_1.avhd")) for bus, path in vm["disks"]]
        return vm_name

    def remove_vm_snapshot(self, snapshot_path):
        vm = self._vm(snapshot_path)
        _name, vm["disks"] = vm["snapshots"].pop()

    def get_vm_generation(self, vm_name):
        return self._vm(vm_name)["generation"]

    def get_vm_storage_paths(self, vm_name):
        vm = self._vm(vm_name)
        volumes = list(vm.get("volumes", {}).values())
        return [path for _bus, path in vm["disks"] if path not in volumes], volumes

    def get_vm_summary_info(self, vm_name):
        vm = self._vm(vm_name)
        runs = vm["state"] == constants.HYPERV_VM_STATE_ENABLED
        return {
            "NumberOfProcessors": vm["vcpus"],
            "EnabledState": vm["state"],
            "MemoryUsage": vm["memory_mb"] if runs else None,
            "UpTime": 61_500 if runs else None,
        }

    def get_vm_state(self, vm_name):
        return self._vm(vm_name)["state"]

    def set_vm_state(self, vm_name, req_state):
        self.calls.append(("set_vm_state", vm_name, req_state))
        self._vm(vm_name)["state"] = self.stuck_in or req_state
        return not self.stuck_in

    def soft_shutdown_vm(self, vm_name):
        self.calls.append(("soft_shutdown_vm", vm_name))
        if self.guest_answers_shutdown is None:
            raise exceptions.HyperVException("the guest has no integration services")
        if self.guest_answers_shutdown:
            self._vm(vm_name)["state"] = constants.HYPERV_VM_STATE_DISABLED

    def stop_vm_jobs(self, vm_name, timeout=None):
        self._vm(vm_name)
        self.calls.append(("stop_vm_jobs", vm_name))

    def destroy_vm(self, vm_name):
        self._vm(vm_name)
        del self.vms[vm_name]

    def get_vm_power_state(self, vm_enabled_state):
        return {2: 2, 3: 3, 9: 32768, 6: 32769}.get(vm_enabled_state, constants.HYPERV_VM_STATE_OTHER)

    def get_vm_power_state_change_listener(self, timeframe, event_timeout):
        def watcher(_timeout_ms):
            time.sleep(0.05)
            raise exceptions.x_wmi_timed_out()

        return watcher
