# SPDX-License-Identifier: Apache-2.0
"""Wait until every service of a control plane answers; say which one does not, and the end of its log."""

import argparse
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

PATHS = {
    "keystone": ":5000/v3",
    "glance": ":9292/versions",
    "placement": ":8778/",
    "neutron": ":9696/",
    "nova-api": ":8774/",
    "cinder-api": ":8776/",
}
SHOWN_LINES = 25


class ServiceDown(Exception):
    """A service that ended or does not answer; the message is for the user."""


def programs(supervisor):
    """Return the state of each program, as supervisord has it, by name."""
    command = [Path(sys.executable).with_name("supervisorctl"), "--configuration", supervisor, "status"]
    # Ends with 3 if any program does not run.
    ended = subprocess.run(command, capture_output=True, text=True)
    if ended.returncode not in (0, 3):
        raise ServiceDown(
            f"supervisorctl ended with {ended.returncode}: {ended.stdout.strip() or ended.stderr.strip()}"
        )
    lines = [line.split() for line in ended.stdout.splitlines()]
    return {line[0]: line[1] for line in lines}


def answer(url):
    """Return the HTTP status of a URL; None if nothing answers there yet."""
    try:
        with urllib.request.urlopen(url, timeout=10) as response:
            return response.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return None


def complaint(text, logs, name):
    """Return an error with the end of a program's log."""
    lines = (logs / f"{name}.log").read_text(errors="replace").splitlines()[-SHOWN_LINES:]
    return ServiceDown("\n  ".join([f"{name} {text}; the end of its log:", *lines]))


def wait(given):
    """Return when every service answers; ServiceDown if one ended, or does not answer in time."""
    started = time.monotonic()
    # Not every control plane has every service.
    left = {name: path for name, path in PATHS.items() if name in programs(given.supervisor)}
    while True:
        for name, state in programs(given.supervisor).items():
            if state not in ("RUNNING", "STARTING"):
                raise complaint(f"ended: supervisord says {state}", given.logs, name)
        for name, path in list(left.items()):
            # A server error is an answer too: of a service that started and cannot work.
            status = answer(f"http://{given.address}{path}")
            if status is not None:
                if status >= 500:
                    raise complaint(f"answers with {status}", given.logs, name)
                print(f"{name} answers after {time.monotonic() - started:.1f} s")
                del left[name]
        if not left:
            return
        if time.monotonic() - started > given.timeout:
            name = next(iter(left))
            raise complaint(f"does not answer after {given.timeout} s", given.logs, name)
        time.sleep(0.5)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--address", required=True)
    parser.add_argument("--timeout", type=float, required=True, help="seconds")
    parser.add_argument("--supervisor", required=True, help="supervisord's configuration")
    parser.add_argument("--logs", type=Path, required=True, help="folder of the programs' logs")
    try:
        wait(parser.parse_args())
    except ServiceDown as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
