# SPDX-License-Identifier: Apache-2.0
"""The first screen of a log page, as a reviewer's browser shows it, for builds that failed unusually."""

from tests import browser
from tests.unit.ci.test_log_page import LogPageCase, failed, play, playbook, task

NEEDLE = "KeyError: the-cause"
# A word that no line break divides, more lines than a screen has, and what is no text.
LONG, MANY, STRANGE = "x" * 20_000, "a line of no use\n" * 5_000, "\x1b[31m\x07\u202e\ufffe \U0001f4a9"


class FirstScreenTest(browser.OnFirstScreen, LogPageCase):
    @classmethod
    def setUpClass(cls):
        cls.browser = browser.start(javascript=False)
        cls.addClassCleanup(cls.browser.quit)

    def show(self, **facts):
        """Open the page of what was left."""
        self.page(**facts)
        self.browser.get(f"file://{self.site}/index.html")

    def assertCause(self, *words):
        self.assertOnFirstScreen("FAILURE", *words)

    def fail_task(self, **result):
        self.leave(
            "job-output.json",
            [playbook([play("Nova-compute", task("Install nova", hyperv=failed(**result)))], hyperv=1)],
        )

    def fail_tests(self, *details):
        self.leave(
            "controller/tempest/results.json",
            [
                {"id": f"tempest.api.x.test_{number}", "status": "fail", "seconds": 1, "details": text}
                for number, text in enumerate(details)
            ],
        )

    def test_a_program_that_says_too_much(self):
        self.fail_task(message="non-zero return code", stderr=MANY + NEEDLE)
        self.show()
        self.assertCause("Install nova", NEEDLE)

    def test_a_line_without_end(self):
        self.fail_task(message="non-zero return code", stderr=f"{LONG}\n{NEEDLE}")
        self.show()
        self.assertCause("Install nova", NEEDLE)

    def test_what_is_no_text(self):
        self.fail_task(message="non-zero return code", stderr=f"{STRANGE}\n{NEEDLE}\n{STRANGE}")
        self.show()
        self.assertCause("Install nova", NEEDLE)

    def test_a_long_traceback(self):
        self.fail_tests(f"Traceback (most recent call last):\n{MANY}{NEEDLE}")
        self.show()
        self.assertCause("tempest.api.x.test_0", NEEDLE)

    def test_every_test_fails(self):
        self.fail_tests(*[f"Traceback (most recent call last):\n  File x\n{NEEDLE}"] * 400)
        self.show()
        self.assertCause("tempest.api.x.test_0", NEEDLE)

    def test_names_without_end(self):
        self.fail_tests(NEEDLE)
        self.show(job="j" * 200, change="openstack/" + "n" * 300, branch="b" * 300)
        self.assertCause(NEEDLE)

    def test_a_build_that_left_nothing(self):
        self.show()
        self.assertCause("FAILURE")

    def test_results_that_cannot_be_read(self):
        self.leave("job-output.json", "[{")
        self.leave("job-output.txt", MANY + NEEDLE)
        self.show()
        self.assertCause("Not read: ", NEEDLE)
