# SPDX-License-Identifier: Apache-2.0
"""What one simulated host costs, held against its aims: readiness, memory, a module call, ListInstances.

Each figure is the median of its runs. On a machine that does other things too, the CPU time says more than
the time that passed.
"""

import base64
import json
import logging
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from xml.sax.saxutils import escape

from rich.table import Table

from lab.home import CHECKOUT
from lab.hyperv_model import Model
from lab.services import processes
from lab.windows_sandbox.ansible import payload
from lab.windows_sandbox.host import WindowsHost
from lab.winrm_server.protocol import ADDRESSING, SHELL, SOAP, TRANSFER, WSMAN
from lab.winrm_server.service import Service

V2 = "root/virtualization/v2"
# What os-win's list_instances asks.
LIST_INSTANCES = (
    "SELECT ElementName FROM Msvm_VirtualSystemSettingData WHERE VirtualSystemType ="
    " 'Microsoft:Hyper-V:System:Realized'"
)
NETWORK = "127.30.255"
MANY_HOSTS = 20

READY, MEMORY, MODULE_CALL, GROWTH = 2.0, 80, 10, 1.0


def table(runs: int) -> Table:
    """Measure, and return the figures with their aims."""
    # The module is no one's, as the host would say each time.
    logging.getLogger("lab").setLevel(logging.ERROR)
    result = Table("", "median", "CPU time", "aim", "of the aim")
    ready, cpu, memory = map(statistics.median, zip(*(hosts(1) for _ in range(runs)), strict=True))
    result.add_row("host ready", f"{ready:.2f} s", f"{cpu:.2f} s", f"{READY:.0f} s", f"{ready / READY:.2f}")
    result.add_row("memory of a host", f"{memory:.0f} MiB", "", f"{MEMORY} MiB", f"{memory / MEMORY:.2f}")
    ready, cpu, memory = hosts(MANY_HOSTS)
    result.add_row(f"{MANY_HOSTS} hosts at once, all ready", f"{ready:.2f} s", f"{cpu:.2f} s", "", "")
    result.add_row(
        "memory of each of them", f"{memory:.0f} MiB", "", f"{MEMORY} MiB", f"{memory / MEMORY:.2f}"
    )
    call, cpu = module_call(20 * runs)
    result.add_row(
        "a module call, in the server",
        f"{call:.1f} ms",
        f"{cpu:.1f} ms",
        f"{MODULE_CALL} ms",
        f"{call / MODULE_CALL:.2f}",
    )
    (few, few_cpu), (many, many_cpu) = list_instances(100, runs), list_instances(1000, runs)
    result.add_row("ListInstances, 100 VMs", f"{few:.1f} ms", f"{few_cpu:.1f} ms", "", "")
    result.add_row("ListInstances, 1,000 VMs", f"{many:.1f} ms", f"{many_cpu:.1f} ms", "", "")
    growth, cpu = many / few / 10, many_cpu / few_cpu / 10
    result.add_row(
        "its growth against linear", f"{growth:.2f}", f"{cpu:.2f}", f"{GROWTH:.0f}", f"{growth / GROWTH:.2f}"
    )
    return result


def hosts(count: int) -> tuple[float, float, float]:
    """Return the seconds until so many hosts, started at once, answer; of each, its CPU seconds and MiB."""
    with tempfile.TemporaryDirectory(prefix="host-") as folder:
        tls = Path(folder) / "tls"
        tls.mkdir()
        _make_certificate(tls)
        roots = [Path(folder) / f"node-{number}" for number in range(count)]
        started = time.monotonic()
        started_hosts = [_start(root, number, tls) for number, root in enumerate(roots)]
        try:
            for root, host in zip(roots, started_hosts, strict=True):
                while not (root / "ready").exists():
                    if host.poll() is not None:
                        raise RuntimeError(f"the host ended with {host.returncode} before it was ready")
                    time.sleep(0.005)
            seconds = time.monotonic() - started
            spent = [_cpu_seconds(host.pid) for host in started_hosts]
            sizes = [processes.proportional_memory(host.pid) / 1024 for host in started_hosts]
        finally:
            for host in started_hosts:
                host.terminate()
            for host in started_hosts:
                host.wait()
    return seconds, statistics.mean(spent), statistics.mean(sizes)


