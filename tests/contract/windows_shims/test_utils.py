# SPDX-License-Identifier: Apache-2.0
"""os-win's utils below its virtual machines: disks, files, pipes, processes, jobs of WMI."""

import os
import socket
import threading
import types
import uuid

from lab.hyperv_model import jobs, vhd
from lab.windows_sandbox import accounts, security
from tests.contract.hyperv_model.os_win_case import ENABLED, OsWinCase, OsWinError

GIB = 1 << 30
FIXED, DYNAMIC, DIFFERENCING = 2, 3, 4  # os_win.constants.VHD_TYPE_*


class VirtualDisksCase(OsWinCase):
    def setUp(self):
        super().setUp()
        self.vhdutils = self.os_win.vhdutils

    def chain(self, extension="vhdx"):
        """A parent and its child, of which the child holds a word."""
        parent, child = (rf"C:\{name}.{extension}" for name in ("parent", "child"))
        self.vhdutils.create_dynamic_vhd(parent, 64 << 20)
        self.vhdutils.create_differencing_vhd(child, parent)
        self.write(child, b"word")
        return parent, child

    def write(self, path, data):
        with vhd.open_chain(path, self.local, write=True) as disk:
            disk.write(0, data)

    def read(self, path):
        with vhd.open_chain(path, self.local) as disk:
            return disk.read(0, 4)

    def test_each_kind_in_each_format(self):
        self.assertEqual("VHDX", self.vhdutils.get_best_supported_vhd_format())
        for extension in ("vhd", "vhdx"):
            with self.subTest(extension=extension):
                parent, child = self.chain(extension)
                fixed = rf"C:\fixed.{extension}"
                self.vhdutils.create_vhd(fixed, FIXED, max_internal_size=8 << 20)
                kinds = [self.vhdutils.get_vhd_type(path) for path in (fixed, parent, child)]
                self.assertEqual([FIXED, DYNAMIC, DIFFERENCING], kinds)
                self.assertEqual(extension.upper(), self.vhdutils.get_vhd_format(child))
                self.assertEqual(parent, self.vhdutils.get_vhd_parent_path(child))
                self.assertIsNone(self.vhdutils.get_vhd_parent_path(parent))
                self.assertEqual(64 << 20, self.vhdutils.get_vhd_size(child)["VirtualSize"])
                info = self.vhdutils.get_vhd_info(child)
                self.assertEqual((DIFFERENCING, parent), (info["ProviderSubtype"], info["ParentPath"]))
                self.assertFalse(self.vhdutils.is_virtual_disk_file_attached(child))

    def test_the_format_is_found_without_the_extension(self):
        parent, _child = self.chain("vhd")
        self.local(parent).rename(self.local(r"C:\image"))
        self.assertEqual("VHD", self.vhdutils.get_vhd_format(r"C:\image"))
        self.local(r"C:\text").write_text("no disk")
        with self.assertRaisesRegex(OsWinError, "Could not retrieve VHD format"):
            self.vhdutils.get_vhd_format(r"C:\text")

    def test_a_child_is_merged_into_its_parent(self):
        for extension in ("vhd", "vhdx"):
            with self.subTest(extension=extension):
                parent, child = self.chain(extension)
                self.vhdutils.merge_vhd(child)
                self.assertEqual(b"word", self.read(parent))
                self.assertFalse(self.local(child).exists())
                with self.assertRaisesRegex(OsWinError, "virtual hard disk type is not supported"):
                    self.vhdutils.merge_vhd(parent)

    def test_a_parent_may_move(self):
        for extension in ("vhd", "vhdx"):
            with self.subTest(extension=extension):
                parent, child = self.chain(extension)
                moved = rf"C:\a folder with a long name\{uuid.UUID(int=7)}\parent.{extension}"
                self.local(moved).parent.mkdir(parents=True)
                self.local(parent).rename(self.local(moved))
                with self.assertRaises(vhd.VirtualDiskError):
                    self.read(child)
                self.vhdutils.reconnect_parent_vhd(child, moved)
                self.assertEqual(b"word", self.read(child))
                self.assertEqual(moved, self.vhdutils.get_vhd_parent_path(child))
                stranger = rf"C:\stranger.{extension}"
                self.vhdutils.create_dynamic_vhd(stranger, 64 << 20)
                with self.assertRaisesRegex(OsWinError, "mismatch in the identifiers"):
                    self.vhdutils.reconnect_parent_vhd(child, stranger)
                self.local(moved).unlink()
                self.local(moved).parent.rmdir()
                self.local(moved).parent.parent.rmdir()

    def test_a_disk_gets_another_identity(self):
        parent, child = self.chain()
        wanted = uuid.UUID(int=5)
        self.vhdutils.set_vhd_guid(child, str(wanted))
        with vhd.open_chain(child, self.local) as disk:
            self.assertEqual(wanted, disk.virtual_disk_id)
            self.assertEqual(b"word", disk.read(0, 4))

    def test_a_flattened_disk_needs_no_parent(self):
        for extension in ("vhd", "vhdx"):
            with self.subTest(extension=extension):
                parent, child = self.chain(extension)
                self.vhdutils.flatten_vhd(child)
                self.local(parent).unlink()
                self.assertEqual(b"word", self.read(child))
                self.vhdutils.convert_vhd(child, rf"C:\fixed.{extension}", FIXED)
                self.assertEqual(FIXED, self.vhdutils.get_vhd_type(rf"C:\fixed.{extension}"))

    def test_an_attached_disk_is_one_of_the_hosts(self):
        diskutils = self.os_win.diskutils
        parent, _child = self.chain()
        self.assertFalse(self.vhdutils.is_virtual_disk_file_attached(parent))
        self.vhdutils.attach_virtual_disk(parent)
        self.assertTrue(self.vhdutils.is_virtual_disk_file_attached(parent.upper()))
        self.assertTrue(diskutils.is_virtual_disk_file_attached(parent))
        self.assertEqual(r"\\.\PhysicalDrive1", self.vhdutils.get_virtual_disk_physical_path(parent))
        self.assertEqual(64 << 20, diskutils.get_disk_size(1))
        with self.assertRaisesRegex(OsWinError, "VHDWin32APIException.*Error code: 32"):
            self.vhdutils.attach_virtual_disk(parent)
        self.vhdutils.detach_virtual_disk(parent)
        self.assertFalse(diskutils.is_virtual_disk_file_attached(parent))
        self.vhdutils.detach_virtual_disk(parent)
        with self.assertRaisesRegex(OsWinError, "VHDWin32APIException.*Error code: 21"):
            self.vhdutils.get_virtual_disk_physical_path(parent)

    def test_a_disk_may_be_attached_for_as_long_as_its_handle_is_open(self):
        self.chain()
        told = self.os_win.wmi(
            r"""
            vhdutils = utilsfactory.get_vhdutils()
            path = r"C:\parent.vhdx"
            handle = vhdutils.attach_virtual_disk(path, read_only=False, detach_on_handle_close=True)
            result = [vhdutils.is_virtual_disk_file_attached(path)]
            vhdutils.close(handle)
            result.append(vhdutils.is_virtual_disk_file_attached(path))
            """
        )
        self.assertEqual([True, False], told)

    def test_a_disk_has_one_writer(self):
        self.create()
        disk = self.file(r"C:\root.vhd")
        self.vmutils.attach_ide_drive("vm-1", disk, 0, 0)
        self.vhdutils.attach_virtual_disk(disk)
        with self.assertRaisesRegex(OsWinError, "WMIJobFailed.*is used by 'this host'"):
            self.vmutils.set_vm_state("vm-1", ENABLED)
        self.vhdutils.detach_virtual_disk(disk)
        self.vmutils.set_vm_state("vm-1", ENABLED)
        with self.assertRaisesRegex(OsWinError, "VHDWin32APIException.*Error code: 32"):
            self.vhdutils.attach_virtual_disk(disk)

    def test_what_fits_into_a_file_is_less_than_the_file(self):
        for extension in ("vhd", "vhdx"):
            with self.subTest(extension=extension):
                parent, child = self.chain(extension)
                size = self.vhdutils.get_internal_vhd_size_by_file_size(child, 1 * GIB)
                self.assertTrue(GIB - (64 << 20) < size < GIB, size)
                self.vhdutils.resize_vhd(parent, 128 << 20, is_file_max_size=False)
                self.assertEqual(128 << 20, self.vhdutils.get_vhd_size(parent)["VirtualSize"])
                with self.assertRaisesRegex(OsWinError, "Cannot resize image .* to a smaller size"):
                    self.vhdutils.resize_vhd(parent, 64 << 20, is_file_max_size=False)


