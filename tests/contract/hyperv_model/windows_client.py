# SPDX-License-Identifier: Apache-2.0
"""Runs in a process of its own: unmodified os-win and PyMI's unmodified ``wmi``, told what to do by lines
of JSON.

Only what os-win needs at import beyond ``mi`` is put in its way here, as little as possible: DLLs whose
functions all refuse, and Windows' name for the platform. A request is {"utils": "vmutils", "method": …,
"arguments": […], "keywords": {…}} or {"wmi": code}; the answer {"result": …} or {"error": class name,
"message": …}.
"""

import builtins
import ctypes
import importlib
import json
import sys
import time

# These must see the real platform: they are imported before os-win asks for it.
REAL = (
    "eventlet.tpool",
    "netaddr",
    "oslo_concurrency.lockutils",
    "oslo_concurrency.processutils",
    "oslo_config.cfg",
    "oslo_i18n",
    "oslo_log.log",
    "oslo_utils.excutils",
    "oslo_utils.fileutils",
    "oslo_utils.importutils",
    "oslo_utils.reflection",
    "oslo_utils.units",
    "oslo_utils.uuidutils",
    "pbr.version",
    "pkg_resources",
    "six.moves",
    "wmi",
)


class Library:
    def __init__(self, name):
        self._name = name

    def __getattr__(self, function):
        def refuse(*arguments):
            raise NotImplementedError(f"{self._name}.{function} has no stand-in in this test")

        setattr(self, function, refuse)
        return refuse


class Libraries:
    def __getattr__(self, name):
        setattr(self, name, Library(name))
        return getattr(self, name)


def import_os_win():
    for name in REAL:
        importlib.import_module(name)
    builtins.WindowsError = OSError
    ctypes.windll, ctypes.WINFUNCTYPE = Libraries(), ctypes.CFUNCTYPE
    ctypes.cdll.LoadLibrary = Library
    sys.platform = "win32"
    time.sleep = lambda seconds, sleep=time.sleep: sleep(
        min(seconds, 0.02)
    )  # os-win waits a second between tries
    return importlib.import_module("os_win.utilsfactory")


def plain(value):
    """The value as JSON can carry it; a WMI object becomes its properties."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [plain(item) for item in value]
    if hasattr(value, "get_wrapped_object"):
        instance = value.get_wrapped_object()
        return {instance.get_element(index)[0]: str(instance[index]) for index in range(len(instance))}
    return value if isinstance(value, str | int | float | bool | None) else repr(value)


def scope_of_os_win():
    # os-win connects to WMI when it is imported, so the host must be there: at the first request.
    utilsfactory = import_os_win()
    return {"wmi": importlib.import_module("wmi"), "utilsfactory": utilsfactory}


def answer(request, scope):
    if "wmi" in request:
        exec(request["wmi"], scope)
        return scope.pop("result", None)
    name = request["utils"]
    if name not in scope:
        scope[name] = getattr(scope["utilsfactory"], f"get_{name}")()
    return getattr(scope[name], request["method"])(*request["arguments"], **request["keywords"])


def main():
    scope = None
    for line in sys.stdin:
        try:
            scope = scope or scope_of_os_win()
            told = {"result": plain(answer(json.loads(line), scope))}
        except Exception as error:  # noqa: BLE001 - the test judges it
            told = {"error": type(error).__name__, "message": str(error)}
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
