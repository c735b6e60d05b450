# SPDX-License-Identifier: Apache-2.0
"""clusapi.dll, as documented by Microsoft function by function."""

import collections
import ctypes
import struct
import threading

from . import errors, handles, service_call
from .library import function

GROUP_GET_RO_COMMON_PROPERTIES = 0x03000055
MORE_DATA = 234
# Syntaxes of a property list, and of the properties that are shown.
NAME, DWORD, ULARGE_INTEGER = 0x00040003, 0x00010002, 0x00010006
LIVE_MIGRATION = {"Virtual Machine": 4, "Virtual Machine Configuration": 4}
# Filters of CLUSTER_OBJECT_TYPE_GROUP.
OBJECT_TYPE_GROUP = 2
COMMON_PROPERTY, STATE, OWNER_NODE = 2, 8, 16
INVALID_HANDLE_VALUE = 2**64 - 1
INFINITE, WAIT_TIMEOUT = 0xFFFFFFFF, 258
# Seconds between two looks at the cluster for what a port is to tell.
LOOK_EVERY = 0.05
PROPERTIES = {"GroupType": (DWORD, ctypes.c_uint32), "StatusInformation": (ULARGE_INTEGER, ctypes.c_uint64)}


class Object:
    """What a handle of the cluster, or of one of its objects, stands for."""

    def __init__(self, kind: str, name: str | None):
        self.kind, self.name = kind, name

    def close(self) -> None:
        """Nothing is held open."""


class Enumeration(Object):
    def __init__(self, items: list):
        super().__init__("enumeration", None)
        self.items = items


class EnumItem(ctypes.Structure):
    """CLUSTER_ENUM_ITEM; the texts follow it in the same buffer."""

    _fields_ = [
        ("version", ctypes.c_uint32), ("type", ctypes.c_uint32), ("id_size", ctypes.c_uint32),
        ("id", ctypes.c_void_p), ("name_size", ctypes.c_uint32), ("name", ctypes.c_void_p),
    ]  # fmt: skip


def _get(handle, kind) -> Object:
    found = handles.get(handle, Object)
    if found.kind != kind:
        raise errors.Win32Error(errors.INVALID_HANDLE)
    return found


@function(fails_with=None)
def OpenCluster(name):
    service_call.call("clusapi.OpenCluster", name=name)
    return handles.add(Object("cluster", name))


@function(fails_with=None)
def OpenClusterGroup(cluster, name):
    return _open(cluster, "group", "clusapi.OpenClusterGroup", name)


@function(fails_with=None)
def OpenClusterNode(cluster, name):
    return _open(cluster, "node", "clusapi.OpenClusterNode", name)


@function(fails_with=None)
def OpenClusterResource(cluster, name):
    return _open(cluster, "resource", "clusapi.OpenClusterResource", name)


def _open(cluster, kind, name_of_function, name):
    _get(cluster, "cluster")
    return handles.add(Object(kind, service_call.call(name_of_function, name=name)))


@function(fails_with=0)
def CloseCluster(handle):
    return _close(handle, "cluster")


@function(fails_with=0)
def CloseClusterGroup(handle):
    return _close(handle, "group")


@function(fails_with=0)
def CloseClusterNode(handle):
    return _close(handle, "node")


@function(fails_with=0)
def CloseClusterResource(handle):
    return _close(handle, "resource")


@function(fails_with=0)
def ClusterCloseEnumEx(handle):
    return _close(handle, "enumeration")


def _close(handle, kind):
    _get(handle, kind)
    handles.close(handle)
    return 1


@function(fails_with=None)
def ClusterOpenEnumEx(cluster, kinds, _options):
    _get(cluster, "cluster")
    return handles.add(Enumeration(service_call.call("clusapi.ClusterOpenEnumEx", kinds=kinds)))


@function()
def ClusterGetEnumCountEx(handle):
    return len(_get(handle, "enumeration").items)


