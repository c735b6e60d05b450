# SPDX-License-Identifier: Apache-2.0
"""The host: what it has, what it can do, its devices and its guardian."""

import dataclasses
import shutil

from lab.hyperv_model.devices import PciDevice
from lab.hyperv_model.jobs import V2
from tests.contract.hyperv_model.os_win_case import ENABLED, SUSPENDED, OsWinCase, OsWinError
from tests.unit.hyperv_model.case import FAST, xml

TURN_OFF, SAVE = 2, 3  # AutomaticShutdownAction
# As Set-VMKeyProtector -NewLocalKeyProtector makes one.
NEW_KEY_PROTECTOR = """
import wmi
HGS = "//./root/Microsoft/Windows/Hgs"
hgs = wmi.WMI(moniker=HGS)
guardians = hgs.MSFT_HgsGuardian(Name="UntrustedGuardian")
guardian = guardians[0] if guardians else hgs.MSFT_HgsGuardian.NewByGenerateCertificates(
    Name="UntrustedGuardian", GenerateCertificates=True)[1]
result = list(hgs.MSFT_HgsKeyProtector.NewByGuardians(Owner=guardian, AllowUntrustedRoot=True)[1].RawData)
"""


class HostCase(OsWinCase):
    def setUp(self):
        super().setUp()
        self.hostutils = self.os_win.hostutils

    def test_versions_compare_as_numbers(self):
        self.assertTrue(self.hostutils.check_min_windows_version(10, 0))
        self.assertTrue(self.hostutils.check_min_windows_version(10, 0, 20348))
        self.assertFalse(self.hostutils.check_min_windows_version(10, 0, 20349))

    def test_what_windows_server_2022_can_do(self):
        self.assertEqual(["hyperv-gen1", "hyperv-gen2"], self.hostutils.get_supported_vm_types())
        self.assertEqual("hyperv-gen1", self.hostutils.get_default_vm_generation())
        self.assertTrue(self.hostutils.supports_nested_virtualization())
        self.assertFalse(self.hostutils.is_host_guarded())
        self.assertEqual([], self.hostutils.get_remotefx_gpu_info())
        self.assertTrue(self.vmutils.vm_gen_supports_remotefx(2))

    def test_features_are_found_by_their_number(self):
        self.assertTrue(self.hostutils.check_server_feature(20))
        self.assertFalse(self.hostutils.check_server_feature(322))

    def test_a_volume_has_the_space_that_it_has(self):
        size, free = self.hostutils.get_volume_info("C:")
        self.assertEqual(shutil.disk_usage(self.c_drive).total, size)
        self.assertTrue(0 < free <= size)

    def test_addresses_are_those_of_its_name(self):
        found = self.hostutils.get_local_ips()
        self.assertTrue(found)
        self.assertTrue(all(isinstance(address, str) for address in found))

    def test_time_and_processor_are_the_machines_own(self):
        self.assertGreater(self.hostutils.get_host_tick_count64(), 0)
        self.assertIn(self.hostutils.is_cpu_feature_present(10), (0, 1))

    def test_consoles_are_at_hyper_vs_port(self):
        self.assertEqual(2179, self.os_win.rdpconsoleutils.get_rdp_console_port())

    def test_shutdown_and_reboot_reach_the_host(self):
        asked = []
        with self.assertRaisesRegex(OsWinError, "Win32Shutdown with Flags 6 is not simulated"):
            self.hostutils.host_power_action("reboot")
        self.model.on_shutdown = asked.append
        self.hostutils.host_power_action("reboot")
        self.hostutils.host_power_action("shutdown")
        self.assertEqual([True, False], asked)
        with self.assertRaisesRegex(OsWinError, "NotImplementedError"):
            self.hostutils.host_power_action("startup")

    def test_virtual_functions_are_those_of_switches_that_offer_them(self):
        self.assertEqual([], self.hostutils.get_nic_sriov_vfs())
        (settings,) = self.model.store.of(V2, "Msvm_VirtualEthernetSwitchSettingData")
        settings["IOVPreferred"] = True
        self.assertEqual([], self.hostutils.get_nic_sriov_vfs())
        (offload,) = self.model.store.of(V2, "Msvm_EthernetSwitchHardwareOffloadData")
        offload.update(IovVfCapacity=8, IovVfUsage=2)
        (functions,) = self.hostutils.get_nic_sriov_vfs()
        self.assertEqual(
            ("external", 8, 2), tuple(functions[key] for key in ("vswitch_name", "total_vfs", "used_vfs"))
        )


