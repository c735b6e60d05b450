# SPDX-License-Identifier: Apache-2.0
"""Pages of real builds in a browser: defects that nobody made the page for, and Zuul's own dashboard."""

from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from lab.services import accounts, zuul
from tests import browser
from tests.lab_long.review import ReviewTest, put

# What is put into nova, where, and what the first screen has to say of it.
DEFECTS = {
    "a module that cannot be imported": (
        "nova/conf/__init__.py",
        "",
        "raise RuntimeError('no configuration today')\n",
        ("no configuration today",),
    ),
    "an operation that fails": (
        "nova/compute/manager.py",
        "    def reboot_instance(self, ",
        "        raise RuntimeError('no reboot today')\n",
        ("reboot", "no reboot today"),
    ),
    "a scheduler that finds no host": (
        "nova/scheduler/manager.py",
        "    def _get_sorted_hosts(self, ",
        "        return []\n",
        ("No valid host",),
    ),
}


class BuildPagesTest(browser.OnFirstScreen, ReviewTest):
    def setUp(self):
        super().setUp()
        self.browser = browser.start(javascript=False)
        self.addCleanup(self.browser.quit)

    def test_the_first_screen_shows_the_cause(self):
        for what, (path, function, line, words) in DEFECTS.items():
            with self.subTest(what):
                text = put(self.show(accounts.NOVA, path), function, line)
                change = self.propose(accounts.NOVA, {path: text})
                self.answer(change, seconds=900)
                self.assertEqual(-1, self.vote(change))
                self.browser.get(self.builds(change)[0]["log_url"])
                self.assertOnFirstScreen("FAILURE", *words)


class DashboardTest(ReviewTest):
    def test_builds_and_status(self):
        shown = browser.start(javascript=True)
        self.addCleanup(shown.quit)
        (build, *_) = zuul.get(f"tenant/{zuul.TENANT}/builds?complete=true&limit=1")
        for page, words in (
            ("status", (zuul.TENANT, "Show all pipelines")),
            ("builds", (build["job_name"], build["result"])),
            (f"build/{build['uuid']}", (build["job_name"], build["ref"]["project"])),
        ):
            shown.get(f"{zuul.URL}/t/{zuul.TENANT}/{page}")
            for word in words:
                WebDriverWait(shown, 30).until(
                    lambda seen, word=word: word in seen.find_element(By.TAG_NAME, "body").text
                )