class FilesCase(OsWinCase):
    def setUp(self):
        super().setUp()
        self.pathutils = self.os_win.pathutils
        self.local(r"C:\from\inner").mkdir(parents=True)
        self.local(r"C:\from\a").write_text("text")

    def test_folders_are_copied_moved_and_removed(self):
        self.pathutils.copy_dir(r"C:\from", r"C:\copy")
        self.assertEqual(["a", "inner"], sorted(os.listdir(self.local(r"C:\copy"))))
        self.pathutils.copy_folder_files(r"C:\from", r"C:\files")
        self.assertEqual(["a"], os.listdir(self.local(r"C:\files")))
        self.pathutils.makedirs(r"C:\moved")
        self.pathutils.move_folder_files(r"C:\from", r"C:\moved")
        self.assertEqual(["inner"], os.listdir(self.local(r"C:\from")))
        self.pathutils.rmtree(r"C:\copy")
        self.assertFalse(self.pathutils.exists(r"C:\copy"))
        with self.assertRaisesRegex(OsWinError, "File exists"):
            self.pathutils.makedirs(r"C:\moved")

    def test_what_is_there_is_not_overwritten_by_a_rename(self):
        self.local(r"C:\b").write_text("other")
        with self.assertRaisesRegex(OsWinError, "File exists"):
            self.pathutils.rename(r"C:\from\a", r"C:\b")
        self.pathutils.copy(r"C:\from\a", r"C:\b", fail_if_exists=False)
        self.assertEqual("text", self.local(r"C:\b").read_text())
        self.pathutils.remove(r"C:\b")
        with self.assertRaisesRegex(OsWinError, "No such file"):
            self.pathutils.remove(r"C:\b")
        with self.assertRaisesRegex(OsWinError, "OSError: The file copy .* failed.*Error code: 2"):
            self.pathutils.copyfile(r"C:\b", r"C:\c")

    def test_a_link_is_the_file_that_it_leads_to(self):
        self.pathutils.create_sym_link(r"C:\link", r"C:\from", True)
        self.assertTrue(self.pathutils.is_symlink(r"C:\link"))
        self.assertFalse(self.pathutils.is_symlink(r"C:\from"))
        self.assertTrue(self.pathutils.is_same_file(r"C:\link\a", r"C:\FROM\A"))
        self.assertEqual(self.pathutils.get_file_id(r"C:\link\a"), self.pathutils.get_file_id(r"C:\from\a"))

    def test_temporary_files_are_in_the_users_folder(self):
        path = self.pathutils.create_temporary_file(suffix=".iso")
        self.assertRegex(path, r"^C:\\Windows\\Temp\\.*\.iso$")
        self.assertTrue(self.local(path).is_file())
        self.assertEqual(
            ["text", True, False],
            self.os_win.wmi(
                r"""
                pathutils = utilsfactory.get_pathutils()
                with pathutils.open(r"C:\from\a", "r") as file:
                    result = [file.read()]
                with pathutils.temporary_file() as path:
                    result.append(pathutils.exists(path))
                result.append(pathutils.exists(path))
                """
            ),
        )


