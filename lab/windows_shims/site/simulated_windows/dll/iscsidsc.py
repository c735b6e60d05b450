# SPDX-License-Identifier: Apache-2.0
"""iscsidsc.dll, as Microsoft documents it function by function, in front of the host's iSCSI initiator.

Where a buffer is too small, a function says how large it has to be; strings of a structure are in the same
buffer, behind the structures.
"""

import ctypes

from . import errors
from .library import function
from .service_call import call

FILE_DEVICE_DISK = 7
ANY_PORT = 0xFFFFFFFF
USERNAME, PASSWORD, AUTH_TYPE = 0x20, 0x40, 0x80  # ISCSI_LOGIN_OPTIONS.InformationSpecified
CHAP = 1
WCHAR = ctypes.sizeof(ctypes.c_wchar)


def _ask(name, **arguments):
    return call(f"iscsidsc.{name}", **arguments)


@function(returns_code=True)
def GetIScsiInitiatorNodeNameW(buffer):
    _write_text(buffer, _ask("GetIScsiInitiatorNodeNameW"))


@function(returns_code=True)
def ReportIScsiInitiatorListW(count, buffer):
    _write_texts(_ask("ReportIScsiInitiatorListW"), count, buffer)


@function(returns_code=True)
def ReportIScsiTargetsW(_forced, count, buffer):
    _write_texts(_ask("ReportIScsiTargetsW"), count, buffer)


@function(returns_code=True)
def AddIScsiStaticTargetW(target, alias, flags, _persist, mappings, options, portal_group):
    if alias or flags or mappings or options or portal_group:
        raise NotImplementedError("AddIScsiStaticTargetW: the lab knows the target's name alone")
    _ask("AddIScsiStaticTargetW", target=target)


@function(returns_code=True)
def RemoveIScsiStaticTargetW(target):
    _ask("RemoveIScsiStaticTargetW", target=target)


@function(returns_code=True)
def LoginIScsiTargetW(
    target, informational, _initiator, port, portal, security, mappings, options, key_size, _key, persistent,
    session, connection,
):  # fmt: skip
    if informational or port != ANY_PORT or security or mappings or key_size:
        raise NotImplementedError(
            "LoginIScsiTargetW: the lab knows normal sessions by any port, without IPsec and mappings"
        )
    flags, user, secret = _login_options(options.contents) if options else (0, None, None)
    identifier = _ask(
        "LoginIScsiTargetW", target=target, portal=_portal(portal.contents) if portal else None, flags=flags,
        user=user, secret=secret, persistent=bool(persistent),
    )  # fmt: skip
    for pointer in (session, connection):
        pointer.contents.AdapterUnique, pointer.contents.AdapterSpecific = 0, identifier


def _login_options(options):
    """(flags, user, secret)"""
    given = options.InformationSpecified
    if given & ~(USERNAME | PASSWORD | AUTH_TYPE) or options.AuthType not in (0, CHAP):
        raise NotImplementedError(
            f"LoginIScsiTargetW: login options {given:#x}, authentication {options.AuthType}; the lab knows "
            "none and CHAP in one direction"
        )
    user = options.Username[: options.UsernameLength].decode() if given & USERNAME else None
    secret = options.Password[: options.PasswordLength].decode() if given & PASSWORD else None
    return options.LoginFlags, user, secret


@function(returns_code=True)
def LogoutIScsiTarget(session):
    _ask("LogoutIScsiTarget", session=session.contents.AdapterSpecific)


