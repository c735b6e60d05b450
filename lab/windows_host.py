# SPDX-License-Identifier: Apache-2.0
r"""One simulated Windows Hyper-V host: a process that owns its state and ends with all that runs on it.

``python -m lab.windows_host --root DIR --address A --port 5986 --name NAME --image IMAGEDIR --tls DIR``

DIR keeps the host (C/, registry.json, accounts.json, events.jsonl, logs/, run/) and, once it answers, the
file ``ready`` with the URLs of its listeners, HTTPS last.
The image's C/ shows in C:\ read-only. Hosts with the same ``--network`` reach each other (lab/hyperv_model/
neighbours.py), and C/ is a link into it. ``--state`` keeps Hyper-V's state over restarts of the process;
SIGUSR1 saves it at once, see lab/host_state.py. ``--tls`` holds server.pem, server.key and, in authorized/,
the client certificates that log on the user of their UPN. What goes wrong by rule is in lab/faults.py; SIGHUP
reads the rules anew. SIGTERM ends the host.
"""

import argparse
import logging
import signal
import sys
import threading
from pathlib import Path

from lab import faults, host_state, windows_shims, winrm_server
from lab.hyperv_model import server as wmi_server
from lab.hyperv_model.host import HostFacts
from lab.hyperv_model.model import Model
from lab.hyperv_model.neighbours import Neighbours
from lab.windows_sandbox import shares
from lab.windows_sandbox.host import WindowsHost, computer_name
from lab.windows_sandbox.installation import PRODUCT

# sun_path of unix(7) holds 107 bytes; the longest socket is run/services.sock.
LONGEST_ROOT = 107 - len("/run/services.sock")

# Seconds for which a host that restarts does not answer. A real one takes minutes; here clients shall notice
# it, not wait for it.
DOWNTIME = 2


class HostError(Exception):
    """A host that cannot be had; the message is one line for the user."""


def parsed(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="windows_host", description="One simulated Windows Hyper-V host.")
    parser.add_argument("--root", type=Path, required=True, help="folder of the host")
    parser.add_argument("--address", required=True, help="address to answer at")
    parser.add_argument("--port", type=int, default=5986, help="port of WinRM over HTTPS; 0 takes a free one")
    parser.add_argument(
        "--http-port", type=int, default=5985, help="port of WinRM over HTTP; 0 takes a free one"
    )
    parser.add_argument("--name", required=True, help="the host's name")
    parser.add_argument("--image", type=Path, help=r"folder whose C/ shows in C:\ read-only")
    parser.add_argument(
        "--tls", type=Path, required=True, help="folder of server.pem, server.key and authorized/*.pem"
    )
    parser.add_argument("--network", type=Path, help="folder shared with the hosts that this one reaches")
    parser.add_argument(
        "--state",
        type=Path,
        help="file that the state of Hyper-V is loaded from, if it is there, and saved to",
    )
    parser.add_argument("--faults", type=Path, help="file of fault rules instead of faults.json in --root")
    return parser.parse_args(arguments)


def run(options: argparse.Namespace, stop: threading.Event) -> None:
    """Be the host until `stop` is set; HostError says why it cannot be."""
    root = options.root.resolve()
    if len(str(root)) > LONGEST_ROOT:
        raise HostError(f"the folder {root} is too long for Unix sockets: at most {LONGEST_ROOT} bytes")
    for path in (options.tls / "server.pem", options.tls / "server.key"):
        if not path.is_file():
            raise HostError(f"{path} is missing: expected the certificate and key of the WinRM listener")
    if options.image and not (options.image / "C").is_dir():
        raise HostError(f"image {options.image} has no folder C")
    ready = root / "ready"
    ready.unlink(missing_ok=True)
    image = options.image.resolve() if options.image else None
    neighbours = None
    if options.network:
        name = computer_name(options.name)
        neighbours = Neighbours(options.network.resolve(), name, options.address, options.name)
    host = WindowsHost(root, options.address, options.name, image, windows_shims.mounts(), neighbours)
    try:
        _authorize(host, options.tls / "authorized")
        context = winrm_server.server_context(options.tls / "server.pem", options.tls / "server.key")
        model = Model(
            host.computer_name,
            shares.local_path(host.filesystem, neighbours),
            host.run_folder,
            HostFacts(address=options.address, caption=f"Microsoft {PRODUCT}"),
            neighbours=neighbours,
        )
        if options.state and options.state.exists():
            host_state.load(options.state, model)
        wmi = wmi_server.serve(model, host.run_folder / "wmi.sock")
        host.boot(model, context)
        rules = faults.Faults(options.faults or root / "faults.json", model.faults)
        rules.load()
        signal.signal(signal.SIGHUP, lambda *_: _reload(rules))
        if options.state:
            signal.signal(signal.SIGUSR1, lambda *_: _save(options.state, host, model))
        host.filesystem.check_space = model.check_space = rules.check_space
        winrm = winrm_server.Server(
            host, options.address, options.port, context, options.http_port, rules.disturb
        )
        restarting = threading.Lock()
        host.restart = lambda: _restart(host, winrm, stop, restarting)
        model.on_shutdown = lambda again: _shut_down(host, stop, again)
        winrm.start()
        new = ready.with_suffix(".new")
        new.write_text(f"http://{winrm.address}:{winrm.http_port}\nhttps://{winrm.address}:{winrm.port}\n")
        new.rename(ready)
        logging.info("%s answers at %s:%d", host.name, winrm.address, winrm.port)
        stop.wait()
        with restarting:
            ready.unlink()
            winrm.stop()
            wmi.close()
            if options.state:
                host_state.save(options.state, model, host.services)
            model.close()
    finally:
        host.close()


def _restart(
    host: WindowsHost, winrm: winrm_server.Server, stop: threading.Event, restarting: threading.Lock
) -> None:
    """Go down and come back, unless the host is being stopped for good."""
    with restarting:
        if stop.is_set():
            return
        logging.info("%s goes down for a restart", host.name)
        winrm.stop()
        host.shut_down()
        if stop.wait(DOWNTIME):
            return
        host.start_up()
        winrm.start()
        logging.info("%s is back", host.name)


def _shut_down(host: WindowsHost, stop: threading.Event, again: bool) -> None:
    """What Win32Shutdown does: a moment after it was answered, the host restarts or is off for good."""
    if again:
        host.schedule_restart(1, "SYSTEM", "Win32Shutdown")
    else:
        threading.Timer(1, stop.set).start()


def _reload(rules: faults.Faults) -> None:
    try:
        rules.load()
    except faults.RuleError as error:
        logging.error("%s", error)


def _save(path: Path, host: WindowsHost, model: Model) -> None:
    try:
        host_state.save(path, model, host.services)
    except host_state.StateError as error:
        logging.error("%s", error)
    else:
        logging.info("saved the state of %s in %s", host.name, path)


def _authorize(host: WindowsHost, folder: Path) -> None:
    for path in sorted(folder.glob("*.pem")):
        try:
            host.authorize(path.read_text())
        except ValueError as error:
            raise HostError(f"{path}: {error}") from error


def main() -> int:
    """Run the host that the command line describes and return the exit code."""
    options = parsed(sys.argv[1:])
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        run(options, stop)
    except (HostError, faults.RuleError, host_state.StateError, OSError, ValueError) as error:
        text = error.strerror if isinstance(error, OSError) and not error.filename else error
        print(f"windows_host: {text}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
