# SPDX-License-Identifier: Apache-2.0
"""Programs that the lab calls and waits for."""

import os
import re
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from lab.errors import LabError
from lab.services.daemon import base_environment, last_words, telling_line

# What package installers read of the caller's environment: certificates, proxies, indexes.
INSTALLER_VARIABLES = (
    "PIP_",
    "UV_",
    "SSL_",
    "REQUESTS_",
    "CURL_",
    "MAVEN_",
    "JAVA_HOME",
    "XDG_",
    "HTTP_",
    "HTTPS_",
    "NO_",
    "http_",
    "https_",
    "no_",
)


def installer_environment() -> dict[str, str]:
    """Return the caller's environment as far as pip, uv, mvn and their like need it."""
    return {name: value for name, value in os.environ.items() if name.startswith(INSTALLER_VARIABLES)}


def run(
    command: Sequence[str | Path],
    *,
    log: Path | None = None,
    stdin: str | int = subprocess.DEVNULL,
    environment: Mapping[str, str] | None = None,
    directory: Path | None = None,
) -> str:
    """Run a program, return what it prints.

    :param log: a file that gets all that the program prints, instead of the caller
    :param stdin: text for the program; nothing if not given
    :param environment: variables it needs beyond PATH, HOME and the locale
    :raises LabError: if it fails or is missing: names the program and its last words
    """
    command = [str(word) for word in command]
    name = Path(command[0]).name
    output = log.open("ab") if log else subprocess.PIPE
    text = isinstance(stdin, str)
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE if text else stdin,
            stdout=output,
            stderr=subprocess.STDOUT if log else subprocess.PIPE,
            cwd=directory,
            env=base_environment() | dict(environment or {}),
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise LabError(f"{error.filename} is missing: `./hyperv-ci lab install` brings it") from error
    finally:
        if log:
            output.close()
    try:
        out, errors = process.communicate(stdin.encode() if text else None)
    except BaseException:
        # Interrupted: the program and what it started end with us.
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()
        raise
    if process.returncode:
        words = last_words(log) if log else telling_line((errors or out).decode(errors="replace"))
        raise LabError(f"{name} {_subject(command)}ended with {process.returncode}: {words}", log)
    return (out or b"").decode()


def git(
    repository: Path,
    *arguments: str | Path,
    stdin: str | int = subprocess.DEVNULL,
    environment: Mapping[str, str] | None = None,
) -> str:
    """Run git on a repository, without the user's own configuration, and return what it prints."""
    clean = {
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        # The lab reads repositories of the user it runs for, and of whoever that user names.
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "*",
    }
    return run(
        ["git", "-C", repository, *arguments], stdin=stdin, environment=clean | dict(environment or {})
    )


def _subject(command: Sequence[str]) -> str:
    words = [word for word in command[1:] if re.fullmatch(r"\w[\w.-]*", word)]
    return f"{words[0]} " if words else ""