@function(returns_code=True)
def ClusterEnumEx(handle, index, buffer, size):
    items = _get(handle, "enumeration").items
    if index >= len(items):
        raise errors.Win32Error(259)  # ERROR_NO_MORE_ITEMS
    kind, *texts = items[index]
    texts = [ctypes.create_unicode_buffer(text) for text in texts]
    needed = ctypes.sizeof(EnumItem) + sum(map(ctypes.sizeof, texts))
    available, size.contents.value = size.contents.value, needed
    if not buffer or available < needed:
        raise errors.Win32Error(MORE_DATA)
    item = EnumItem.from_address(buffer)
    item.version, item.type = 1, kind
    item.id_size, item.name_size = map(ctypes.sizeof, texts)
    item.id = buffer + ctypes.sizeof(EnumItem)
    item.name = item.id + item.id_size
    for address, text in zip((item.id, item.name), texts, strict=True):
        ctypes.memmove(address, text, ctypes.sizeof(text))


@function(fails_with=0xFFFFFFFF, buffers=(1,))
def GetClusterGroupState(handle, buffer, length):
    state, owner = service_call.call("clusapi.GetClusterGroupState", name=_get(handle, "group").name)
    text = ctypes.create_unicode_buffer(owner)
    if length.contents.value < len(text):
        raise errors.Win32Error(MORE_DATA)
    ctypes.memmove(buffer, text, ctypes.sizeof(text))
    length.contents.value = len(owner)
    return state


@function(returns_code=True)
def OnlineClusterGroup(handle, node):
    if node:
        _get(node, "node")
    service_call.call("clusapi.OnlineClusterGroup", name=_get(handle, "group").name)


@function(returns_code=True)
def OfflineClusterGroup(handle):
    service_call.call("clusapi.OfflineClusterGroup", name=_get(handle, "group").name)


@function(returns_code=True)
def DestroyClusterGroup(handle):
    service_call.call("clusapi.DestroyClusterGroup", name=_get(handle, "group").name)


@function(returns_code=True)
def ClusterGroupControl(handle, _node, code, _in_buffer, _in_size, buffer, size, returned):
    if code != GROUP_GET_RO_COMMON_PROPERTIES:
        raise NotImplementedError(
            f"ClusterGroupControl: {code:#x}, the lab knows {GROUP_GET_RO_COMMON_PROPERTIES:#x}"
        )
    packed = _properties(_get(handle, "group").name)
    ctypes.c_uint32.from_address(returned).value = len(packed)
    if size < len(packed):
        raise errors.Win32Error(MORE_DATA)
    ctypes.memmove(buffer, packed, len(packed))


def _properties(group: str) -> bytes:
    values = service_call.call("clusapi.ClusterGroupControl", name=group)
    packed = len(values).to_bytes(4, "little")
    for name, value in values.items():
        syntax, kind = PROPERTIES[name]
        packed += _value(NAME, bytes(ctypes.create_unicode_buffer(name))) + _value(syntax, bytes(kind(value)))
        packed += bytes(4)  # CLUSPROP_SYNTAX_ENDMARK
    return packed


