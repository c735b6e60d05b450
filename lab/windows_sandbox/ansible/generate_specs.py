# SPDX-License-Identifier: Apache-2.0
"""Write argument_specs.json anew from the collections that some Ansibles bring.

``python -m lab.windows_sandbox.ansible.generate_specs ANSIBLE_BIN…`` where each ANSIBLE_BIN is a folder with
an ansible-doc, the oldest first. When there is a new hash of a module, read what changed in its source before
you trust its counterpart here.
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


def specifications(ansible_bins: list[Path]) -> dict[str, Any]:
    """Return the versions, and for every module that is emulated what it documents, release by release."""
    modules: dict[str, list[dict]] = {name: [] for name in sorted(MODULES)}
    for ansible_bin in ansible_bins:
        documented = json.loads(_output(ansible_bin / "ansible-doc", "--type", "module", "--json", *MODULES))
        for name, releases in modules.items():
            _add(releases, documented[name]["doc"])
    return {"ansible_core": [_version(ansible_bin) for ansible_bin in ansible_bins], "modules": modules}


def _add(releases: list[dict], doc: dict[str, Any]) -> None:
    """Add a release, unless its source is that of one before."""
    path = Path(doc["filename"])
    digest = hashlib.sha256(path.with_suffix(".ps1").read_bytes()).hexdigest()
    if any(digest in release["sources"].values() for release in releases):
        return
    collection = json.loads((path.parents[2] / "MANIFEST.json").read_text())["collection_info"]["version"]
    options = {_NAMES.get(key, key): option(value) for key, value in doc.get("options", {}).items()}
    if not releases or releases[-1]["options"] != options:
        releases.append({"options": options, "sources": {}})
    releases[-1]["sources"][collection] = digest


def _version(ansible_bin: Path) -> str:
    return _output(ansible_bin / "ansible", "--version").split("core ")[1].split("]")[0]


def _output(*command: Path | str) -> str:
    environment = os.environ | {"LC_ALL": "C.UTF-8"}
    return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout


if __name__ == "__main__":
    written = specifications([Path(each) for each in sys.argv[1:]])
    FILE.write_text(json.dumps(written, indent=1, sort_keys=True) + "\n")