class AccessRulesCase(OsWinCase):
    def setUp(self):
        super().setUp()
        self.pathutils = self.os_win.pathutils
        self.model.host = types.SimpleNamespace(
            accounts=accounts.Accounts(self.root, "HV1"), security=security.Security(self.root / "rules.json")
        )
        for name in ("a", "b"):
            self.local(rf"C:\{name}").write_text("")

    def rules(self, name="a"):
        keys = ("sid", "rights", "type", "inherit")
        return [tuple(rule[key] for key in keys) for rule in self.model.host.security.rules(rf"C:\{name}")]

    def test_rules_are_granted_denied_set_and_revoked(self):
        read, write, everything, both = 0x80000000, 0x40000000, 0x10000000, 3
        grant, replace, deny, revoke = 1, 2, 3, 4
        self.pathutils.add_acl_rule(r"C:\a", "Administrators", everything, grant, both)
        self.pathutils.add_acl_rule(r"C:\a", "Everyone", read, grant)
        self.pathutils.add_acl_rule(r"C:\a", "Everyone", write, deny)
        administrators = ("S-1-5-32-544", "FullControl", "allow", "ContainerInherit, ObjectInherit")
        reads, writes = ("S-1-1-0", "Read", "allow", "None"), ("S-1-1-0", "Write", "deny", "None")
        self.assertEqual([administrators, reads, writes], self.rules())
        self.pathutils.add_acl_rule(r"C:\a", "Everyone", read, replace)
        self.assertEqual([administrators, reads], self.rules())
        self.pathutils.add_acl_rule(r"C:\a", "Everyone", 0, revoke)
        self.assertEqual([administrators], self.rules())
        self.pathutils.copy_acls(r"C:\a", r"C:\b")
        self.assertEqual([administrators], self.rules("b"))

    def test_an_unknown_account_or_file_is_refused(self):
        with self.assertRaisesRegex(OsWinError, "Win32Exception.*SetEntriesInAclW.*Error code: 1332"):
            self.pathutils.add_acl_rule(r"C:\a", "nobody", 0x80000000, 1)
        with self.assertRaisesRegex(OsWinError, "Win32Exception.*GetNamedSecurityInfoW.*Error code: 2"):
            self.pathutils.copy_acls(r"C:\none", r"C:\b")
        self.assertEqual([], self.rules())

    def test_lists_are_handed_on_and_freed(self):
        told = self.os_win.wmi(
            r"""
            import ctypes
            from os_win.utils import _acl_utils, win32utils as win32utils_module
            from os_win.utils.winapi.libs import advapi32 as structures
            acl_utils = _acl_utils.ACLUtils()
            win32utils = win32utils_module.Win32Utils()
            found = acl_utils.get_named_security_info(r"C:\a", 1, 4)
            entry = structures.EXPLICIT_ACCESS()
            entry.grfAccessPermissions, entry.grfAccessMode = 0x301BF, 1
            entry.Trustee.TrusteeForm, entry.Trustee.pstrName = 1, "SYSTEM"
            new = acl_utils.set_entries_in_acl(1, ctypes.pointer(entry), found["pp_dacl"].contents)
            acl_utils.set_named_security_info(r"C:\a", 1, 4, p_dacl=new.contents)
            win32utils.local_free(found["pp_sec_desc"].contents)
            win32utils.local_free(new.contents)
            """
        )
        self.assertIsNone(told)
        self.assertEqual([("S-1-5-18", "Modify", "allow", "None")], self.rules())


