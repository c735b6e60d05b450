# SPDX-License-Identifier: Apache-2.0
"""The modules that have a counterpart here. A module whose real one is a PowerShell script is a function that
takes a ModuleCall and returns the result's fields, or raises ModuleFailed."""

from lab.windows_sandbox.ansible.modules import (
    basics,
    commands,
    copying,
    environment,
    facts,
    files,
    registry,
    scripts,
    services,
    waiting,
)

MODULES = {
    "ansible.windows.async_status": basics.async_status,
    "ansible.windows.setup": facts.setup,
    "ansible.windows.slurp": files.slurp,
    "ansible.windows.win_command": commands.win_command,
    "ansible.windows.win_copy": copying.win_copy,
    "ansible.windows.win_environment": environment.win_environment,
    "ansible.windows.win_file": files.win_file,
    "ansible.windows.win_find": files.win_find,
    "ansible.windows.win_ping": basics.win_ping,
    "ansible.windows.win_powershell": scripts.win_powershell,
    "ansible.windows.win_reg_stat": registry.win_reg_stat,
    "ansible.windows.win_regedit": registry.win_regedit,
    "ansible.windows.win_service": services.win_service,
    "ansible.windows.win_service_info": services.win_service_info,
    "ansible.windows.win_shell": commands.win_shell,
    "ansible.windows.win_stat": files.win_stat,
    "ansible.windows.win_wait_for": waiting.win_wait_for,
    "community.windows.win_unzip": copying.win_unzip,
    "community.windows.win_zip": copying.win_zip,
}
