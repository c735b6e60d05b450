# SPDX-License-Identifier: Apache-2.0
"""Msvm_ImageManagementService: what is in a virtual disk file."""

from lab.hyperv_model import embedded, storage, vhd
from lab.hyperv_model.jobs import INVALID_PARAMETER, V2, JobFailure
from lab.hyperv_model.providers import provides

SERVICE = "Msvm_ImageManagementService"
FILE_NOT_FOUND = 32779  # documented
TYPES = {vhd.FIXED: 2, vhd.DYNAMIC: 3, vhd.DIFFERENCING: 4}  # documented
FORMATS = {"vhd": 2, "vhdx": 3}  # documented


def install(model):
    model.store.add_service(V2, SERVICE, "vhdsvc", "Hyper-V Image Management Service")


@provides(f"{SERVICE}.GetVirtualHardDiskSettingData")
def get_virtual_hard_disk_setting_data(model, service, Path):
    try:
        file = model.local_path(Path)
    except OSError:
        return {"ReturnValue": INVALID_PARAMETER}
    if not file.is_file():
        return {"ReturnValue": FILE_NOT_FOUND}

    def work():
        try:
            with vhd.open_disk(file) as disk:
                settings = _settings(model, disk, Path)
        except vhd.VirtualDiskError as error:
            raise JobFailure(
                f"Failed to get the properties of '{Path}'. {error} ('0x{storage.hresult(error.code):08X}')"
            ) from None
        return {"SettingData": embedded.write(settings)}

    return model.jobs.run(f"{SERVICE}.GetVirtualHardDiskSettingData", [], work)


def _settings(model, disk, path):
    link = disk.parent_link
    return model.store.build(
        V2,
        "Msvm_VirtualHardDiskSettingData",
        Caption="Virtual Hard Disk Setting Data",
        Description="Setting Data for a Virtual Hard Disk",
        ElementName=path.rpartition("\\")[2],
        Path=path,
        Type=TYPES[disk.kind],
        Format=FORMATS[disk.format],
        ParentPath=vhd.parent_of(disk.path, path) if link else "",
        ParentIdentifier=str(link.identifier).upper() if link else "",
        MaxInternalSize=disk.size,
        BlockSize=disk.block_size,
        LogicalSectorSize=disk.sector_size,
        PhysicalSectorSize=disk.physical_sector_size,
        VirtualDiskId=str(disk.identifier).upper(),
    )