class PipesCase(OsWinCase):
    def serve(self, act):
        """Have a thread act at the other end of the pipe ``test``."""
        folder = self.run_folder / "pipes"
        folder.mkdir(exist_ok=True)
        listener = socket.socket(socket.AF_UNIX)
        listener.settimeout(30)
        self.addCleanup((folder / "test").unlink)
        self.addCleanup(listener.close)
        listener.bind(str(folder / "test"))
        listener.listen()

        def run():
            end, _address = listener.accept()
            with end:
                act(end)

        thread = threading.Thread(target=run)
        thread.start()
        self.addCleanup(thread.join)

    def test_an_anonymous_pipe_has_two_ends(self):
        told = self.os_win.wmi(
            """
            ioutils = utilsfactory.get_ioutils()
            reads, writes = ioutils.create_pipe()
            buffer = ioutils.get_buffer(10)
            ioutils.write_buffer_data(buffer, "hello")
            result = [ioutils.write_file(writes, buffer, 5)]
            received = ioutils.get_buffer(10)
            count = ioutils.read_file(reads, received, 10)
            result.append(ioutils.get_buffer_data(received, count).decode())
            for wrong, handle in ((ioutils.read_file, writes), (ioutils.write_file, reads)):
                try:
                    wrong(handle, buffer, 1)
                except Exception as error:
                    result.append(error.error_code)
            ioutils.close_handle(writes)
            try:
                ioutils.read_file(reads, received, 10)
            except Exception as error:
                result.append(error.error_code)
            ioutils.close_handle(reads)
            try:
                ioutils.close_handle(reads)
            except Exception as error:
                result.append(error.error_code)
            """
        )
        # ERROR_ACCESS_DENIED twice, ERROR_BROKEN_PIPE, ERROR_INVALID_HANDLE
        self.assertEqual([5, "hello", 5, 5, 109, 6], told)

    def test_handles_for_children_are_refused(self):
        with self.assertRaisesRegex(
            OsWinError, "CreatePipe: handles that children inherit are not simulated"
        ):
            self.os_win.wmi("ioutils = utilsfactory.get_ioutils(); ioutils.create_pipe(inherit_handle=True)")

    def test_a_named_pipe_is_read_and_written_overlapped(self):
        received = []

        def act(end):
            end.sendall(b"ping")
            received.append(end.recv(10))

        self.serve(act)
        told = self.os_win.wmi(
            r"""
            ioutils = utilsfactory.get_ioutils()
            pipe = r"\\.\pipe\test"
            ioutils.wait_named_pipe(pipe, timeout=1)
            overlapped_file = 0x40000000
            handle = ioutils.open(pipe, 0xC0000000, 0, 3, overlapped_file)
            overlapped = ioutils.get_new_overlapped_structure()
            counts = []
            routine = ioutils.get_completion_routine(counts.append)
            buffer = ioutils.get_buffer(10)
            ioutils.read(handle, buffer, 10, overlapped, routine)
            result = [ioutils.get_buffer_data(buffer, counts[-1]).decode()]
            ioutils.write_buffer_data(buffer, "pong")
            ioutils.write(handle, buffer, 4, overlapped, routine)
            result.append(counts)
            ioutils.cancel_io(handle)
            ioutils.set_event(overlapped.hEvent)
            ioutils.close_handle(handle)
            ioutils.cancel_io(handle, ignore_invalid_handle=True)
            ioutils.close_handle(overlapped.hEvent)
            """
        )
        self.assertEqual(["ping", [4, 4]], told)
        self.doCleanups()
        self.assertEqual([b"pong"], received)

    def test_a_pipe_that_is_not_there(self):
        with self.assertRaisesRegex(OsWinError, "Win32IOException.*Error code: 2"):
            self.os_win.ioutils.wait_named_pipe(r"\\.\pipe\none", timeout=1)