@function(returns_code=True)
def GetIScsiSessionListW(size, count, buffer):
    found = _ask("GetIScsiSessionListW")
    structure = buffer._type_
    connection_structure = dict(structure._fields_)["Connections"]._type_
    texts = sum(len(item["initiator"]) + 2 * len(item["target"]) + 3 for item in found)
    texts += sum(len(item["portal"][0]) + 1 for item in found if item["portal"])
    needed = WCHAR * texts + len(found) * (ctypes.sizeof(structure) + ctypes.sizeof(connection_structure))
    count.contents.value = len(found)
    if size.contents.value < needed:
        size.contents.value = needed
        raise errors.Win32Error(errors.INSUFFICIENT_BUFFER)
    free = ctypes.addressof(buffer.contents) + len(found) * ctypes.sizeof(structure) if found else 0
    for position, item in enumerate(found):
        session = buffer[position]
        session.SessionId.AdapterUnique, session.SessionId.AdapterSpecific = 0, item["session"]
        session.ConnectionCount = 1 if item["portal"] else 0
        if item["portal"]:
            connection = connection_structure.from_address(free)
            free += ctypes.sizeof(connection_structure)
            connection.ConnectionId.AdapterSpecific = item["session"]
            connection.TargetSocket = item["portal"][1]
            free = _point(connection, "TargetAddress", item["portal"][0], free)
            session.Connections = ctypes.pointer(connection)
        free = _point(session, "InitiatorName", item["initiator"], free)
        free = _point(session, "TargetName", item["target"], free)
        free = _point(session, "TargetNodeName", item["target"], free)


def _point(structure, field, text, free):
    """Write a text to the free end of a buffer, and its address into a field; return the new free end."""
    size = WCHAR * (len(text) + 1)
    ctypes.memmove(free, ctypes.create_unicode_buffer(text), size)
    offset = getattr(type(structure), field).offset
    ctypes.c_void_p.from_address(ctypes.addressof(structure) + offset).value = free
    return free + size


@function(returns_code=True)
def GetDevicesForIScsiSessionW(session, count, buffer):
    found = _ask("GetDevicesForIScsiSessionW", session=session.contents.AdapterSpecific)
    for item, device in _room(found, count, buffer):
        device.InitiatorName = item["initiator"]
        device.TargetName = item["target"]
        device.ScsiAddress.Lun = item["lun"]
        device.DeviceInterfaceName = item["interface"]
        device.LegacyName = item["name"]
        device.StorageDeviceNumber.DeviceType = FILE_DEVICE_DISK
        device.StorageDeviceNumber.DeviceNumber = item["number"]


@function(returns_code=True)
def ReportIScsiPersistentLoginsW(count, buffer, size):
    found = _ask("ReportIScsiPersistentLoginsW")
    needed = len(found) * ctypes.sizeof(buffer._type_)
    fits = size.contents.value >= needed
    size.contents.value = needed
    if not fits:
        raise errors.Win32Error(errors.INSUFFICIENT_BUFFER)
    count.contents.value = len(found)
    for item, login in zip(found, buffer[: len(found)], strict=True):
        login.TargetName = item["target"]
        login.InitiatorInstance = item["initiator"]
        login.InitiatorPortNumber = ANY_PORT
        if item["portal"]:
            login.TargetPortal.Address, login.TargetPortal.Socket = item["portal"]


@function(returns_code=True)
def RemoveIScsiPersistentTargetW(_initiator, _port, target, portal):
    _ask("RemoveIScsiPersistentTargetW", target=target, portal=_portal(portal.contents))


def _portal(portal):
    return [portal.Address, portal.Socket] if portal.Address else None


def _room(found, count, buffer):
    """Yields (item, structure to fill) if the buffer has as many structures as there are items."""
    fits = count.contents.value >= len(found)
    count.contents.value = len(found)
    if not fits:
        raise errors.Win32Error(errors.INSUFFICIENT_BUFFER)
    return zip(found, (buffer[position] for position in range(len(found))), strict=True)


def _write_texts(texts, count, buffer):
    """Write a list of texts, each ended by a null, the list by another; the count is of characters."""
    whole = "".join(f"{text}\0" for text in texts) + "\0"
    fits = count.contents.value >= len(whole)
    count.contents.value = len(whole)
    if not fits:
        raise errors.Win32Error(errors.INSUFFICIENT_BUFFER)
    _write_text(buffer, whole[:-1])


def _write_text(buffer, text):
    ctypes.memmove(buffer, ctypes.create_unicode_buffer(text), WCHAR * (len(text) + 1))
