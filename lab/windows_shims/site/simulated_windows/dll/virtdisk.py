# SPDX-License-Identifier: Apache-2.0
"""virtdisk.dll, as Microsoft documents it function by function, over real VHD and VHDX files."""

import ctypes
import ntpath
import os
import uuid

import vhd

from .. import paths
from . import errors, handles, service_call
from .library import function

CREATE_VERSION_2 = 2
FULL_PHYSICAL_ALLOCATION = 1
NO_PARENTS = 1
OPEN_VERSION_1, OPEN_VERSION_2 = 1, 2
# Access to an open disk that is not for writing: attach read-only, get information, detach.
READING = 0x000D0000
ATTACH_READ_ONLY, ATTACH_PERMANENTLY = 1, 4
INFO_SIZE, INFO_PARENT_LOCATION, INFO_STORAGE_TYPE, INFO_SUBTYPE, INFO_IS_LOADED = 1, 3, 6, 7, 13
SET_PARENT_PATH, SET_VIRTUAL_DISK_ID = 1, 5
DEVICES = {2: "vhd", 3: "vhdx"}
SUBTYPES = {vhd.FIXED: 2, vhd.DYNAMIC: 3, vhd.DIFFERENCING: 4}
VENDOR_MICROSOFT = uuid.UUID("ec984aec-a0f9-47e9-901f-71415a66345b")


class VirtualDisk:
    """What a virtual disk handle stands for."""

    def __init__(self, path: str, disk: vhd.Disk, access: int):
        self.path, self.disk, self.access = path, disk, access
        self.detaches = False  # when the handle is closed

    def close(self) -> None:
        self.disk.close()
        if self.detaches:
            service_call.call("virtdisk.DetachVirtualDisk", path=self.path)


@function(returns_code=True)
def OpenVirtualDisk(storage_type, path, access, flags, parameters, handle):
    if flags & ~NO_PARENTS:
        raise NotImplementedError(f"OpenVirtualDisk: flags {flags:#x}, the lab knows {NO_PARENTS:#x}")
    write = bool(access & ~READING)
    if parameters:
        wanted = parameters.contents
        if wanted.Version not in (OPEN_VERSION_1, OPEN_VERSION_2):
            raise NotImplementedError(f"OpenVirtualDisk: version {wanted.Version}, the lab knows 1 and 2")
        if wanted.Version == OPEN_VERSION_2:
            # Documented: its access mask is none, the parameters say what it is opened for.
            if access:
                raise errors.Win32Error(errors.INVALID_PARAMETER)
            write = not (wanted.Version2.GetInfoOnly or wanted.Version2.ReadOnly)
    disk = _open(path, write=write, parents=not flags & NO_PARENTS)
    device = storage_type.contents.DeviceId
    if device and DEVICES.get(device) != disk.format:
        disk.close()
        raise errors.Win32Error(vhd.errors.VHD_FORMAT_UNKNOWN)
    handle.contents.value = handles.add(VirtualDisk(path, disk, access))


def _open(path, *, write, parents):
    if parents:
        return vhd.open_chain(path, paths.to_host, write=write)
    return vhd.open_disk(paths.to_host(path), write=write)


@function(returns_code=True)
def CreateVirtualDisk(
    storage_type, path, _access, _security, flags, _provider, parameters, overlapped, handle
):  # fmt: skip
    wanted = parameters.contents
    if wanted.Version != CREATE_VERSION_2 or overlapped or flags & ~FULL_PHYSICAL_ALLOCATION:
        raise NotImplementedError(
            f"CreateVirtualDisk: version {wanted.Version}, flags {flags:#x}, overlapped {bool(overlapped)}; "
            f"the lab knows version {CREATE_VERSION_2}, flag {FULL_PHYSICAL_ALLOCATION}, no overlapped I/O"
        )
    if DEVICES.get(storage_type.contents.DeviceId) != ntpath.splitext(path)[1][1:].lower():
        raise errors.Win32Error(errors.INVALID_PARAMETER)
    wanted = wanted.Version2
    kind = vhd.FIXED if flags & FULL_PHYSICAL_ALLOCATION else vhd.DYNAMIC
    more = {
        "block_size": wanted.BlockSizeInBytes,
        "physical_sector_size": wanted.PhysicalSectorSizeInBytes,
    }
    identifier = uuid.UUID(bytes_le=bytes(wanted.UniqueId))
    if identifier.int:
        more["identifier"] = identifier
    if os.path.exists(path):
        raise errors.Win32Error(errors.FILE_EXISTS)
    if wanted.ParentPath and wanted.SourcePath:
        raise errors.Win32Error(errors.INVALID_PARAMETER)
    if wanted.ParentPath:
        vhd.create_differencing(path, wanted.ParentPath, paths.to_host, size=wanted.MaximumSize, **more)
    elif wanted.SourcePath:
        vhd.convert(path, wanted.SourcePath, paths.to_host, kind=kind, **more)
    else:
        more["sector_size"] = wanted.SectorSizeInBytes
        vhd.create(paths.to_host(path), wanted.MaximumSize, kind, **more)
    disk = _open(path, write=True, parents=False)
    handle.contents.value = handles.add(VirtualDisk(path, disk, 0))