class ProcessesCase(OsWinCase):
    def run_code(self, code):
        return self.os_win.wmi(
            """
            import subprocess, sys
            from os_win import exceptions
            from os_win.utils import win32utils as win32utils_module
            from os_win.utils.winapi import constants
            from os_win.utils.winapi.libs import kernel32 as structures
            processutils = utilsfactory.get_processutils()
            win32utils = win32utils_module.Win32Utils()
            def start(seconds):
                code = f"import time; time.sleep({seconds})"
                return subprocess.Popen([r"C:\\Python311\\python.exe", "-c", code])
            """
        ) or self.os_win.wmi(code)

    def test_processes_are_waited_for(self):
        told = self.run_code(
            """
            children = [start(0), start(0.2)]
            result = [processutils.wait_for_multiple_processes([child.pid for child in children])]
            result += [child.wait() for child in children]
            child = start(60)
            try:
                processutils.wait_for_multiple_processes([child.pid], milliseconds=20)
            except exceptions.Timeout:
                result.append("time-out")
            child.kill()
            child.wait()
            """
        )
        self.assertEqual([0, 0, 0, "time-out"], told)

    def test_a_process_that_is_not_there_has_no_handle(self):
        with self.assertRaisesRegex(OsWinError, "Win32Exception.*Error code: 87"):
            self.run_code("processutils.open_process(999999, constants.SYNCHRONIZE)")

    def test_a_closed_job_ends_its_processes(self):
        told = self.run_code(
            """
            child = start(60)
            job = processutils.kill_process_on_job_close(child.pid)
            win32utils.close_handle(job)
            result = child.wait(20)
            """
        )
        self.assertEqual(-9, told)

    def test_a_job_without_the_limit_leaves_its_processes_alone(self):
        told = self.run_code(
            """
            child = start(60)
            job = processutils.create_job_object()
            process = processutils.open_process(child.pid, constants.SYNCHRONIZE)
            result = []
            try:
                processutils.assign_process_to_job_object(job, process)
            except exceptions.Win32Exception as error:
                result.append(error.error_code)
            win32utils.close_handle(process)
            access = constants.PROCESS_SET_QUOTA | constants.PROCESS_TERMINATE
            process = processutils.open_process(child.pid, access)
            limits = structures.JOBOBJECT_EXTENDED_LIMIT_INFORMATION()
            processutils.set_information_job_object(job, constants.JobObjectExtendedLimitInformation, limits)
            processutils.assign_process_to_job_object(job, process)
            win32utils.close_handle(job)
            try:
                win32utils.wait_for_single_object(process, 50)
            except exceptions.Timeout:
                result.append("runs on")
            child.kill()
            result.append(win32utils.wait_for_single_object(process, 20000))
            win32utils.close_handle(process)
            child.wait()
            """
        )
        self.assertEqual([5, "runs on", 0], told)

    def test_a_mutex_is_released_by_its_owner_only(self):
        told = self.run_code(
            """
            mutex = processutils.create_mutex(initial_owner=True)
            processutils.release_mutex(mutex)
            try:
                processutils.release_mutex(mutex)
            except exceptions.Win32Exception as error:
                result = error.error_code
            win32utils.close_handle(mutex)
            """
        )
        self.assertEqual(288, told)  # ERROR_NOT_OWNER

    def test_events_and_errors_below_them(self):
        told = self.run_code(
            """
            from os_win.utils.winapi import libs
            kernel32 = libs.get_shared_lib_handle(libs.KERNEL32)
            ioutils = utilsfactory.get_ioutils()
            events = [ioutils._create_event(), ioutils._create_event()]
            ioutils.set_event(events[1])
            result = [win32utils.wait_for_multiple_objects(events, wait_all=False, milliseconds=1000)]
            try:
                win32utils.wait_for_multiple_objects(events, milliseconds=20)
            except exceptions.Timeout:
                result.append("not both")
            ioutils.set_event(events[0])
            result.append(win32utils.wait_for_multiple_objects(events, milliseconds=1000))
            for event in events:
                win32utils.close_handle(event)
            kernel32.SetLastError(2)
            result.append(win32utils.get_last_error())
            result.append(win32utils.get_last_error())
            result.append(win32utils.get_error_message(5).decode().strip())
            win32utils.local_free(None)
            try:
                win32utils.run_and_check_output(kernel32.SetEvent, events[0], kernel32_lib_func=True)
            except exceptions.Win32Exception as error:
                result.append(error.error_code)
            """
        )
        self.assertEqual([1, "not both", 0, 2, 0, "Access is denied.", 6], told)


