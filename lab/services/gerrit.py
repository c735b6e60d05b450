# SPDX-License-Identifier: Apache-2.0
"""Gerrit without its WAR: two jars from Maven Central, an initialised site to copy, one daemon."""

import secrets
import shutil
import subprocess
from pathlib import Path

import requests

from lab.commands import git, run
from lab.home import Home
from lab.services.daemon import Daemon
from lab.services.keys import write_secret, write_ssh_key

VERSION = "3.10.2"
ADDRESS, HTTP_PORT, SSH_PORT = "127.0.0.1", 8080, 29418
URL = f"http://{ADDRESS}:{HTTP_PORT}"
ADMIN_REF = (
    "refs/users/00/1000000"  # the account that Init makes; refs/users/ is sharded by the id's last digits
)

JAVA = (
    "java",
    "-Xmx512m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Djava.awt.headless=true",
    *(f"--add-opens=java.base/java.{package}=ALL-UNNAMED" for package in ("net", "lang", "lang.invoke")),
    "-Dflogger.backend_factory=com.google.common.flogger.backend.log4j.Log4jBackendFactory#getInstance",
    "-Dflogger.logging_context=com.google.gerrit.server.logging.LoggingContext#getInstance",
)

# auth.type: in OPENID mode one logs in over the web at a provider only, and no provider matches: HTTP
# passwords and SSH keys remain. (CUSTOM_EXTENSION and OAUTH would say it better, but do not start without a
# plugin. The mode that Init needs lets anyone who reaches the port become anyone.)
CONFIGURATION = f"""\
[gerrit]
	basePath = git
	canonicalWebUrl = {URL}/
[auth]
	type = OPENID
	allowedOpenID = ^https://no-provider[.]invalid/$
	userNameCaseInsensitive = true
	enableRunAs = false
[noteDb "changes"]
	; Numbers without gaps, though the lab goes up and down.
	sequenceBatchSize = 1
[index]
	type = lucene
[sendemail]
	enable = false
[httpd]
	listenUrl = {URL}/
	requestLog = false
[sshd]
	listenAddress = {ADDRESS}:{SSH_PORT}
	advertisedAddress = {ADDRESS}:{SSH_PORT}
[cache]
	directory = cache
[plugins]
	allowRemoteAdmin = false
"""

# Until Gerrit opens its own logs, what goes wrong reaches the daemon's log only through these.
LOG4J = """\
log4j.rootLogger=INFO, out
log4j.appender.out=org.apache.log4j.ConsoleAppender
log4j.appender.out.layout=org.apache.log4j.PatternLayout
log4j.appender.out.layout.ConversionPattern=%d %p %c: %m%n
"""


def daemon(home: Home) -> Daemon:
    """Return Gerrit's daemon."""
    return Daemon(home, "gerrit", grace=15)


def make_template(home: Home, template: Path, _recipe: str, log: Path) -> None:
    """Make an initialised site whose administrator has neither password nor key."""
    # The jars do not say which version they are (the WAR does); Zuul asks, and takes "(dev)" for an old one.
    version = home.gerrit / "version/com/google/gerrit/common/Version"
    version.parent.mkdir(parents=True, exist_ok=True)
    version.write_text(VERSION, encoding="ascii")
    (home.gerrit / "log4j.properties").write_text(LOG4J, encoding="utf-8")
    shutil.rmtree(template, ignore_errors=True)
    run([*_program(home), "init", "-d", template, "--batch", "--no-auto-start", "--dev"], log=log)
    _forget_passwords(template / "git/All-Users.git")
    for rest in ("bin", "cache", "logs", "tmp", "plugins", "static"):
        shutil.rmtree(template / rest)
    for key in (template / "etc").glob("ssh_host_*"):
        key.unlink()
    (template / "etc/secure.config").unlink()


