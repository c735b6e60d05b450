# SPDX-License-Identifier: Apache-2.0
"""zuul-executor, with what zuul.conf cannot say; run by Zuul's own interpreter.

The console stream listens on loopback instead of on every address. Of the Ansible versions that Zuul knows,
the one that is installed is all there is. Two lines of ansible.cfg differ: see Job. And git gets Gerrit's
password elsewhere: see git_url.
"""

import urllib.parse
from pathlib import Path

import zuul.lib.log_streamer
from zuul.cmd.executor import main
from zuul.driver.gerrit.gerritconnection import GerritConnection
from zuul.executor.server import AnsibleJob, ExecutorServer
from zuul.lib.ansible import AnsibleManager

ANSIBLE = "11"


class LoopbackLogStreamer(zuul.lib.log_streamer.LogStreamer):
    """The console stream, at 127.0.0.1 whatever address it is given."""

    def __init__(self, address: str, *arguments, **options):
        super().__init__("127.0.0.1", *arguments, **options)


class OneAnsible(AnsibleManager):
    """Ansible as the lab installs it."""

    def load_ansible_config(self) -> None:
        """Forget the versions that are not installed."""
        super().load_ansible_config()
        self._supported_versions = {ANSIBLE: self._supported_versions[ANSIBLE]}


class Job(AnsibleJob):
    """One build."""

    def writeAnsibleConfig(self, jobdir_playbook, *arguments, **options) -> None:
        """Correct two lines of what Zuul writes into an ansible.cfg."""
        super().writeAnsibleConfig(jobdir_playbook, *arguments, **options)
        path = Path(jobdir_playbook.ansible_config)
        text = path.read_text()
        # ssh's control socket gets a path relative to the work directory, in which Zuul runs Ansible: below a
        # home, a build's directory alone takes most of the 107 bytes that a socket's path may have.
        text = _replace(text, f"control_path_dir = {self.jobdir.control_path}", "control_path = .ssh-%%h-%%r")
        if jobdir_playbook is self.jobdir.freeze_playbook:
            # The freeze playbook templates what the job says, so it runs without the key that opens every
            # Windows node. It has no use for facts; trying to connect for them, it would lose the host, and
            # with it the host's address in trusted playbooks.
            text = _replace(text, "gathering = smart", "gathering = explicit")
        path.write_text(text)


def _replace(text: str, old: str, new: str) -> str:
    if f"{old}\n" not in text:
        raise ValueError(f"Zuul's ansible.cfg has no line {old!r}: expected the one that Zuul 14.3 writes")
    return text.replace(f"{old}\n", f"{new}\n")


def git_url(connection: GerritConnection, project) -> str:
    """Return a project's URL for git, without the password that Zuul has in it.

    Everyone on the machine can read a command line. Git's credential helper, which the environment of this
    process names, knows the password.
    """
    base = urllib.parse.urlsplit(connection.baseurl)
    user = urllib.parse.quote(connection.user, safe="")
    return base._replace(netloc=f"{user}@{base.netloc}", path=f"{base.path}/a/{project.name}").geturl()


if __name__ == "__main__":
    zuul.lib.log_streamer.LogStreamer = LoopbackLogStreamer
    ExecutorServer._ansible_manager_class = OneAnsible
    ExecutorServer._job_class = Job
    GerritConnection.getGitUrl = git_url
    main()
