# SPDX-License-Identifier: Apache-2.0
"""Makes this process one of the simulated Windows host's; ``launch`` puts this directory on PYTHONPATH."""

import importlib.machinery
import importlib.util
import os
import sys

from simulated_windows import os_layer, paths, platform_view, processes, venv_layout

HERE = os.path.dirname(os.path.abspath(__file__))
SHIMS = os.path.dirname(HERE)


def run_next_sitecustomize() -> None:
    """Run the sitecustomize that this one hides (pip's, of an isolated build), if there is one."""
    others = [entry for entry in sys.path if entry != HERE]
    found = importlib.machinery.PathFinder.find_spec("sitecustomize", others)
    if found is not None:
        found.loader.exec_module(importlib.util.module_from_spec(found))


if paths.is_windows(sys.argv[0]):
    # The interpreter itself opens the script: start again with the name that Linux knows.
    script = len(sys.orig_argv) - len(sys.argv)
    arguments = [*sys.orig_argv[:script], paths.to_host(sys.argv[0]), *sys.orig_argv[script + 1 :]]
    os.execv(sys.executable, [sys.executable, *arguments[1:]])
os_layer.install()
venv_layout.install()
processes.install()
platform_view.install()
run_next_sitecustomize()
sys.path += [
    os.path.join(SHIMS, "pywin32"),
    SHIMS,
    os.path.normpath(os.path.join(SHIMS, "..", "hyperv_model")),
]
