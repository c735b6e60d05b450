# SPDX-License-Identifier: Apache-2.0
"""Msvm_ImageManagementService: what is in a virtual disk file."""

from lab.hyperv_model import disk_files, embedded
from lab.hyperv_model.jobs import V2, JobFailure
from lab.hyperv_model.providers import provides

SERVICE = "Msvm_ImageManagementService"
FILE_NOT_FOUND = 32779  # documented


def install(model):
    model.store.add(
        V2,
        SERVICE,
        SystemCreationClassName="Msvm_ComputerSystem",
        SystemName=model.name,
        CreationClassName=SERVICE,
        Name="vhdsvc",
        ElementName="Hyper-V Image Management Service",
        EnabledState=2,
        Started=True,
    )


@provides(f"{SERVICE}.GetVirtualHardDiskSettingData")
def get_virtual_hard_disk_setting_data(model, service, Path):
    file = model.local_path(Path)
    if not file.is_file():
        return {"ReturnValue": FILE_NOT_FOUND}

    def work():
        try:
            facts = disk_files.settings(file, Path)
        except ValueError as error:
            raise JobFailure(f"Failed to get the properties of '{Path}'. {error}") from None
        settings = model.store.build(
            V2,
            "Msvm_VirtualHardDiskSettingData",
            InstanceID=f"Microsoft:{Path}",
            Path=Path,
            ElementName=Path.rpartition("\\")[2],
            **facts,
        )
        return {"SettingData": embedded.write(settings)}

    return model.jobs.run(f"{SERVICE}.GetVirtualHardDiskSettingData", [], work)
