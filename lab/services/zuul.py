# SPDX-License-Identifier: Apache-2.0
"""Zuul: scheduler, executor, web."""

import configparser
import sysconfig
from pathlib import Path

import requests
import yaml

from lab import config_project
from lab.commands import run
from lab.errors import LabError
from lab.home import CHECKOUT, Home
from lab.services import accounts, database, gerrit, mail, zookeeper
from lab.services.daemon import Daemon
from lab.services.keys import password, write_secret

ADDRESS, PORT, FINGER_PORT = "127.0.0.1", 9000, 7979
URL = f"http://{ADDRESS}:{PORT}"
TENANT = "hyperv"
SERVICES = ("zuul-scheduler", "zuul-executor", "zuul-web", "attendant")
# What starts a service, where it is not Zuul's own program.
PROGRAMS = {
    "zuul-scheduler": CHECKOUT / "verdict/scheduler.py",
    "zuul-executor": Path(__file__).with_name("zuul_executor.py"),
    "attendant": CHECKOUT / "verdict/attendant.py",
}
TENANT_CONFIGURATION = [
    {
        "tenant": {
            "name": TENANT,
            "source": {
                "gerrit": {
                    "config-projects": [accounts.CONFIG],
                    # What nova's own zuul.yaml says is for OpenStack's Zuul.
                    "untrusted-projects": [accounts.DRIVER, {accounts.NOVA: {"include": []}}],
                }
            },
        }
    }
]


def daemon(home: Home, service: str) -> Daemon:
    """Return the daemon of one of SERVICES."""
    return Daemon(home, service, grace=15)


def configure(home: Home, site_url: str) -> None:
    """Write zuul.conf, the tenant and the site variables.

    :param site_url: where the published log pages are seen
    """
    for name in ("scheduler", "executor", "git", "builds", "merger", "keys"):
        (home.zuul / name).mkdir(parents=True, mode=0o700)
    # So that the comment's links open the page that says why, and not Zuul's own.
    tenant = TENANT_CONFIGURATION[0]["tenant"] | {"web-root": f"{site_url}/"}
    write_secret(home.zuul / "tenants.yaml", yaml.safe_dump([{"tenant": tenant}]))
    accounts.copy_client(home, accounts.PUBLISHER, home.keys / "publisher")
    write_secret(home.zuul / "site-variables.yaml", yaml.safe_dump(site_variables(home, site_url)))
    names = config_project.settings()
    settings = {
        "zookeeper": {
            "hosts": f"{zookeeper.ADDRESS}:{zookeeper.PORT}",
            "tls_cert": home.tls / "client.pem",
            "tls_key": home.tls / "client.key",
            "tls_ca": home.tls / "ca.pem",
            "session_timeout": 40,
        },
        "keystore": {"password": password()},
        "database": {"dburi": database.uri(home)},
        "scheduler": {
            "command_socket": home.zuul / "scheduler.socket",
            "state_dir": home.zuul / "scheduler",
            "tenant_config": home.zuul / "tenants.yaml",
        },
        "connection gerrit": {
            "driver": "gerrit",
            "server": gerrit.ADDRESS,
            "port": gerrit.SSH_PORT,
            "baseurl": gerrit.URL,
            "user": accounts.CI.name,
            "sshkey": home.accounts / accounts.CI.name / "id_ed25519",
            "password": (home.accounts / accounts.CI.name / "http-password").read_text().strip(),
            "auth_type": "basic",
        },
        "connection smtp": {
            "driver": "smtp",
            "server": mail.ADDRESS,
            "port": mail.PORT,
            "default_from": names["ci_sender"],
            "default_to": names["ci_contact"],
        },
        # Whoever has the secret may have Zuul run and hold things: verdict/attendant.py, and `lab hold`.
        "auth zuul_operator": {
            "driver": "HS256",
            "allow_authz_override": "true",
            "realm": URL,
            "issuer_id": "zuul_operator",
            "client_id": URL,
            "secret": password(),
        },
        "executor": {
            "command_socket": home.zuul / "executor.socket",
            "state_dir": home.zuul / "executor",
            "git_dir": home.zuul / "git",
            "job_dir": home.zuul / "builds",
            "hostname": ADDRESS,
            "finger_port": FINGER_PORT,
            "sigterm_method": "stop",
            "ansible_root": home.ansible,
            "manage_ansible": "false",
            "ansible_setup_timeout": 300,
            "disk_limit_per_job": 4000,
            # By default no build starts while the load is above 2.5 times the number of cores, which one run
            # on two cores reaches: Nodepool's max-servers says how many runs there may be.
            "load_multiplier": 100,
            "variables": home.zuul / "site-variables.yaml",
            "private_key_file": home.keys / "node",
            "winrm_cert_pem_file": home.keys / "winrm/winrm.pem",
            "winrm_cert_key_file": home.keys / "winrm/winrm.key",
            # Untrusted playbooks, which a change can rewrite, see neither.
            "trusted_ro_paths": f"{home.keys / 'winrm'}:{home.keys / 'publisher'}",
            "trusted_rw_paths": home.site,
        },
        "merger": {
            "git_dir": home.zuul / "merger",
            "git_user_name": accounts.CI.full_name,
            "git_user_email": accounts.CI.email,
        },
        "web": {
            "command_socket": home.zuul / "web.socket",
            "listen_address": ADDRESS,
            "port": PORT,
            "root": URL,
        },
    }
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_dict(
        {
            section: {name: str(value) for name, value in values.items()}
            for section, values in settings.items()
        }
    )
    with write_secret(home.zuul / "zuul.conf", "").open("w", encoding="utf-8") as file:
        parser.write(file)