def _value(syntax: int, data: bytes) -> bytes:
    """Return a CLUSPROP_VALUE: syntax, length, and the data up to a multiple of four bytes."""
    head = syntax.to_bytes(4, "little") + len(data).to_bytes(4, "little")
    return head + data.ljust(-(-len(data) // 4) * 4, b"\0")


@function(returns_code=True)
def MoveClusterGroupEx(handle, node, _flags, properties, size):
    asked = _dwords(ctypes.string_at(properties, size) if properties else bytes(4))
    if asked != LIVE_MIGRATION:
        raise NotImplementedError(f"MoveClusterGroupEx with {asked}: the lab knows {LIVE_MIGRATION}")
    names = {"name": _get(handle, "group").name, "node": _get(node, "node").name}
    service_call.call("clusapi.MoveClusterGroupEx", **names)


def _dwords(packed: bytes) -> dict:
    """Read a property list of DWORDs."""
    (count,), position, found = struct.unpack_from("<I", packed), 4, {}
    for _ in range(count):
        _, size = struct.unpack_from("<II", packed, position)
        name = ctypes.wstring_at(packed[position + 8 : position + 8 + size])
        position += 8 + -(-size // 4) * 4
        _, _, found[name], _ = struct.unpack_from("<IIII", packed, position)
        position += 16
    return found


@function(returns_code=True)
def CancelClusterGroupOperation(handle, _flags):
    service_call.call("clusapi.CancelClusterGroupOperation", name=_get(handle, "group").name)


class Port(Object):
    """Tells of what changes from now on, for each filter that is added.

    :ivar filters: addresses of the clients' keys by (object type, filter flags)
    """

    def __init__(self):
        super().__init__("port", None)
        self.filters = {}
        self._closed = threading.Event()
        self._events = collections.deque()
        self._seen = service_call.call("clusapi.GetClusterNotifyV2")

    def close(self):
        self._closed.set()

    def next(self, milliseconds):
        """(flags, group, identifier of its owner, data) of a change."""
        left = None if milliseconds == INFINITE else milliseconds / 1000
        while not self._events:
            if self._closed.wait(LOOK_EVERY):
                raise errors.Win32Error(errors.INVALID_HANDLE)
            if left is not None:
                left -= LOOK_EVERY
                if left < 0:
                    raise errors.Win32Error(WAIT_TIMEOUT)
            self._look()
        return self._events.popleft()

    def _look(self):
        before, self._seen = self._seen, service_call.call("clusapi.GetClusterNotifyV2")
        for group in before.keys() & self._seen.keys():
            state, owner, moves = self._seen[group]
            former_state, former_owner, former_moves = before[group]
            changed = []
            if owner != former_owner:
                changed.append((OWNER_NODE, b""))
            if (state, moves) != (former_state, former_moves):
                changed += [(COMMON_PROPERTY, _properties(group)), (STATE, state.to_bytes(4, "little"))]
            for flags, data in changed:
                if (OBJECT_TYPE_GROUP, flags) in self.filters:
                    self._events.append((flags, group, owner, data))


@function(fails_with=None)
def CreateClusterNotifyPortV2(handle, cluster, filters, count, key):
    _get(cluster, "cluster")
    if handle == INVALID_HANDLE_VALUE:
        handle = handles.add(Port())
    port = _get(handle, "port")
    for item in filters[:count]:
        wanted = (item.dwObjectType, item.FilterFlags)
        if wanted not in [(OBJECT_TYPE_GROUP, flags) for flags in (COMMON_PROPERTY, STATE, OWNER_NODE)]:
            raise NotImplementedError(f"CreateClusterNotifyPortV2: the lab has no events of {wanted}")
        port.filters[wanted] = ctypes.addressof(key.contents)
    return handle


@function(fails_with=0)
def CloseClusterNotifyPort(handle):
    return _close(handle, "port")


@function(returns_code=True, buffers=(5, 7, 9, 11))
def GetClusterNotifyV2(
    handle, key, found, buffer, size, identifier, identifier_size, parent, parent_size, name, name_size, kind,
    kind_size, milliseconds,
):  # fmt: skip
    """The identifier of an object is its name here, its parent the owner (inferred: os-win reads so)."""
    port = _get(handle, "port")
    flags, group, owner, data = port.next(milliseconds)
    key[0] = ctypes.cast(port.filters[OBJECT_TYPE_GROUP, flags], type(key.contents))
    found.contents.dwObjectType, found.contents.FilterFlags = OBJECT_TYPE_GROUP, flags
    ctypes.memmove(buffer, data, len(data))
    size.contents.value = len(data)
    for address, length, text in (
        (identifier, identifier_size, group), (parent, parent_size, owner), (name, name_size, group),
        (kind, kind_size, ""),
    ):  # fmt: skip
        written = ctypes.create_unicode_buffer(text)
        if length.contents.value < len(written):
            raise errors.Win32Error(MORE_DATA)
        ctypes.memmove(address, written, ctypes.sizeof(written))
        length.contents.value = len(text)
