# SPDX-License-Identifier: Apache-2.0
r"""A virtual environment as Windows lays it out: ``Scripts\NAME.exe``, ``Lib\site-packages``."""

import os
import site
import sys

from . import import_hook, paths

PYTHON_EXE = "python.exe"
SERVICE_EXE = "pythonservice.exe"


def install() -> None:
    """Put this environment's ``Lib\\site-packages`` on the path; give sysconfig, venv and pip its layout."""
    sys.path_hooks.insert(0, _find_in_windows_directory)
    sys.path[:] = [
        entry for entry in sys.path if not entry.endswith("dist-packages")
    ]  # Debian's, not Windows'
    if sys.prefix != sys.base_prefix:
        site.addsitedir(os.path.join(sys.prefix, "Lib", "site-packages"))
    # A .pth names directories of C:\; pip and others add to what they find here with the separators of Linux.
    sys.path[:] = map(paths.to_host, sys.path)
    import_hook.Hook({"pip"}.__contains__, before=_give_pip_linux_paths).install()
    import_hook.Hook(_CHANGES.__contains__, after=lambda module: _CHANGES[module.__name__](module)).install()


def _find_in_windows_directory(entry):
    if not paths.is_windows(entry):
        raise ImportError(f"{entry} is no Windows path")
    host = paths.to_host(entry)
    for hook in sys.path_hooks[1:]:
        try:
            return hook(host)
        except ImportError:  # the next kind of place
            continue
    raise ImportError(f"{entry} is neither a directory nor an archive")


def _give_pip_linux_paths(pip) -> None:
    # pip makes file: URLs and search paths of what it is told, with the separators of Linux.
    sys.argv[1:] = [_linux_argument(argument) for argument in sys.argv[1:]]
    for name in [*filter(lambda name: name.startswith("PIP_"), os.environ), "TEMP", "TMP"]:
        if name in os.environ:
            os.environ[name] = _linux_argument(os.environ[name])


def _linux_argument(argument: str) -> str:
    option, equals, value = argument.partition("=")
    if option.startswith("-") and equals and paths.is_windows(value):
        return f"{option}={paths.to_host(value)}"
    return paths.to_host(argument)


def _change_sysconfig(sysconfig) -> None:
    layout = sysconfig._INSTALL_SCHEMES["venv"] = dict(sysconfig._INSTALL_SCHEMES["nt"])
    standard = sysconfig._INSTALL_SCHEMES["posix_prefix"]
    layout.update({name: standard[name] for name in ("stdlib", "platstdlib")})
    layout["include"] = layout["platinclude"] = "{base}/Include"
    # An isolated build's overlay and `pip --prefix` use the scheme without an environment.
    sysconfig._INSTALL_SCHEMES["posix_prefix"] = layout


def _change_venv(venv) -> None:
    create, ensure_directories = venv.EnvBuilder.create, venv.EnvBuilder.ensure_directories

    def create_on_linux(self, env_dir):
        create(self, paths.to_host(env_dir))

    def ensure_windows_directories(self, env_dir):
        context = ensure_directories(self, env_dir)
        os.remove(os.path.join(env_dir, "lib64"))
        return context

    def setup_python(self, context):
        shims = os.environ["WINDOWS_SHIMS"]
        for directory, name, program in (
            (context.bin_path, PYTHON_EXE, "launch"), (context.env_dir, SERVICE_EXE, "pythonservice"),
        ):  # fmt: skip
            path = os.path.join(directory, name)
            with open(path, "w", encoding="utf-8") as stand_in:
                stand_in.write(f"#!{shims}/{program}\n")
            os.chmod(path, 0o755)

    venv.EnvBuilder.create = create_on_linux
    venv.EnvBuilder.ensure_directories = ensure_windows_directories
    venv.EnvBuilder.setup_python = setup_python


def _change_distlib(scripts) -> None:
    write = scripts.ScriptMaker._write_script

    def write_exe(self, names, *args, **kwargs):
        return write(self, [f"{name}.exe" for name in names], *args, **kwargs)

    scripts.ScriptMaker._write_script = write_exe


_CHANGES = {
    "sysconfig": _change_sysconfig,
    "venv": _change_venv,
    "pip._vendor.distlib.scripts": _change_distlib,
}
