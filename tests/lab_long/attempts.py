# SPDX-License-Identifier: Apache-2.0
"""What hostile code in a job tries: `python3 attempts.py LAB`, where the file LAB says what there is to try.

Prints a JSON object: for each attempt what it got, or null if it got nothing. Needs Python and programs that
the executor's sandbox and a controller node have; in the environment OWN_NODE, as address:port, and WORK.
"""

import json
import os
import socket
import ssl
import subprocess
import sys
import urllib.request

QUIET = ["-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]
TIMEOUT = 10


def request(url, data=None):
    """Return the answer's body; an error status is an exception."""
    body = None if data is None else json.dumps(data).encode()
    sent = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(sent, timeout=TIMEOUT) as answer:
        return answer.read(200).decode(errors="replace")


def output(*command):
    """Return what a program prints; None if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    return done.stdout[:200] or "done" if done.returncode == 0 else None


def ssh(address, port, user="zuul", *command):
    """Log in with what the agent has."""
    return output("ssh", *QUIET, "-p", str(port), f"{user}@{address}", *(command or ("hostname",)))


def read(path):
    """Return the beginning of a file, or what a folder holds."""
    if os.path.isdir(path):
        return " ".join(os.listdir(path))
    with open(path, "rb") as file:
        return file.read(200).decode(errors="replace")


def zookeeper(address, port):
    """Talk to ZooKeeper without a certificate: its answer to `ruok`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection((address, port), TIMEOUT) as connection,
        context.wrap_socket(connection) as encrypted,
    ):
        encrypted.sendall(b"ruok")
        return encrypted.recv(100).decode(errors="replace") or None


def winrm(address, port):
    """Ask a Windows node for anything, with the certificate of this build: its HTTP status line."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    pair = [os.path.join(os.environ["WORK"], "winrm", f"build.{part}") for part in ("pem", "key")]
    if os.path.exists(pair[0]):
        context.load_cert_chain(*pair)
    mutual = "Authorization: http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/https/mutual"
    head = f"POST /wsman HTTP/1.1\r\nHost: {address}\r\n{mutual}\r\nContent-Length: 0\r\n\r\n"
    with (
        socket.create_connection((address, port), TIMEOUT) as connection,
        context.wrap_socket(connection) as encrypted,
    ):
        encrypted.sendall(head.encode())
        status = encrypted.recv(1000).decode(errors="replace").splitlines()[0]
    return None if " 401 " in status or " 403 " in status else status


def attempts(lab):
    """Return functions by what they try."""
    tries = {f"read {path}": lambda path=path: read(path) for path in lab["secret"]}
    tries |= {f"write {path}": lambda path=path: open(f"{path}/x", "x") and "done" for path in lab["foreign"]}
    own = os.path.basename(os.path.dirname(os.environ["WORK"]))
    tries["another build's files"] = lambda: " ".join({*os.listdir(lab["builds"])} - {own})
    tries["another key in the agent"] = lambda: "\n".join(
        (output("ssh-add", "-L") or "").splitlines()[1:] or ()
    )
    tries["Gerrit as the CI"] = lambda: ssh("127.0.0.1", lab["gerrit_ssh"], "hyperv-ci", "gerrit", "version")
    tries["Gerrit's accounts"] = lambda: request(f"{lab['gerrit']}/a/accounts/self")
    tries["a merge in Gerrit"] = lambda: request(f"{lab['gerrit']}/changes/1/submit", {})
    source = os.path.join(os.environ["WORK"], "src", "127.0.0.1", "hyperv-ci")
    tries["a push to Gerrit"] = lambda: output(
        "git", "-C", source, "push", f"{lab['gerrit']}/hyperv-ci", "HEAD:refs/heads/master"
    )
    tries["ZooKeeper"] = lambda: zookeeper(*lab["zookeeper"])
    enqueue = f"{lab['zuul']}/api/tenant/hyperv/project/openstack/nova/enqueue"
    body = {"trigger": "gerrit", "pipeline": "gate", "change": "1,1"}
    tries["Zuul's administration"] = lambda: request(enqueue, body)
    for address, port in lab["nodes"]:
        if address == os.environ["OWN_NODE"].partition(":")[0]:
            continue  # the address of a node that has ended, given to this build's
        tries[f"log in to {address}"] = lambda a=address, p=port: winrm(a, p) if p == 5986 else ssh(a, p)
    tries["its own work"] = lambda: read(os.getcwd())
    tries["its own node"] = lambda: ssh(*os.environ["OWN_NODE"].split(":"))
    tries["Gerrit in public"] = lambda: request(f"{lab['gerrit']}/config/server/version")
    return tries


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        lab = json.load(file)
    got = {}
    for name, attempt in attempts(lab).items():
        try:
            got[name] = attempt() or None
        except (OSError, subprocess.SubprocessError, ssl.SSLError) as error:
            print(f"{name}: {error}", file=sys.stderr)
            got[name] = None
    print(json.dumps(got))


if __name__ == "__main__":
    main()
