# SPDX-License-Identifier: Apache-2.0
"""Pack a controller's logs: ``gather.py ARCHIVE LOGS VENV CONFIGURATION…``.

ARCHIVE (tar.gz) gets what is in LOGS, under ``etc`` the configuration (files, or folders of them) without its
secrets, ``system.txt``, and ``pip-freeze.txt`` with the packages of VENV. What a failed run never made is
left out.
"""

import io
import platform
import re
import subprocess
import sys
import tarfile
from pathlib import Path

# Options whose value is a secret or has one in it; in SQL, statements that have one.
SECRET_OPTION = re.compile(
    r"^(\s*[\w-]*(?:password|pass|secret|transport_url|connection)\s*=\s*).*$", re.I | re.M
)
SECRET_VARIABLE = re.compile(r"(\b\w*(?:PASSWORD|SECRET|TOKEN)\w*=)(\"[^\"]*\"|\S+)")
ENDINGS = (".conf", ".ini")

FREEZE = (
    "import importlib.metadata as m;"
    " print('\\n'.join(sorted({f'{d.name}=={d.version}' for d in m.distributions()}, key=str.lower)))"
)


def without_secrets(text):
    """Return the text of a configuration file with each secret replaced by ***."""
    return SECRET_VARIABLE.sub(r"\1***", SECRET_OPTION.sub(r"\1***", text))


def configuration_files(paths):
    """Yield each configuration file and its name in the archive."""
    for path in paths:
        if path.is_file():
            yield path, path.name
        elif path.is_dir():
            for file in sorted(path.rglob("*")):
                # Other files there are keys and SQL with passwords.
                if file.suffix in ENDINGS:
                    yield file, str(file.relative_to(path))


def add_text(archive, name, text):
    data = text.encode()
    member = tarfile.TarInfo(name)
    member.size = len(data)
    member.mode = 0o644
    archive.addfile(member, io.BytesIO(data))


def main():
    target, logs, venv, *configuration = (Path(argument) for argument in sys.argv[1:])
    with tarfile.open(target, "w:gz", compresslevel=1) as archive:
        for path in sorted(logs.rglob("*")) if logs.is_dir() else ():
            name = path.relative_to(logs)
            hidden = any(part.startswith(".") for part in name.parts)
            if path.is_file() and not path.is_symlink() and not hidden:
                archive.add(path, str(name))
        for path, name in configuration_files(configuration):
            add_text(archive, f"etc/{name}", without_secrets(path.read_text()))
        # Always something: Ansible takes an archive without files for a broken one.
        add_text(archive, "system.txt", f"{platform.platform()}\n")
        python = venv / "bin" / "python"
        if python.exists():
            frozen = subprocess.run([python, "-c", FREEZE], capture_output=True, text=True, check=True)
            add_text(archive, "pip-freeze.txt", frozen.stdout)
    print(f"{target} has {target.stat().st_size} bytes")


if __name__ == "__main__":
    main()