class DevicesCase(OsWinCase):
    facts = dataclasses.replace(
        FAST, pci_devices=(PciDevice("10DE", "1EB8", bus=4), PciDevice("8086", "0953", bus=5, function=1))
    )

    def setUp(self):
        super().setUp()
        self.create_for_devices("vm-1")

    def create_for_devices(self, name):
        machine = self.create(name)
        machine.settings["AutomaticShutdownAction"] = TURN_OFF
        return machine

    def test_devices_are_told_with_their_addresses(self):
        # os-win takes DEVPKEY_Device_Address, which is device and function, for the slot.
        devices = self.os_win.hostutils.get_pci_passthrough_devices()
        self.assertEqual(
            [("0000:04:00.0", "10DE", "1EB8"), ("0000:05:01.1", "8086", "0953")],
            [(device["address"], device["vendor_id"], device["product_id"]) for device in devices],
        )

    def test_a_device_is_one_machines_until_it_gives_it_back(self):
        self.create_for_devices("vm-2")
        self.vmutils.add_pci_device("vm-1", "10de", "1eb8")
        with self.assertRaisesRegex(OsWinError, "PciDeviceNotFound"):
            self.vmutils.add_pci_device("vm-2", "10de", "1eb8")
        self.vmutils.remove_pci_device("vm-1", "10de", "1eb8")
        self.vmutils.add_pci_device("vm-2", "10de", "1eb8")
        self.vmutils.add_pci_device("vm-2", "8086", "0953")
        self.vmutils.remove_all_pci_devices("vm-2")
        self.vmutils.add_pci_device("vm-1", "10de", "1eb8")
        self.vmutils.destroy_vm("vm-1")
        self.assertEqual(2, len(self.model.store.of(V2, "Msvm_PciExpress")))
        with self.assertRaisesRegex(OsWinError, "PciDeviceNotFound"):
            self.vmutils.add_pci_device("vm-2", "10de", "ffff")

    def test_the_host_itself_knows_whose_a_device_is(self):
        self.vmutils.add_pci_device("vm-1", "10de", "1eb8")
        machine = self.create_for_devices("vm-2")
        device = self.model.store.of(V2, "Msvm_PciExpress", SystemName=self.model.name)[0]
        self.fail_with(
            "is assigned already",
            self.service,
            "AddResourceSettings",
            AffectedConfiguration=machine.settings.path,
            ResourceSettings=[
                xml(
                    "Msvm_PciExpressSettingData",
                    ResourceSubType="Microsoft:Hyper-V:Virtual Pci Express Port",
                    HostResource=[device.path],
                )
            ],
        )

    def test_a_machine_with_a_device_is_not_saved_and_keeps_it_while_it_runs(self):
        self.vmutils.add_pci_device("vm-1", "10de", "1eb8")
        self.vmutils.set_vm_state("vm-1", ENABLED)
        with self.assertRaisesRegex(OsWinError, "a device of the host is assigned"):
            self.vmutils.set_vm_state("vm-1", SUSPENDED)
        with self.assertRaisesRegex(OsWinError, "needs Off"):
            self.vmutils.remove_pci_device("vm-1", "10de", "1eb8")

    def test_what_excludes_a_device(self):
        memory, processors = (512, None), (1, None, False)
        self.create("vm-2")
        with self.assertRaisesRegex(OsWinError, "cannot be saved when the host shuts down"):
            self.vmutils.add_pci_device("vm-2", "10de", "1eb8")
        self.vmutils.update_vm("vm-2", *memory, *processors, 2.0, host_shutdown_action=TURN_OFF)
        with self.assertRaisesRegex(OsWinError, "cannot have dynamic memory"):
            self.vmutils.add_pci_device("vm-2", "10de", "1eb8")
        self.vmutils.update_vm("vm-2", *memory, *processors, 1.0)
        self.vmutils.add_pci_device("vm-2", "10de", "1eb8")
        with self.assertRaisesRegex(OsWinError, "cannot have dynamic memory"):
            self.vmutils.update_vm("vm-2", *memory, *processors, 2.0)
        with self.assertRaisesRegex(OsWinError, "cannot be saved when the host shuts down"):
            self.vmutils.update_vm("vm-2", *memory, *processors, 1.0, host_shutdown_action=SAVE)


