# SPDX-License-Identifier: Apache-2.0
"""What an instance asks of its virtual machine, or a refusal: nothing it asks for is left out in silence."""

import dataclasses

from nova import exception
from nova.objects import fields
from nova.virt import configdrive, hardware

from hyperv_driver import hostops, images, paths, quotas, volumeops
from hyperv_driver.oswin import constants

GENERATIONS = {
    constants.IMAGE_PROP_VM_GEN_1: constants.VM_GEN_1,
    constants.IMAGE_PROP_VM_GEN_2: constants.VM_GEN_2,
}
# By the image's hw_firmware_type.
FIRMWARES = {
    fields.FirmwareType.BIOS: constants.IMAGE_PROP_VM_GEN_1,
    fields.FirmwareType.UEFI: constants.IMAGE_PROP_VM_GEN_2,
}
# By the image's os_type: whether Microsoft's UEFI CA signed the boot loader, or Windows' own authority.
SIGNED_BY_UEFI_CA = {"linux": True, "windows": False}
# Properties of images by which compute-hyperv made shielded virtual machines.
SHIELDING = ("os_vtpm", "os_shielded_vm")
# Properties of images that choose the serial port of the console, and that of its log.
SERIAL_PORTS = ("interactive_serial_port", "logging_serial_port")
# The extra spec of flavors by which former drivers gave RemoteFX.
REMOTEFX = "os:resolution"


class InstanceUnacceptable(exception.InstanceUnacceptable, exception.InvalidInput):
    """Invalid input, so that nova tells the user of it and does not try the next host."""


@dataclasses.dataclass(frozen=True)
class Spec:
    """
    :ivar generation: of the virtual machine, os-win's VM_GEN_1 or VM_GEN_2
    :ivar disk_format: of its image; None: it boots from a volume
    :ivar secure_boot: whether its firmware checks what it boots
    :ivar needs_uefi_ca: whether that is signed by Microsoft's UEFI CA
    :ivar is_host: whether it is to have virtual machines of its own
    :ivar iops_limit: of each of its own disks, see ``quotas``; 0: none
    :ivar has_tpm: whether it has a virtual TPM
    :ivar console_port: the number, 1 or 2, of the serial port that a serial console shows
    :ivar log_port: that of the serial port whose output is the console's log
    :ivar numa_node: (processors, MiB of memory) of each of its NUMA nodes; None: it did not ask for any
    """

    generation: int
    disk_format: str | None
    secure_boot: bool = False
    needs_uefi_ca: bool = False
    iops_limit: int = 0
    is_host: bool = False
    numa_node: tuple | None = None
    has_tpm: bool = False
    console_port: int = 1
    log_port: int = 1