class JobsCase(OsWinCase):
    """JobUtils takes WMI objects, so the calls are made there."""

    def setUp(self):
        super().setUp()
        self.create()
        self.os_win.wmi(
            """
            from os_win import exceptions
            from os_win.utils import jobutils as jobutils_module
            jobutils = jobutils_module.JobUtils()
            virt = wmi.WMI("//./root/virtualization/v2")
            def template(class_name, sub_type):
                found = virt.query(f"SELECT * FROM {class_name} WHERE InstanceID LIKE '%\\\\Default'")
                return [item for item in found if item.ResourceSubType.endswith(sub_type)][0]
            def settings():
                return virt.Msvm_VirtualSystemSettingData(ElementName="vm-1")[0]
            """
        )

    def test_resources_are_added_changed_and_removed(self):
        told = self.os_win.wmi(
            """
            nic = template("Msvm_SyntheticEthernetPortSettingData", "Synthetic Ethernet Port")
            nic.ElementName = "port-1"
            first = jobutils.add_virt_resource(nic, settings())
            second = jobutils.add_virt_resource(nic, settings())
            adapters = [item for item in virt.Msvm_SyntheticEthernetPortSettingData(ElementName="port-1")]
            adapters[0].ElementName = "port-2"
            jobutils.modify_virt_resource(adapters[0])
            result = sorted(item.ElementName for item in virt.Msvm_SyntheticEthernetPortSettingData())
            jobutils.remove_virt_resource(adapters[0])
            jobutils.remove_multiple_virt_resources(adapters[1:])
            result.append(len(virt.Msvm_SyntheticEthernetPortSettingData()))
            """
        )
        self.assertEqual(["Synthetic Ethernet Port", "port-1", "port-2", 1], told)

    def test_features_are_added_changed_and_removed(self):
        self.vmutils.create_nic("vm-1", "port-1")
        self.os_win.networkutils.connect_vnic_to_vswitch("external", "port-1")
        told = self.os_win.wmi(
            """
            port = virt.Msvm_EthernetPortAllocationSettingData(ElementName="port-1")[0]
            vlan = virt.Msvm_EthernetSwitchPortVlanSettingData.new()
            vlan.AccessVlanId, vlan.OperationMode = 7, 1
            jobutils.add_virt_feature(vlan, port)
            acls = []
            for weight in (1, 2):
                acl = virt.Msvm_EthernetSwitchPortExtendedAclSettingData.new()
                acl.Weight = weight
                acls.append(acl)
            jobutils.add_multiple_virt_features(acls, port)
            def of_port(class_name):
                found = getattr(virt, class_name)()
                return [item for item in found if item.InstanceID.startswith(port.InstanceID)]
            vlan, = of_port("Msvm_EthernetSwitchPortVlanSettingData")
            vlan.AccessVlanId = 8
            jobutils.modify_virt_feature(vlan)
            vlan, = of_port("Msvm_EthernetSwitchPortVlanSettingData")
            acls = of_port("Msvm_EthernetSwitchPortExtendedAclSettingData")
            result = [vlan.AccessVlanId, sorted(acl.Weight for acl in acls)]
            jobutils.remove_virt_feature(vlan)
            jobutils.remove_multiple_virt_features(acls)
            result.append(len(of_port("Msvm_FeatureSettingData")))
            """
        )
        self.assertEqual([8, [1, 2], 1], told)  # the offload settings stay

    def test_a_job_is_waited_for_and_a_failed_one_is_an_error(self):
        self.model.faults.append(jobs.Fault("Msvm_ComputerSystem.RequestStateChange", seconds=0.2))
        told = self.os_win.wmi(
            """
            vm = virt.Msvm_ComputerSystem(ElementName="vm-1")[0]
            job_path, returned = vm.RequestStateChange(2)
            job = jobutils.check_ret_val(returned, job_path)
            result = [returned, job.JobState, virt.Msvm_ComputerSystem(ElementName="vm-1")[0].EnabledState]
            """
        )
        self.assertEqual([4096, 7, ENABLED], told)
        with self.assertRaisesRegex(OsWinError, "WMIJobFailed.*32775"):
            self.os_win.wmi("jobutils.check_ret_val(32775, None)")
        self.os_win.wmi("jobutils.check_ret_val(32775, None, [0, 32775])")

    def test_jobs_of_a_machine_are_stopped(self):
        self.model.faults.append(jobs.Fault("Msvm_ComputerSystem.RequestStateChange", seconds=30))
        told = self.os_win.wmi(
            """
            vm = virt.Msvm_ComputerSystem(ElementName="vm-1")[0]
            job_path, returned = vm.RequestStateChange(2)
            jobutils.stop_jobs(vm, timeout=5)
            result = jobutils._get_wmi_obj(job_path.replace("\\\\", "/")).JobState
            """
        )
        self.assertEqual(9, told)
