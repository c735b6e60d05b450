# SPDX-License-Identifier: Apache-2.0
"""zuul-executor, with three things that zuul.conf cannot say; run by Zuul's own interpreter.

The console stream listens on loopback instead of on every address. Of the Ansible versions that Zuul knows,
the one that is installed is all there is. The playbook in which Zuul freezes variables connects to no node.
"""

from pathlib import Path

import zuul.lib.log_streamer
from zuul.cmd.executor import main
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
        """Keep the freeze playbook from gathering facts, which it does not use.

        It templates what the job says, so it runs without the key that opens every Windows node. Trying to
        connect all the same, it would lose the host, and with it the host's address in trusted playbooks.
        """
        super().writeAnsibleConfig(jobdir_playbook, *arguments, **options)
        if jobdir_playbook is self.jobdir.freeze_playbook:
            path = Path(jobdir_playbook.ansible_config)
            path.write_text(path.read_text().replace("gathering = smart\n", "gathering = explicit\n"))


if __name__ == "__main__":
    zuul.lib.log_streamer.LogStreamer = LoopbackLogStreamer
    ExecutorServer._ansible_manager_class = OneAnsible
    ExecutorServer._job_class = Job
    main()
