# SPDX-License-Identifier: Apache-2.0
"""win_powershell, for scripts that have a counterpart."""

from typing import Any

from lab.windows_sandbox import scripts
from lab.windows_sandbox.ansible.modules.call import ModuleCall, ModuleFailed
from lab.windows_sandbox.scripts.ansible_variable import AnsibleVariable, ScriptFailed


def win_powershell(call: ModuleCall) -> dict[str, Any]:
    for name in ("executable", "arguments", "chdir"):
        if call[name]:
            raise ModuleFailed(
                f"the simulated host runs no PowerShell: it does not know win_powershell's {name}"
            )
    for name, reason, skips in (("creates", "exists", True), ("removes", "does not exist", False)):
        if call[name] and call.session.exists(call[name]) == skips:
            return {"msg": f"skipped, since {call[name]} {reason}", "skipped": True}
    script, path = call["script"], call.parameters.get("path")
    if (script is None) == (path is None):
        raise ModuleFailed(
            "one of the following is required: path, script"
            if script is None
            else "parameters are mutually exclusive: path, script"
        )
    if path is not None:
        # Of the controller's files the action plugin has made a script.
        if not call.session.is_file(path):
            raise ModuleFailed(f"Could not find or access '{path}' on Windows host")
        script = call.session.local(path).read_text(encoding="utf-8-sig")
    if call.check_mode:
        return {"changed": True, "msg": "skipped, running in check mode"}
    parameters = dict(call["parameters"] or {})
    for secret in call["sensitive_parameters"] or []:
        parameters[secret["name"]] = (
            (secret["username"], secret["password"]) if secret["username"] else secret["value"]
        )
    ansible = AnsibleVariable()
    errors, output = [], []
    try:
        output = scripts.run(call.session, ansible, script, parameters)
    except scripts.ScriptRefused as error:
        raise ModuleFailed(str(error)) from error
    except ScriptFailed as error:
        ansible.failed = True
        errors.append({"output": str(error), "exception": {"message": str(error)}})
    result = {
        "changed": ansible.changed,
        "failed": ansible.failed,
        "result": ansible.result,
        "output": output,
        "error": errors,
        "host_out": "",
        "host_err": "",
        "debug": [],
        "verbose": [],
        "warning": [],
        "information": [],
    }
    if ansible.failed:
        raise ModuleFailed(errors[0]["output"] if errors else "the script set $Ansible.Failed", **result)
    return result