# Where cinder has volumes, on a run's controller: lab/cinder_driver.py, as the run's checkout has it.
VOLUME_BACKEND = {
    "name": "simulated",
    "python_path": "{{ controller_sources }}/hyperv-ci",
    "options": {"volume_driver": "lab.cinder_driver.SimulatedTargets"},
}


def site_variables(home: Home, site_url: str) -> dict[str, str | bool | dict]:
    """Return what the lab as a site tells every job: trusted/README.rst says what each means."""
    return {
        "site_log_root": str(home.site),
        "site_log_url": site_url,
        "site_publish_ssh_config": str(home.keys / "publisher/ssh_config"),
        "site_zuul_url": f"{URL}/t/{TENANT}",
        "site_windows_simulated": True,
        "wheelhouse_platform": wheelhouse_platform(),
        "volume_backend": VOLUME_BACKEND,
    }


def wheelhouse_platform() -> str:
    """Return the tag of wheels for the lab's Windows nodes, which are processes of this machine."""
    return sysconfig.get_platform().replace("-", "_")


def start(home: Home, service: str) -> None:
    """Start one of SERVICES."""
    program: list[str | Path] = [home.venv("zuul", service), "-f"]
    if service in PROGRAMS:
        # -P: this folder's zuul.py is not the package that the script imports.
        program = [home.venv("zuul"), "-P", PROGRAMS[service]]
        program += ["--tenant", TENANT] if service == "attendant" else ["-f"]
    # Zuul's own programs (zuul-bwrap, ansible's) lie beside the interpreter.
    path = f"{home.venvs}/zuul/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    environment = {"PATH": path, **git_credentials(home.accounts / accounts.CI.name / "git-credentials")}
    daemon(home, service).start([*program, "-c", home.zuul / "zuul.conf"], environment)


def git_credentials(file: Path) -> dict[str, str]:
    """Return the environment in which git knows the passwords of a file of its credential helper `store`."""
    return {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "credential.helper",
        "GIT_CONFIG_VALUE_0": f"store --file='{file}'",
    }


def wait(home: Home) -> None:
    """Wait until Zuul's web shows the tenant, loaded by the scheduler, and an executor that takes builds."""
    for service, answers in (("zuul-scheduler", _tenant_loaded), ("zuul-executor", _executor_ready)):
        daemon(home, service).wait(answers, 180)


def reconfigure(home: Home) -> None:
    """Have Zuul read all configuration again, and wait until it has.

    A direct push to a config project alone does not make it do so.
    """
    before = get(f"tenant/{TENANT}/status")["last_reconfigured"]
    run([home.venv("zuul", "zuul-scheduler"), "-c", home.zuul / "zuul.conf", "full-reconfigure"])
    daemon(home, "zuul-scheduler").wait(
        lambda: (get(f"tenant/{TENANT}/status") or {}).get("last_reconfigured", 0) > before, 120
    )


def _tenant_loaded() -> bool:
    return any(tenant["name"] == TENANT for tenant in get("tenants") or [])


def _executor_ready() -> bool:
    components = get("components") or {}
    return any(executor["state"] == "running" for executor in components.get("executor", []))


def get(path: str):
    """Return what Zuul's REST API says, or None if there is no such thing, or not yet."""
    try:
        answer = requests.get(f"{URL}/api/{path}", timeout=10)
    except (requests.ConnectionError, requests.Timeout):
        return None
    # While the scheduler loads the tenant, Zuul's web answers with 404 and 500.
    return answer.json() if answer.ok else None


def administer(home: Home, method: str, path: str, **body) -> requests.Response:
    """Ask Zuul's REST API for what only an administrator of the tenant may do.

    :param path: below the tenant
    :param body: arguments of requests.request, such as json
    :raises LabError: if Zuul refuses: says what it answered
    """
    program = [home.venv("zuul", "zuul-admin"), "-c", home.zuul / "zuul.conf", "create-auth-token"]
    bearer = run([*program, "--auth-config", "zuul_operator", "--tenant", TENANT, "--user", "lab"])
    url, headers = f"{URL}/api/tenant/{TENANT}/{path}", {"Authorization": bearer.strip()}
    answer = requests.request(method, url, headers=headers, timeout=30, **body)
    if not answer.ok:
        raise LabError(f"Zuul answered {answer.status_code} to {method} {path}: {answer.text.strip()}")
    return answer
