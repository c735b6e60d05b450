# SPDX-License-Identifier: Apache-2.0
"""Changes made in Gerrit, without a clone, and what Zuul says of them."""

import base64
import time

from lab import changes
from lab.home import Home
from lab.services import accounts, zuul
from tests.lab.command import LabTest


class ReviewTest(LabTest):
    """A test that makes changes as the developer and waits for what becomes of them."""

    def setUp(self):
        self.home = Home.from_environment()
        self.rest = changes.client(self.home)

    def propose(self, project, files, branch="master", base=None):
        """Have Gerrit make a change that writes files, as the developer; return it, ready for review."""
        new = {"project": project, "branch": branch, "subject": "For the test", "work_in_progress": True}
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
