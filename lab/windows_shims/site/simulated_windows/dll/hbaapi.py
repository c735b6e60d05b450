# SPDX-License-Identifier: Apache-2.0
"""hbaapi.dll (documented: T11 FC-HBA), in front of the host's Fibre Channel adapters: each has one port."""

import ctypes

from . import errors
from .library import function
from .service_call import call

OK, MORE_DATA = 0, 7
ILLEGAL_HANDLE, ILLEGAL_WWN, ILLEGAL_INDEX = 3, 5, 6
DEVICE_IDENTIFICATION = 0x83  # the page that an inquiry asks for
NAA, BINARY = 3, 1


class Wwn(ctypes.Structure):
    _fields_ = (("wwn", ctypes.c_ubyte * 8),)


class ScsiId(ctypes.Structure):
    _fields_ = (
        ("OSDeviceName", ctypes.c_char * 256),
        ("ScsiBusNumber", ctypes.c_uint32),
        ("ScsiTargetNumber", ctypes.c_uint32),
        ("ScsiOSLun", ctypes.c_uint32),
    )


class FcpId(ctypes.Structure):
    _fields_ = (("FcId", ctypes.c_uint32), ("NodeWWN", Wwn), ("PortWWN", Wwn), ("FcpLun", ctypes.c_uint64))


class ScsiEntry(ctypes.Structure):
    _fields_ = (("ScsiId", ScsiId), ("FcpId", FcpId))


class TargetMapping(ctypes.Structure):
    _fields_ = (("NumberOfEntries", ctypes.c_uint32), ("Entries", ScsiEntry * 0))


def _adapters():
    return call("hbaapi.HBA_GetNumberOfAdapters")


def _port(handle):
    """The port of an open adapter; handles count from 1."""
    adapters = _adapters()
    if not 1 <= handle <= len(adapters):
        raise errors.Win32Error(ILLEGAL_HANDLE)
    return adapters[handle - 1][1]


def _name(index):
    return f"simulated-hba-{index}"


def _text(wwn):
    return bytes(wwn.wwn).hex().upper()


def _fill(wwn, text):
    wwn.wwn[:] = bytes.fromhex(text)


@function()
def HBA_RefreshAdapterConfiguration():
    return None


@function()
def HBA_GetNumberOfAdapters():
    return len(_adapters())


@function(returns_code=True)
def HBA_GetAdapterName(index, buffer):
    if index >= len(_adapters()):
        raise errors.Win32Error(ILLEGAL_INDEX)
    name = _name(index).encode() + b"\0"
    ctypes.memmove(buffer, name, len(name))


@function(fails_with=0)
def HBA_OpenAdapter(name):
    wanted = ctypes.string_at(name).decode()
    return next((index + 1 for index in range(len(_adapters())) if _name(index) == wanted), 0)


@function(returns_code=True)
def HBA_OpenAdapterByWWN(handle, wwn):
    """By the name of the node or of the port."""
    for index, names in enumerate(_adapters()):
        if _text(wwn) in names:
            handle.contents.value = index + 1
            return
    raise errors.Win32Error(ILLEGAL_WWN)


@function()
def HBA_CloseAdapter(_handle):
    return None


@function(returns_code=True)
def HBA_GetAdapterAttributes(handle, attributes):
    _port(handle)
    attributes.contents.NumberOfPorts = 1


@function(returns_code=True)
def HBA_GetAdapterPortAttributes(handle, index, attributes):
    port = _port(handle)
    if index:
        raise errors.Win32Error(ILLEGAL_INDEX)
    node = next(node for node, other in _adapters() if other == port)
    _fill(attributes.contents.NodeWWN, node)
    _fill(attributes.contents.PortWWN, port)


@function(returns_code=True)
def HBA_GetFcpTargetMapping(handle, mapping):
    found = call("hbaapi.HBA_GetFcpTargetMapping", port=_port(handle))
    told = TargetMapping.from_address(mapping)
    fits = told.NumberOfEntries >= len(found)
    told.NumberOfEntries = len(found)
    if not fits:
        raise errors.Win32Error(MORE_DATA)
    entries = (ScsiEntry * len(found)).from_address(mapping + TargetMapping.Entries.offset)
    for item, entry in zip(found, entries, strict=True):
        entry.ScsiId.OSDeviceName = item["name"].encode()
        entry.ScsiId.ScsiOSLun = entry.FcpId.FcpLun = item["lun"]
        _fill(entry.FcpId.NodeWWN, item["node"])
        _fill(entry.FcpId.PortWWN, item["port"])


@function(returns_code=True)
def HBA_ScsiInquiryV2(handle, port, target, lun, byte_1, byte_2, buffer, size, status, _sense, sense_size):
    if (byte_1, byte_2) != (1, DEVICE_IDENTIFICATION):
        raise NotImplementedError(
            f"HBA_ScsiInquiryV2: page {byte_2:#x}, the lab knows {DEVICE_IDENTIFICATION:#x}"
        )
    if _port(handle) != _text(port):
        raise errors.Win32Error(ILLEGAL_WWN)
    identifier = bytes.fromhex(
        call("hbaapi.HBA_ScsiInquiryV2", port=_text(port), target=_text(target), lun=lun)
    )
    descriptor = bytes((BINARY, NAA, 0, len(identifier))) + identifier
    page = bytes((0, DEVICE_IDENTIFICATION)) + len(descriptor).to_bytes(2, "big") + descriptor
    ctypes.memmove(buffer, page, len(page))
    size.contents.value, status.contents.value, sense_size.contents.value = len(page), OK, 0
