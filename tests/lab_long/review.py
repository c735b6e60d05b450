# SPDX-License-Identifier: Apache-2.0
"""Changes made in Gerrit, without a clone, and what Zuul says of them."""

import base64
import subprocess
import time
import urllib.request

from lab import changes
from lab.commands import git
from lab.home import Home
from lab.services import accounts, zuul
from tests.lab.command import LabTest


class ReviewTest(LabTest):
    """A test that makes changes as the developer and waits for what becomes of them."""

    def setUp(self):
        self.home = Home.from_environment()
        self.rest = changes.client(self.home)

    def propose(self, project, files, branch="master", base=None, message="For the test"):
        """Have Gerrit make a change that writes files, as the developer; return it, ready for review."""
        new = {"project": project, "branch": branch, "subject": message, "work_in_progress": True}
        number = self.rest.post("changes/", new | ({"base_commit": base} if base else {}))["_number"]
        for name, text in files.items():
            content = f"data:text/plain;base64,{base64.b64encode(text.encode()).decode()}"
            self.rest.put(f"changes/{number}/edit/{accounts.quote(name)}", {"binary_content": content})
        self.rest.post(f"changes/{number}/edit:publish", {})
        self.rest.post(f"changes/{number}/ready", {})
        return changes.find(self.home, number)

    def said(self, change):
        """Return what Zuul's account said of a change."""
        messages = self.rest.get(f"changes/{change.number}/detail")["messages"]
        return [one["message"] for one in messages if one["author"].get("username") == accounts.CI.name]

    def items(self, change):
        return zuul.get(f"tenant/{zuul.TENANT}/status/change/{change.name}") or []

    def wait_for(self, what, seconds=600):
        """Wait until a function returns something, and return that."""
        deadline = time.monotonic() + seconds
        while not (found := what()):
            self.assertLess(time.monotonic(), deadline, f"nothing after {seconds} s")
            time.sleep(1)
        return found

    def remarks(self, change):
        """Return what Zuul said at lines of a change."""
        found = self.rest.get(f"changes/{change.number}/robotcomments")
        return [one["message"] for ones in found.values() for one in ones]

    def builds(self, change):
        """Return Zuul's builds of a change, the newest first."""
        return zuul.get(f"tenant/{zuul.TENANT}/builds?change={change.number}")

    def vote(self, change):
        """Return the vote of Zuul's account on a change, 0 if there is none."""
        votes = self.rest.get(f"changes/{change.number}/detail")["labels"]["Verified"].get("all", [])
        return next((one["value"] for one in votes if one.get("username") == accounts.CI.name), 0)

    def answer(self, change, comment=None, seconds=600):
        """Comment on a change, if a comment is given; return the next thing that Zuul says of it."""
        already = len(self.said(change)) if comment else 0
        if comment:
            self.comment(change, comment)
        return self.wait_for(lambda: self.said(change)[already:], seconds)[0]

    def show(self, project, path):
        """Return a file of a project's master."""
        return git(self.home.gerrit_site / f"git/{project}.git", "show", f"master:{path}")

    def mails(self):
        return sorted(self.home.mails.glob("*.eml"))

    def page(self, change):
        """Return the log page of the newest build of a change that ran Tempest."""
        tempest = next(build for build in self.builds(change) if build["job_name"] == "hyperv-tempest")
        with urllib.request.urlopen(tempest["log_url"]) as answer:
            return answer.read().decode()

    def comment(self, change, words):
        changes.comment(self.home, change, words)

    def run_command(self, line):
        """Return what a command line prints that a user would type."""
        return subprocess.run(line, shell=True, capture_output=True, text=True, check=True).stdout


def put(text, function, line):
    """Return a module's text with a line at the beginning of a function, or at its end."""
    if not function:
        return text + line
    start = text.index(function)
    end = text.index(":\n", text.index(")", start)) + 2
    return text[:end] + line + text[end:]
