# SPDX-License-Identifier: Apache-2.0
"""Write argument_specs.json anew from the collections that an Ansible brings.

``python -m lab.windows_sandbox.ansible.generate_specs ANSIBLE_BIN`` where ANSIBLE_BIN is the folder of
ansible-doc. When a module's hash changes, read what changed in its source before you trust its counterpart
here.
"""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from lab.windows_sandbox.ansible.modules import MODULES
from lab.windows_sandbox.ansible.specification import FILE

# Documentation has a name for what is written after a module's name; the module gets it under another.
_NAMES = {"free_form": "_raw_params"}

_KEPT = ("type", "elements", "default", "choices", "aliases", "required")


def option(documented: dict[str, Any]) -> dict[str, Any]:
    """Return what of a parameter's documentation decides whether a value is taken."""
    kept = {name: documented[name] for name in _KEPT if documented.get(name) not in (None, [])}
    if "choices" in kept:
        kept["choices"] = list(kept["choices"])
        # *regex* and the like stand for any text.
        if any(str(choice).startswith("*") for choice in kept["choices"]):
            del kept["choices"]
    if "suboptions" in documented:
        kept["suboptions"] = {name: option(value) for name, value in documented["suboptions"].items()}
    return kept


def specifications(ansible_bin: Path) -> dict[str, Any]:
    """Return the versions and the specifications of every module that is emulated."""
    environment = os.environ | {"LC_ALL": "C.UTF-8"}
    documented = json.loads(
        subprocess.run(
            [ansible_bin / "ansible-doc", "--type", "module", "--json", *MODULES],
            check=True,
            capture_output=True,
            env=environment,
        ).stdout
    )
    version = (
        subprocess.run(
            [ansible_bin / "ansible", "--version"],
            check=True,
            capture_output=True,
            text=True,
            env=environment,
        )
        .stdout.split("core ")[1]
        .split("]")[0]
    )
    modules = {}
    for name in sorted(MODULES):
        doc = documented[name]["doc"]
        source = Path(doc["filename"]).with_suffix(".ps1").read_bytes()
        options = {_NAMES.get(key, key): option(value) for key, value in doc.get("options", {}).items()}
        modules[name] = {"sha256": hashlib.sha256(source).hexdigest(), "options": options}
    return {"ansible_core": version, "modules": modules}


if __name__ == "__main__":
    FILE.write_text(json.dumps(specifications(Path(sys.argv[1])), indent=1, sort_keys=True) + "\n")
