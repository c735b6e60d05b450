# SPDX-License-Identifier: Apache-2.0
from lab import guesses
from lab.windows_sandbox import command_prompt
from lab.windows_sandbox.scripts import event_logs
from lab.windows_sandbox.scripts.ansible_variable import AnsibleVariable
from tests.unit.ci import test_log_page
from tests.unit.windows_sandbox.host_case import HostCase

LOG = "Microsoft-Windows-Hyper-V-VMMS-Admin"


class TestGuesses(HostCase):
    def test_the_page_of_a_build_says_what_its_host_guessed(self):
        command_prompt.run_line(self.session, "echo all is well")
        self.assertEqual([], self.host.event_log.newest(LOG, 9))
        for _twice in range(2):
            command_prompt.run_line(self.session, "(echo")
        (event,) = self.host.event_log.newest(LOG, 9)
        self.assertEqual((guesses.SOURCE, str(guesses.SYNTAX_ERROR_OF_CMD)), (event.provider, event.message))
        event_logs.export(self.session, AnsibleVariable(), logname=[LOG], newest=9, path=r"C:\events.log")
        case = test_log_page.LogPageCase()
        case.setUp()
        self.addCleanup(case.doCleanups)
        case.leave("hyperv/events.log", self.session.local(r"C:\events.log").read_text())
        self.assertIn(str(guesses.SYNTAX_ERROR_OF_CMD), case.page().text)