@function(returns_code=True)
def GetVirtualDiskInformation(handle, _size, info, _used):
    opened = handles.get(handle, VirtualDisk)
    _INFORMATION.get(info.contents.Version, _unknown_information)(opened, info.contents)


def _unknown_information(_opened, info):
    raise NotImplementedError(f"GetVirtualDiskInformation: {info.Version} is not simulated")


def _get_size(opened, info):
    disk = opened.disk
    info.Size.VirtualSize = disk.size
    info.Size.PhysicalSize = os.path.getsize(disk.path)
    info.Size.BlockSize = disk.block_size
    info.Size.SectorSize = disk.sector_size


def _get_parent_location(opened, info):
    if opened.disk.kind != vhd.DIFFERENCING:
        raise errors.Win32Error(vhd.errors.VHD_INVALID_TYPE)
    info.ParentLocation.ParentResolved = int(opened.disk.parent is not None)
    info.ParentLocation.ParentPath = vhd.parent_of(opened.disk.path, opened.path)


def _get_storage_type(opened, info):
    device = next(number for number, name in DEVICES.items() if name == opened.disk.format)
    info.VirtualStorageType.DeviceId = device
    ctypes.memmove(ctypes.byref(info.VirtualStorageType.VendorId), VENDOR_MICROSOFT.bytes_le, 16)


def _get_subtype(opened, info):
    info.ProviderSubtype = SUBTYPES[opened.disk.kind]


def _get_is_loaded(opened, info):
    info.IsLoaded = int(service_call.call("virtdisk.IsLoaded", path=opened.path))


_INFORMATION = {
    INFO_SIZE: _get_size, INFO_PARENT_LOCATION: _get_parent_location, INFO_STORAGE_TYPE: _get_storage_type,
    INFO_SUBTYPE: _get_subtype, INFO_IS_LOADED: _get_is_loaded,
}  # fmt: skip


@function(returns_code=True)
def ResizeVirtualDisk(handle, flags, parameters, overlapped):
    if flags or overlapped or parameters.contents.Version != 1:
        raise NotImplementedError(
            f"ResizeVirtualDisk: flags {flags:#x}; the lab knows version 1 without flags"
        )
    handles.get(handle, VirtualDisk).disk.resize(parameters.contents.Version1.NewSize)


@function(returns_code=True)
def MergeVirtualDisk(handle, flags, parameters, overlapped):
    wanted = parameters.contents
    if flags or overlapped or wanted.Version != 1 or wanted.Version1.MergeDepth != 1:
        raise NotImplementedError(
            f"MergeVirtualDisk: flags {flags:#x}, version {wanted.Version}; the lab knows version 1, depth 1"
        )
    opened = handles.get(handle, VirtualDisk)
    if opened.disk.kind != vhd.DIFFERENCING:
        raise errors.Win32Error(vhd.errors.VHD_INVALID_TYPE)
    vhd.merge(opened.path, paths.to_host)


@function(returns_code=True)
def SetVirtualDiskInformation(handle, parameters):
    opened, wanted = handles.get(handle, VirtualDisk), parameters.contents
    if wanted.Version == SET_PARENT_PATH:
        vhd.reconnect(opened.path, wanted.ParentFilePath, paths.to_host)
    elif wanted.Version == SET_VIRTUAL_DISK_ID and opened.disk.format == "vhdx":
        opened.disk.set_virtual_disk_id(uuid.UUID(bytes_le=bytes(wanted.VirtualDiskId)))
    else:
        raise NotImplementedError(
            f"SetVirtualDiskInformation: {wanted.Version} of a {opened.disk.format.upper()} is not simulated"
        )


@function(returns_code=True)
def AttachVirtualDisk(handle, _security, flags, _provider, parameters, overlapped):
    if flags & ~(ATTACH_READ_ONLY | ATTACH_PERMANENTLY) or parameters or overlapped:
        raise NotImplementedError(
            f"AttachVirtualDisk: flags {flags:#x}, the lab knows 1 and 4, no parameters, no overlapped I/O"
        )
    opened = handles.get(handle, VirtualDisk)
    read_only = bool(flags & ATTACH_READ_ONLY)
    service_call.call("virtdisk.AttachVirtualDisk", path=opened.path, read_only=read_only)
    opened.detaches = not flags & ATTACH_PERMANENTLY


@function(returns_code=True)
def DetachVirtualDisk(handle, _flags, _provider):
    opened = handles.get(handle, VirtualDisk)
    service_call.call("virtdisk.DetachVirtualDisk", path=opened.path)
    opened.detaches = False


@function(returns_code=True, buffers=(2,))
def GetVirtualDiskPhysicalPath(handle, size, buffer):
    path = service_call.call(
        "virtdisk.GetVirtualDiskPhysicalPath", path=handles.get(handle, VirtualDisk).path
    )
    text = ctypes.create_unicode_buffer(path)
    available, size.contents.value = size.contents.value, ctypes.sizeof(text)
    if available < len(text):
        raise errors.Win32Error(errors.INSUFFICIENT_BUFFER)
    ctypes.memmove(buffer, text, ctypes.sizeof(text))
