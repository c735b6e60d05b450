# SPDX-License-Identifier: Apache-2.0
"""Which of Gerrit's events start a run: by Zuul's own filter, with its own regular expressions (RE2)."""

import unittest

from zuul.driver.gerrit.gerritmodel import GerritEventFilter, GerritTriggerEvent
from zuul.driver.util import make_regex, to_list

from tests.unit.ci.pipelines import pipelines

VOTES = "Patch Set 12: Code-Review+1 Workflow+1 -Verified\n\n"

# What people write, and what Gerrit makes of it: a comment that begins with "Patch Set N:", or the words.
RECHECKS = (
    "recheck",
    "Recheck",
    "RECHECK\n",
    "  recheck  ",
    "run-hyper-v ci",
    "Run-Hyper-V CI",
    "recheck that was the mirror",
    "recheck: bug 1234567",
    "recheck, please",
    "recheck\n\nThe mirror was down.",
    "run-hyper-v ci after the outage",
    "Patch Set 3:\n\nrecheck",
    "Patch Set 1:\n\nrun-hyper-v ci\n",
    "Patch Set 12: Code-Review+1\n\nrecheck",
    f"{VOTES}recheck",
    "Patch Set 3: -Code-Review\n\nrecheck no bug",
)
NO_RECHECKS = (
    "",
    "please recheck",
    "Patch Set 3:\n\nplease recheck",
    "I did\n\nrecheck",
    "Patch Set 3:\n\nI did\nrecheck",
    " I will recheck tomorrow",
    "Patch Set 3: I will recheck tomorrow",
    "> recheck\n\nWhy?",
    "rechecked",
    "rechecking",
    "recheck-zuul",
    "recheck_all",
    "run-hyper-v cinder",
    "run-hyper-v",
    "run hyper-v ci",
    "check experimental",
    "Patch Set 3: Code-Review+2",
    "Uploaded patch set 4.",
    "Patch Set 3: Verified-1\n\nBuild failed (check pipeline).\n\nComment recheck",
)
EXPERIMENTAL = (
    "check experimental",
    "Check Experimental",
    "Patch Set 3:\n\ncheck experimental",
    f"{VOTES}check experimental\n",
    "check experimental: resize",
)
NO_EXPERIMENTAL = (
    "recheck",
    "check",
    "check experimentally",
    "please check experimental",
    "recheck experimental",
)


def filters(pipeline):
    """Return Zuul's filters of a pipeline's Gerrit triggers."""
    return [
        GerritEventFilter(
            "gerrit",
            None,
            types=[make_regex(name) for name in to_list(trigger["event"])],
            comments=[make_regex(text) for text in to_list(trigger.get("comment"))],
            refs=[make_regex(text) for text in to_list(trigger.get("ref"))],
            event_approvals={
                label: value for pair in to_list(trigger.get("approval")) for label, value in pair.items()
            },
        )
        for trigger in pipeline["trigger"]["gerrit"]
    ]


class TriggersTest(unittest.TestCase):
    def setUp(self):
        self.pipelines = pipelines()

    def started(self, kind, comment=None, **more):
        """Return the pipelines that an event starts."""
        event = GerritTriggerEvent()
        event.type, event.comment, event.connection_name = kind, comment, "gerrit"
        event.account, event.approvals, event.patchsetcomments = None, [], None
        for name, value in more.items():
            setattr(event, name, value)
        return {
            name
            for name, pipeline in self.pipelines.items()
            if "gerrit" in pipeline["trigger"] and any(one.matches(event, None) for one in filters(pipeline))
        }

    def assertStarts(self, expected, comments):
        for comment in comments:
            with self.subTest(comment=comment):
                self.assertEqual(expected, self.started("comment-added", comment))
        # What is written in a newer Gerrit's reply box comes apart from the message, without its beginning.
        for comment in comments:
            if not comment.startswith("Patch Set"):
                with self.subTest(patchset_comment=comment):
                    message = "Patch Set 3:\n\n(1 comment)"
                    found = self.started("comment-added", message, patchsetcomments=[comment])
                    self.assertEqual(expected, found)

    def test_recheck(self):
        self.assertStarts({"check", "gate"}, RECHECKS)

    def test_no_recheck(self):
        for comment in NO_RECHECKS:
            with self.subTest(comment=comment):
                self.assertLessEqual(self.started("comment-added", comment), {"experimental"})

    def test_experimental(self):
        self.assertStarts({"experimental"}, EXPERIMENTAL)

    def test_no_experimental(self):
        for comment in NO_EXPERIMENTAL:
            with self.subTest(comment=comment):
                self.assertNotIn("experimental", self.started("comment-added", comment))

    def test_patch_sets(self):
        for kind in ("patchset-created", "change-restored", "wip-state-changed"):
            self.assertEqual({"check"}, self.started(kind))
        for kind in ("change-merged", "change-abandoned", "hashtags-changed"):
            self.assertEqual(set(), self.started(kind))

    def test_approval(self):
        def approve(value):
            approvals = [{"description": "Code-Review", "value": str(value)}]
            return self.started("comment-added", f"Patch Set 1: Code-Review+{value}", approvals=approvals)

        self.assertEqual({"gate"}, approve(2))
        self.assertEqual(set(), approve(1))

    def test_merges(self):
        self.assertEqual({"post"}, self.started("ref-updated", ref="refs/heads/master", newrev="1" * 40))
        self.assertEqual(set(), self.started("ref-updated", ref="refs/heads/stable/1", newrev="1" * 40))
        self.assertEqual(set(), self.started("ref-updated", ref="refs/tags/1", newrev="1" * 40))