def spec_of(instance, image_meta, block_device_info, injected_files=()):
    """Read what an instance asks for.

    :raises InstanceUnacceptable: it cannot be had, or not yet
    """

    def refuse_if(condition, reason):
        if condition:
            raise InstanceUnacceptable(instance_id=instance.uuid, reason=reason)

    properties = image_meta.properties
    firmware = properties.get("hw_firmware_type")
    machine_type = properties.get("hw_machine_type", FIRMWARES.get(firmware, constants.IMAGE_PROP_VM_GEN_1))
    disk_format = image_meta.disk_format if image_meta.obj_attr_is_set("disk_format") else None
    secure_boot = _secure_boot(instance, properties) == fields.SecureBoot.REQUIRED
    os_type = properties.get("os_type")

    refuse_if(
        not paths.is_safe(instance.name),
        f"its name is {instance.name!r} (instance_name_template), and is to be that of a folder: expected "
        "letters, digits, '.', '-' and '_', with a letter or digit at either end",
    )
    refuse_if(
        machine_type not in GENERATIONS,
        f"hw_machine_type is {machine_type}, expected one of: {', '.join(GENERATIONS)}",
    )
    refuse_if(
        firmware and machine_type != FIRMWARES.get(firmware),
        f"hw_firmware_type is {firmware}, and hw_machine_type {machine_type}; expected "
        + " or ".join(f"{name} with {type_}" for name, type_ in FIRMWARES.items()),
    )
    generation = GENERATIONS[machine_type]
    if volumeops.root_volume(block_device_info):
        disk_format = None
    refuse_if(
        disk_format not in (None, *images.READERS),
        f"its image is {disk_format}, expected one of: {', '.join(images.READERS)}",
    )
    refuse_if(
        generation == constants.VM_GEN_2 and disk_format == "vhd",
        "a generation 2 virtual machine cannot have VHD disks, its image is one",
    )
    refuse_if(
        disk_format == "iso" and not instance.flavor.root_gb,
        "its image is an ISO, and its flavor has no root disk to install to",
    )
    refuse_if(
        injected_files and not configdrive.required_by(instance),
        "it has files to inject, which takes a config drive",
    )
    refuse_if(
        secure_boot and generation == constants.VM_GEN_1,
        "it requires secure boot, which takes generation 2 (hw_machine_type)",
    )
    refuse_if(
        secure_boot and os_type not in SIGNED_BY_UEFI_CA,
        f"it requires secure boot, and its image's os_type is {os_type}, "
        f"expected one of: {', '.join(SIGNED_BY_UEFI_CA)}",
    )
    tpm = hardware.get_vtpm_constraint(instance.flavor, image_meta)
    if tpm:
        secret = hardware.get_tpm_secret_security_constraint(instance.flavor) or "user"
        refuse_if(
            generation == constants.VM_GEN_1,
            "it asks for a TPM (hw:tpm_version), which takes generation 2 (hw_machine_type)",
        )
        refuse_if(
            tpm.version != fields.TPMVersion.v2_0,
            f"it asks for a TPM of version {tpm.version} (hw:tpm_version), and Hyper-V's has version 2.0",
        )
        refuse_if(
            tpm.model != fields.TPMModel.CRB,
            f"it asks for a TPM with the interface {tpm.model} (hw:tpm_model, or nova's default), and "
            f"Hyper-V's has {fields.TPMModel.CRB}",
        )
        refuse_if(
            secret != "host",
            f"it asks for a TPM whose secret is that of the {secret} (hw:tpm_secret_security, or nova's "
            "default), and Hyper-V's is the host's: expected host",
        )
    refuse_if(
        REMOTEFX in instance.flavor.extra_specs,
        f"its flavor asks for RemoteFX ({REMOTEFX}), which Windows has no more",
    )
    for name in SHIELDING:
        refuse_if(
            instance.system_metadata.get(f"image_{name}") == "required",
            f"its image has {name}, which takes a guarded host, a signed template disk and its owner's "
            "shielding data file, none of which this driver uses; hw:tpm_version takes none of them",
        )
    ports = [instance.system_metadata.get(f"image_{name}", "1") for name in SERIAL_PORTS]
    for name, port in zip(SERIAL_PORTS, ports, strict=True):
        refuse_if(port not in ("1", "2"), f"its image's {name} is {port}, expected 1 or 2")
    console_port, log_port = map(int, ports)
    cells = instance.numa_topology.cells if instance.numa_topology else []
    nodes = sorted({(len(cell.cpuset), cell.memory) for cell in cells})
    refuse_if(
        any(cell.pcpuset for cell in cells),
        "it asks for CPUs of its own (hw:cpu_policy), and Hyper-V pins no virtual processors",
    )
    refuse_if(
        any(cell.pagesize not in (None, hostops.PAGE_KB) for cell in cells),
        "it asks for large memory pages (hw:mem_page_size), and Hyper-V chooses their size itself",
    )
    refuse_if(
        len(nodes) > 1,
        "its NUMA nodes differ, and Hyper-V makes them alike: it asks for nodes of "
        + " and of ".join(f"{cpus} CPUs with {memory} MiB" for cpus, memory in nodes),
    )
    try:
        iops_limit = quotas.of_flavor(instance.flavor)
    except ValueError as error:
        refuse_if(True, f"its flavor limits its disks: {error}")
    return Spec(
        generation, disk_format, secure_boot, SIGNED_BY_UEFI_CA.get(os_type, False), iops_limit,
        is_host=_is_host(instance, properties), numa_node=nodes[0] if nodes else None,
        has_tpm=tpm is not None, console_port=console_port, log_port=log_port,
    )  # fmt: skip


def _is_host(instance, properties):
    """Whether it requires a processor's virtualization; nova found it a host by that trait."""
    required = [
        *(name for name, value in instance.flavor.extra_specs.items() if value == "required"),
        *(f"trait:{name}" for name in properties.get("traits_required") or ()),
    ]
    return any(f"trait:{trait}" in required for trait in hostops.VIRTUALIZATION.values())


def _secure_boot(instance, properties):
    return properties.get("os_secure_boot") or instance.flavor.extra_specs.get("os:secure_boot")
