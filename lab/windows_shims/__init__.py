# SPDX-License-Identifier: Apache-2.0
r"""What makes the lab's ``python.exe`` look enough like Windows to unmodified os-win, nova and pip.

Linux CPython runs underneath. How a host (lab/windows_sandbox) uses this directory:

* A program in C:\ is a text file that begins with ``#!``. ``python.exe`` is :data:`PYTHON_EXE`, pywin32's
  ``pythonservice.exe`` is :data:`PYTHON_SERVICE_EXE`. ``python -m venv`` writes both into a venv
  (``Scripts\python.exe``, and ``pythonservice.exe`` where pywin32 puts it: sys.exec_prefix), and pip
  writes ``Scripts\NAME.exe``.
* A contained process needs what :func:`mounts` lists, C:\ at :data:`C_DRIVE`, the host's run folder at
  :data:`RUN`, ``/bin/bash`` and ``/usr/bin/python3.11``. WINDOWS_C, WINDOWS_HOST_RUN and WINDOWS_SHIMS in
  its environment say where the three are, if elsewhere. Its other environment is Windows' own (``Path``,
  ``TEMP`` …). ``launch`` sets PYTHONPATH, and refuses ``-I`` and ``-E``, which would switch the shims
  off.

A service (pythonservice.exe and the stand-ins for pywin32 in ``pywin32/``) is started with two variables:
  WINDOWS_SERVICE, its name, and WINDOWS_SERVICE_KEY, its registry key
  ``HKLM\SYSTEM\CurrentControlSet\Services\NAME`` as JSON: values by name, subkeys as objects, the default
  value of a key under ``""``, such as ``{"PythonClass": {"": "hyperv_driver.service.NovaComputeService"},
  "Parameters": {"Python": "C:\\…"}}``. It connects to ``services.sock`` in the run folder; lines of JSON
  go both ways:

  * to the host, ``{"service": NAME, "state": STATE, …}`` with STATE ``start_pending``, ``running``,
    ``stop_pending`` or ``stopped``; further ``controls`` (list of the controls it takes: ``stop``,
    ``shutdown``), ``checkpoint``, ``wait_hint`` (milliseconds), and with ``stopped`` ``exit_code``
    (Win32; 1066 means that ``service_exit_code`` holds the service's own);
  * to the host, ``{"service": NAME, "event": {"type": "information|warning|error", "id": N, "message":
    TEXT}}`` for the Application log, source NAME;
  * to the service, ``{"control": "stop"}`` (or ``shutdown``, ``interrogate``).
"""

from pathlib import Path

SHIMS = "/opt/windows-shims"
C_DRIVE = "/c"
RUN = "/run/windows-host"
PYTHON_EXE = f"#!{SHIMS}/launch\n"
PYTHON_SERVICE_EXE = f"#!{SHIMS}/pythonservice\n"


def mounts() -> list[tuple[Path, str]]:
    """Return the read-only binds of a Windows process: (directory of this checkout, place in the sandbox)."""
    lab = Path(__file__).resolve().parent.parent
    return [(lab / "windows_shims", SHIMS), (lab / "hyperv_model" / "vhd", "/opt/hyperv_model/vhd")]