class ShieldingCase(OsWinCase):
    def setUp(self):
        super().setUp()
        self.guardian = self.model.store.of(V2, "Msvm_SecurityService")[0].path

    def settings(self, machine, **values):
        (current,) = (
            found
            for found in self.model.store.of(V2, "Msvm_SecuritySettingData")
            if machine.guid in found["InstanceID"]
        )
        return xml("Msvm_SecuritySettingData", InstanceID=current["InstanceID"], **values)

    def test_a_machine_with_a_virtual_tpm_is_secure(self):
        machine = self.create(generation=2)
        self.assertFalse(self.vmutils.is_secure_vm("vm-1"))
        wanted = self.settings(machine, TpmEnabled="true", EncryptStateAndVmMigrationTraffic="true")
        modify = (self.guardian, "ModifySecuritySettings")
        self.fail_with("needs a key protector", *modify, SecuritySettingData=wanted)
        raw = self.os_win.wmi(NEW_KEY_PROTECTOR)
        self.succeed(self.guardian, "SetKeyProtector", SecuritySettingData=wanted, KeyProtector=raw)
        self.succeed(self.guardian, "SetSecurityPolicy", SecuritySettingData=wanted, SecurityPolicy=[4])
        self.assertEqual(
            raw,
            self.succeed(self.guardian, "GetKeyProtector", SecuritySettingData=wanted)["KeyProtector"],
        )
        self.succeed(*modify, SecuritySettingData=wanted)
        self.assertTrue(self.vmutils.is_secure_vm("vm-1"))
        self.vmutils.set_vm_state("vm-1", ENABLED)
        self.fail_with("needs Off", *modify, SecuritySettingData=wanted)

    def test_another_hosts_key_protector_opens_nothing_here(self):
        machine = self.create(generation=2)
        wanted = self.settings(machine, TpmEnabled="true")
        self.succeed(self.guardian, "SetKeyProtector", SecuritySettingData=wanted, KeyProtector=[1, 2, 3])
        self.succeed(self.guardian, "ModifySecuritySettings", SecuritySettingData=wanted)
        with self.assertRaisesRegex(OsWinError, "could not be unwrapped"):
            self.vmutils.set_vm_state("vm-1", ENABLED)

    def test_what_guardians_refuse(self):
        self.os_win.wmi(NEW_KEY_PROTECTOR)
        for old, new, reason in (
            ("AllowUntrustedRoot=True", "AllowUntrustedRoot=False", "signed by themselves"),
            ("Owner=guardian", "Owner=hgs.MSFT_HgsGuardian.new()", "expected a guardian of this host"),
            ("guardians[0] if guardians else ", "", "there is a guardian 'UntrustedGuardian' already"),
        ):
            with self.assertRaisesRegex(OsWinError, reason):
                self.os_win.wmi(NEW_KEY_PROTECTOR.replace(old, new))

    def test_shielding_needs_a_tpm_and_a_tpm_generation_2(self):
        shielded = self.settings(self.create(generation=2), ShieldingRequested="true")
        self.fail_with(
            "shielding needs a virtual TPM",
            self.guardian,
            "ModifySecuritySettings",
            SecuritySettingData=shielded,
        )
        old = self.settings(self.create("vm-2"), TpmEnabled="true")
        self.fail_with("generation 1", self.guardian, "ModifySecuritySettings", SecuritySettingData=old)

    def test_without_the_shielded_tools_nothing_is_provisioned(self):
        self.create(generation=2)
        tools = "OSWinException.*Make sure FabricShieldedTools feature is installed"
        with self.assertRaisesRegex(OsWinError, tools):
            self.vmutils.populate_fsk(r"C:\a.fsk", {"key": "value"})
        with self.assertRaisesRegex(OsWinError, tools):
            self.vmutils.add_vtpm("vm-1", r"C:\a.pdk", True)
        with self.assertRaisesRegex(OsWinError, tools):
            self.vmutils.provision_vm("vm-1", r"C:\a.fsk", r"C:\a.pdk")

    def test_a_machine_without_remotefx_has_nothing_to_disable(self):
        machine = self.create()
        parts = list(machine.parts)
        self.vmutils.disable_remotefx_video_adapter("vm-1")
        self.assertEqual(parts, list(machine.parts))
