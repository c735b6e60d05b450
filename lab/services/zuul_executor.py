# SPDX-License-Identifier: Apache-2.0
"""zuul-executor, with two things that zuul.conf cannot say; run by Zuul's own interpreter.

The console stream listens on loopback instead of on every address, and of the Ansible versions that Zuul
knows, the one that is installed is all there is.
"""

import functools

import zuul.lib.log_streamer
from zuul.cmd.executor import main
from zuul.executor.server import ExecutorServer
from zuul.lib.ansible import AnsibleManager

ANSIBLE = "11"


class LoopbackLogStreamer(zuul.lib.log_streamer.LogStreamer):
    """The console stream, at 127.0.0.1 whatever address it is given."""

    def __init__(self, address: str, *arguments, **options):
        super().__init__("127.0.0.1", *arguments, **options)


class OneAnsible(AnsibleManager):
    """Ansible as the lab installs it."""

    @functools.wraps(AnsibleManager.load_ansible_config)
    def load_ansible_config(self) -> None:
        super().load_ansible_config()
        self._supported_versions = {ANSIBLE: self._supported_versions[ANSIBLE]}


if __name__ == "__main__":
    zuul.lib.log_streamer.LogStreamer = LoopbackLogStreamer
    ExecutorServer._ansible_manager_class = OneAnsible
    main()