def start(home: Home) -> None:
    """Start Gerrit on the site that an earlier lab left, or on a new one; its keys are new either way."""
    site = home.gerrit_site
    if not site.exists():
        unfinished = site.with_name("gerrit.unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        shutil.copytree(home.gerrit / "site", unfinished, symlinks=True)
        unfinished.rename(site)
    shutil.rmtree(site / "cache", ignore_errors=True)
    site.chmod(0o700)
    configuration = site / "etc/gerrit.config"
    # Init made it up; the changes in the site carry it.
    server_id = git(site, "config", "--file", configuration, "gerrit.serverId").strip()
    configuration.write_text(f"{CONFIGURATION}[gerrit]\n\tserverId = {server_id}\n", encoding="utf-8")
    write_secret(
        site / "etc/secure.config", f"[auth]\n\tregisterEmailPrivateKey = {secrets.token_urlsafe(32)}\n"
    )
    host_key = write_ssh_key(site / "etc/ssh_host_ed25519_key", "gerrit")
    home.accounts.mkdir(exist_ok=True, mode=0o700)
    known_hosts = f"[{ADDRESS}]:{SSH_PORT} {host_key}\n"
    (home.accounts / "known_hosts").write_text(known_hosts, encoding="ascii")
    admin_key = write_ssh_key(home.accounts / "admin/id_ed25519", "admin")
    _replace_file(site / "git/All-Users.git", ADMIN_REF, "authorized_keys", admin_key + "\n")
    daemon(home).start([*_program(home), "daemon", "-d", site])


def wait(home: Home) -> None:
    """Wait until Gerrit answers over HTTP; its SSH port is open by then."""

    def answers() -> bool:
        try:
            return requests.get(f"{URL}/config/server/version", timeout=5).ok
        except requests.ConnectionError:
            return False

    daemon(home).wait(answers, 120)


def _program(home: Home) -> list[str]:
    return [
        *JAVA,
        f"-Dlog4j.configuration=file:{home.gerrit}/log4j.properties",
        *("-cp", f"{home.gerrit}/version:{home.gerrit}/jars/*"),
        "com.google.gerrit.launcher.GerritLauncher",
    ]


def _forget_passwords(all_users: Path) -> None:
    # Init gives admin the password `secret`. External ids are files in Git's configuration format, named by a
    # hash of the id: https://gerrit-review.googlesource.com/Documentation/config-accounts.html#external-ids
    ref = "refs/meta/external-ids"
    for name in git(all_users, "ls-tree", "-r", "--name-only", ref).splitlines():
        content = git(all_users, "show", f"{ref}:{name}")
        kept = [line for line in content.splitlines() if not line.strip().startswith("password =")]
        if len(kept) < len(content.splitlines()):
            _replace_file(all_users, ref, name, "\n".join(kept) + "\n")


def _replace_file(repository: Path, ref: str, name: str, content: str) -> None:
    """Commit one top-level file's new content to a ref of a bare repository that no server has open."""
    blob = git(repository, "hash-object", "-w", "--stdin", stdin=content).strip()
    rest = [line for line in git(repository, "ls-tree", ref).splitlines() if line.partition("\t")[2] != name]
    listing = "\n".join([*rest, f"100644 blob {blob}\t{name}"]) + "\n"
    tree = git(repository, "mktree", stdin=listing).strip()
    identity = {
        f"GIT_{who}_{what}": value
        for who in ("AUTHOR", "COMMITTER")
        for what, value in (("NAME", "hyperv-ci lab"), ("EMAIL", "lab@localhost"))
    }
    commit = git(
        repository, "commit-tree", tree, "-p", ref, "-m", f"Update {name}", environment=identity
    ).strip()
    git(repository, "update-ref", ref, commit)


def ssh(home: Home, account: str, *command: str) -> str:
    """Run one of Gerrit's SSH commands as an account and return what it prints.

    :raises LabError: with Gerrit's own words
    """
    return run(
        ["ssh", "-F", home.accounts / account / "ssh_config", "gerrit", *command], stdin=subprocess.DEVNULL
    )
