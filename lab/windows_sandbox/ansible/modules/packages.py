# SPDX-License-Identifier: Apache-2.0
r"""win_package, for stand-ins: an installer is a program of the sort that runs here (a script with #!).

An .exe gets the task's arguments; an .msi gets what msiexec would, and names its product in a line
``# ProductCode: {…}``. What an installer leaves in HKLM\…\Uninstall decides whether it is installed.
"""

import ntpath
import re
from typing import Any

from lab.windows_sandbox import command_line as lines
from lab.windows_sandbox.ansible.modules.call import ModuleCall, ModuleFailed
from lab.windows_sandbox.ansible.modules.files import checksum
from lab.windows_sandbox.errors import Win32Error

UNINSTALL = r"HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Uninstall"

# Stand-ins bear no signatures.
_UNKNOWN = ("creates_version", "username", "password", "verify_signature")


def win_package(call: ModuleCall) -> dict[str, Any]:
    for name in _UNKNOWN:
        if call.parameters.get(name):
            raise ModuleFailed(f"the simulated host does not know win_package's {name}")
    if call["provider"] not in ("auto", "msi", "registry"):
        raise ModuleFailed(f"the simulated host has no packages of provider {call['provider']}")
    path, state = call["path"], call["state"]
    if path and re.match("https?:", path, re.IGNORECASE):
        raise ModuleFailed("the simulated host installs files of its own: fetch the package with win_get_url")
    if state == "present" and not path:
        raise ModuleFailed("state is present but all of the following are missing: path")
    if not path and not call["product_id"]:
        raise ModuleFailed("state is absent but any of the following are missing: path, product_id")
    if path and not call.session.is_file(path) and not call.check_mode:
        raise ModuleFailed(f"the file at the path '{path}' cannot be reached")
    product, msi = call["product_id"], bool(path) and path.lower().endswith(".msi")
    if msi and not product:
        product = _product_code(call, path)
    installed = _is_installed(call, product)
    result: dict[str, Any] = {"changed": installed != (state == "present"), "rc": 0, "reboot_required": False}
    if not result["changed"] or call.check_mode:
        return result
    if path and call["checksum_algorithm"] and state == "present":
        got = checksum(call.session.local(path), call["checksum_algorithm"])
        result["checksum"] = got.upper()
        if call["checksum"] and call["checksum"].lower() != got:
            raise ModuleFailed(
                f"The checksum for {path} did not match '{call['checksum']}', it was '{got.upper()}'"
            )
    return result | _run(call, product, msi)


def _product_code(call: ModuleCall, path: str) -> str | None:
    if not call.session.is_file(path):
        return None
    text = call.session.local(path).read_bytes()[:4096].decode(errors="replace")
    match = re.search(r"^# ProductCode: (\{[0-9A-Fa-f-]+\})\s*$", text, re.MULTILINE)
    if not match:
        raise ModuleFailed(
            f"the simulated host installs stand-ins, and {path} is none:"
            " expected a line '# ProductCode: {…}'"
        )
    return match[1].upper()


def _is_installed(call: ModuleCall, product: str | None) -> bool:
    if call["creates_path"]:
        return call.session.exists(call["creates_path"])
    if call["creates_service"]:
        return call.session.host.services.installed.find(call["creates_service"]) is not None
    if not product:
        if call["state"] == "present":
            # Without anything to look for the real one installs each time too, if it is an .exe.
            return False
        raise ModuleFailed(
            "product_id or a creates_* option is needed to tell whether the package is installed"
        )
    return call.session.host.registry.key_exists(f"{UNINSTALL}\\{product}")


def _run(call: ModuleCall, product: str | None, msi: bool) -> dict[str, Any]:
    session, registry, path = call.session, call.session.host.registry, call["path"]
    arguments = call["arguments"]
    extra = lines.join(arguments) if isinstance(arguments, list) else arguments or ""
    key = f"{UNINSTALL}\\{product}"
    present = call["state"] == "present"
    if msi:
        command = f'"{session.path(path)}" {"/i" if present else "/x"} /qn /norestart {extra}'
    elif present:
        command = f'"{session.path(path)}" {extra}'
    else:
        uninstall = registry.data(key, "QuietUninstallString") or registry.data(key, "UninstallString")
        if not uninstall:
            raise ModuleFailed(f"Failed to find registry uninstall string at registry path '{key}'")
        command = f"{uninstall} {extra}"
    try:
        completed = session.run(command.strip(), call["chdir"])
    except Win32Error as error:
        raise ModuleFailed(f"failed to run {command.strip()}: {error}", rc=error.code) from error
    said = {
        "rc": completed.exit_code,
        "stdout": completed.stdout.decode(errors="replace"),
        "stderr": completed.stderr.decode(errors="replace"),
    }
    expected = call["expected_return_code"] or [0, 3010]
    if completed.exit_code not in expected:
        verb = "install" if present else "uninstall"
        raise ModuleFailed(
            f"unexpected rc from '{command.strip()}': see rc, stdout, and stderr for more details ({verb})",
            **said,
        )
    if msi and present:
        name = ntpath.splitext(ntpath.basename(path))[0]
        registry.set(key, "DisplayName", "REG_SZ", name)
        registry.set(key, "UninstallString", "REG_EXPAND_SZ", f'"{session.path(path)}" /x')
    elif not present and registry.key_exists(key):
        registry.delete_key(key)
    # 3010, which asks for a reboot, does not fit into the exit code of what runs here.
    return {"rc": completed.exit_code, "reboot_required": False}
