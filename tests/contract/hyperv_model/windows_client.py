# SPDX-License-Identifier: Apache-2.0
"""Runs in the lab's python.exe: unmodified os-win and PyMI's own ``wmi``, told what to do by lines of JSON.

A request is {"utils": "vmutils", "method": …, "arguments": […], "keywords": {…}} or {"wmi": code}; the answer
{"result": …} or {"error": class name, "message": …}.
"""

import importlib
import json
import sys
import time
import types

from hyperv_driver.without_eventlet import without_eventlet


def plain(value):
    """The value as JSON can carry it; a WMI object becomes its properties."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | types.GeneratorType):
        return [plain(item) for item in value]
    if hasattr(value, "get_wrapped_object"):
        instance = value.get_wrapped_object()
        return {instance.get_element(index)[0]: str(instance[index]) for index in range(len(instance))}
    return value if isinstance(value, str | int | float | bool | None) else repr(value)


def scope_of_os_win():
    # os-win connects to WMI when it is imported, so the host must be there: at the first request.
    with without_eventlet():
        names = {"wmi": "wmi", "utilsfactory": "os_win.utilsfactory"}
        scope = {name: importlib.import_module(module) for name, module in names.items()}
    # os-win waits a second before it tries again.
    time.sleep = lambda seconds, sleep=time.sleep: sleep(min(seconds, 0.02))
    return scope


def answer(request, scope, utils):
    if "wmi" in request:
        exec(request["wmi"], scope)
        return scope.pop("result", None)
    name = request["utils"]
    if name not in utils:
        utils[name] = getattr(scope["utilsfactory"], f"get_{name}")()
    return getattr(utils[name], request["method"])(*request["arguments"], **request["keywords"])


def main():
    scope, utils = None, {}
    for line in sys.stdin:
        try:
            scope = scope or scope_of_os_win()
            told = {"result": plain(answer(json.loads(line), scope, utils))}
        except Exception as error:  # noqa: BLE001 - the test judges it
            told = {"error": type(error).__name__, "message": str(error)}
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