def _cpu_seconds(pid: int) -> float:
    """utime, stime, cutime and cstime of proc(5)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def _make_certificate(tls: Path) -> None:
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", tls / "server.key"]
    command = ["openssl", "req", "-x509", *key, "-days", "1", "-subj", "/CN=host", "-out", tls / "server.pem"]
    subprocess.run(command, check=True, capture_output=True)


def _start(root: Path, number: int, tls: Path) -> subprocess.Popen:
    command = [sys.executable, "-m", "lab.windows_host", "--root", root, "--tls", tls]
    command += ["--name", f"bench-{number}", "--address", f"{NETWORK}.{number + 1}"]
    command += ["--port", "0", "--http-port", "0"]
    return subprocess.Popen(command, cwd=CHECKOUT, stderr=subprocess.DEVNULL)


def module_call(runs: int) -> tuple[float, float]:
    """Return the milliseconds, and those of CPU time, that the server spends on win_ping with its shell."""
    with tempfile.TemporaryDirectory() as folder:
        host = WindowsHost(Path(folder), f"{NETWORK}.254", "bench")
        host.accounts.ensure_administrator("zuul")
        service = Service(host)
        times = [_timed(lambda: _ping(service)) for _ in range(runs)]
        service.close()
        host.close()
    return _medians(times)


def _timed(act: Callable[[], object]) -> tuple[float, float]:
    started, cpu = time.monotonic(), time.process_time()
    act()
    return (time.monotonic() - started) * 1000, (time.process_time() - cpu) * 1000


def _medians(times: list[tuple[float, float]]) -> tuple[float, float]:
    taken, cpu = zip(*times, strict=True)
    return statistics.median(taken), statistics.median(cpu)


def _ping(service: Service) -> None:
    """Do what Ansible does for a plain module (ansible-core 2.18)."""
    bootstrap = base64.b64encode(payload.BOOTSTRAPS[0].encode("utf-16-le")).decode()
    module = {
        "module_entry": base64.b64encode(b"#!powershell\n").decode(),
        "module_args": {"_ansible_module_name": "ansible.windows.win_ping"},
        "actions": ["module_powershell_wrapper"],
        "environment": [],
    }
    stdin = base64.b64encode(b"wrapper\0\0\0\0" + json.dumps(module).encode()).decode()
    shell = re.search("<rsp:ShellId>([^<]+)", _ask(service, TRANSFER + "/Create", "<rsp:Shell/>"))[1]
    line = f"<rsp:Command>powershell -EncodedCommand {bootstrap}</rsp:Command>"
    line = f"<rsp:CommandLine>{line}</rsp:CommandLine>"
    option = '<w:OptionSet><w:Option Name="WINRS_CONSOLEMODE_STDIN">FALSE</w:Option></w:OptionSet>'
    command = re.search("<rsp:CommandId>([^<]+)", _ask(service, SHELL + "/Command", line, shell, option))[1]
    about = f'CommandId="{command}"'
    _ask(
        service,
        SHELL + "/Send",
        f'<rsp:Send><rsp:Stream {about} End="true">{stdin}</rsp:Stream></rsp:Send>',
        shell,
    )
    wanted = f"<rsp:Receive><rsp:DesiredStream {about}>stdout stderr</rsp:DesiredStream></rsp:Receive>"
    while "CommandState/Done" not in _ask(service, SHELL + "/Receive", wanted, shell):
        pass
    code = f"<rsp:Code>{SHELL}/signal/terminate</rsp:Code>"
    _ask(service, SHELL + "/Signal", f"<rsp:Signal {about}>{code}</rsp:Signal>", shell)
    _ask(service, TRANSFER + "/Delete", "", shell)


def _ask(service: Service, action: str, body: str, shell: str = "", options: str = "") -> str:
    header = (
        f"<a:Action>{escape(action)}</a:Action><a:MessageID>uuid:{uuid.uuid4()}</a:MessageID>"
        f"<w:ResourceURI>{SHELL}/cmd</w:ResourceURI>"
        f'<w:SelectorSet><w:Selector Name="ShellId">{shell}</w:Selector></w:SelectorSet>{options}'
    )
    envelope = (
        f'<s:Envelope xmlns:s="{SOAP}" xmlns:a="{ADDRESSING}" xmlns:w="{WSMAN}" xmlns:rsp="{SHELL}">'
        f"<s:Header>{header}</s:Header><s:Body>{body}</s:Body></s:Envelope>"
    )
    status, answer = service.answer(envelope.encode(), "zuul")
    if status != 200:
        raise RuntimeError(f"{action} was answered with {answer.decode()}")
    return answer.decode()


def list_instances(machines: int, runs: int) -> tuple[float, float]:
    """Return the milliseconds, and those of CPU time, of the query behind ListInstances with so many VMs."""
    model = Model("BENCH", lambda path: Path("/nowhere"), job_seconds=0)
    namespace = model.namespace(V2)
    service = namespace.query("SELECT * FROM Msvm_VirtualSystemManagementService")[0].path
    settings = '<INSTANCE CLASSNAME="Msvm_VirtualSystemSettingData"></INSTANCE>'
    for _machine in range(machines):
        namespace.invoke(service, "DefineSystem", {"SystemSettings": settings})
    times = [_timed(lambda: namespace.query(LIST_INSTANCES)) for _ in range(runs)]
    found = len(namespace.query(LIST_INSTANCES))
    model.close()
    if found != machines:
        raise RuntimeError(f"ListInstances found {found} of {machines} virtual machines")
    return _medians(times)
