# SPDX-License-Identifier: Apache-2.0
"""The modules that have a counterpart here. A module whose real one is a PowerShell script is a function that
takes a ModuleCall and returns the result's fields, or raises ModuleFailed. Parameters and results are
documented with each module; what the documentation leaves open is inferred from the module's source."""

from lab.windows_sandbox.ansible.modules import (
    accounts,
    basics,
    commands,
    copying,
    environment,
    event_logs,
    facts,
    files,
    firewall,
    lines,
    packages,
    registry,
    scripts,
    security,
    services,
    sharing,
    system,
    user_rights,
    waiting,
    web,
)

# Those that both collections have, under one name.
_BOTH = {
    "win_eventlog": event_logs.win_eventlog,
    "win_firewall": firewall.win_firewall,
    "win_hosts": lines.win_hosts,
    "win_timezone": system.win_timezone,
}

MODULES = {
    **{
        f"{collection}.windows.{name}": act
        for collection in ("ansible", "community")
        for name, act in _BOTH.items()
    },
    "ansible.windows.win_acl": security.win_acl,
    "ansible.windows.win_feature": system.win_feature,
    "ansible.windows.win_get_url": web.win_get_url,
    "ansible.windows.win_group": accounts.win_group,
    "ansible.windows.win_group_membership": accounts.win_group_membership,
    "ansible.windows.win_hostname": system.win_hostname,
    "ansible.windows.win_optional_feature": system.win_optional_feature,
    "ansible.windows.win_owner": security.win_owner,
    "ansible.windows.win_package": packages.win_package,
    "ansible.windows.win_path": environment.win_path,
    "ansible.windows.win_share": sharing.win_share,
    "ansible.windows.win_tempfile": files.win_tempfile,
    "ansible.windows.win_uri": web.win_uri,
    "ansible.windows.win_user": accounts.win_user,
    "ansible.windows.win_user_right": user_rights.win_user_right,
    "ansible.windows.win_whoami": accounts.win_whoami,
    "community.windows.win_eventlog_entry": event_logs.win_eventlog_entry,
    "community.windows.win_firewall_rule": firewall.win_firewall_rule,
    "community.windows.win_lineinfile": lines.win_lineinfile,
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
    "community.windows.win_wait_for_process": waiting.win_wait_for_process,
    "community.windows.win_zip": copying.win_zip,
}
