# SPDX-License-Identifier: Apache-2.0
"""pythonservice.exe: hosts the class that the service's registry key names under PythonClass."""

import importlib
import sys
import threading
import traceback

import pywintypes
import service_control
import servicemanager
import win32service

ERROR_SERVICE_SPECIFIC_ERROR = 1066
# What pythonservice.exe reports when the class or its SvcRun raises.
PYTHON_RAISED = 0x20000001
CONTROLS = {
    "stop": win32service.SERVICE_CONTROL_STOP,
    "interrogate": win32service.SERVICE_CONTROL_INTERROGATE,
    "shutdown": win32service.SERVICE_CONTROL_SHUTDOWN,
}


def main() -> int:
    """Serve until the service has stopped; return the process's exit code."""
    sys.executable = sys.argv[1]
    try:
        _serve(service_control.connect())
    except pywintypes.error as error:
        said = f"{error.strerror} ({error.winerror})"
        print(f"{sys.argv[1]}: {said}: only the host may start it", file=sys.stderr)
        return error.winerror
    return 0


def _serve(manager) -> None:
    # As on Windows: the service has a thread of its own, this one never leaves the dispatcher of controls.
    manager.report("start_pending", controls=[], checkpoint=0, wait_hint=5000)
    threading.Thread(target=_run_service, args=(manager,), name="ServiceMain", daemon=True).start()
    for control in manager.controls():
        try:
            servicemanager.handler(CONTROLS[control], 0, None)
        except Exception:  # noqa: BLE001 (a control handler's fault is an event, not the host's end)
            servicemanager.LogErrorMsg(f"The control handler failed: {traceback.format_exc()}")


def _run_service(manager) -> None:
    exit_code = service_exit_code = 0
    try:
        found = service_control.find(service_control.registry_key(manager.name), "PythonClass")
        module, _, name = (found or {}).get("", "").rpartition(".")
        if not module:
            raise LookupError(f"service {manager.name}: PythonClass is {found!r}, expected MODULE.CLASS")
        getattr(importlib.import_module(module), name)((manager.name,)).SvcRun()
    except BaseException:  # noqa: BLE001 (whatever ends the service is told to Windows and to the log)
        servicemanager.LogErrorMsg(f"Python could not run the service: {traceback.format_exc()}")
        exit_code, service_exit_code = ERROR_SERVICE_SPECIFIC_ERROR, PYTHON_RAISED
    manager.report("stopped", controls=[], exit_code=exit_code, service_exit_code=service_exit_code)
    manager.hang_up()


if __name__ == "__main__":
    sys.exit(main())
