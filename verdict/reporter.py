# SPDX-License-Identifier: Apache-2.0
"""Zuul's reporter to Gerrit, but for failures that are the infrastructure's: no vote, and words that say why.

One message, as for any other run: Zuul's own lines, so that Gerrit's results table shows it, then what is
the matter. The vote of an earlier run goes, too. The maintainer gets the same by mail, over the connection
``smtp``.
"""

import copy

from zuul.driver.gerrit import GerritDriver
from zuul.driver.gerrit.gerritreporter import GerritReporter

from verdict.judgement import INTERRUPTED, Build, Fault, faults

SMTP = "smtp"
OWN_PROJECT = "hyperv-ci"


class Reporter(GerritReporter):
    """Says what came out of a run."""

    def report(self, item, phase1=True, phase2=True):
        """Report to Gerrit, and a fault of the infrastructure to the maintainer."""
        found = self.faults(item)
        if not found:
            return super().report(item, phase1, phase2)
        if phase1:
            self._tell_the_maintainer(item)
        # Another object, because this one serves every item of its pipeline.
        neutral = copy.copy(self)
        neutral._labels = dict.fromkeys(self._labels, 0)
        neutral._submit = False
        return GerritReporter.report(neutral, item, phase1, phase2)

    def faults(self, item) -> list[Fault]:
        """Return the faults that ended a run that is about to be reported as failed."""
        return faults(builds(item)) if self._action == "failure" else []

    def _tell_the_maintainer(self, item) -> None:
        change, pipeline = item.changes[0], item.manager.pipeline.name
        name = f"{change.project.name} {change.number},{change.patchset}"
        subject = f"Infrastructure ({pipeline} pipeline): {name}"
        mail = self.connection.sched.connections.connections[SMTP]
        mail.sendMail(subject, self._formatItemReport(item), zuul_event_id=item.event)

    def _formatItemReportFailure(self, item, change, with_jobs, short):
        text = super()._formatItemReportFailure(item, change, with_jobs, short)
        if found := self.faults(item):
            text += words(found, self._was_interrupted_before(item))
        return text

    def _was_interrupted_before(self, item) -> bool:
        """Return whether a run of the same patch set ended so: the attendant repeats the first one alone."""
        change, manager = item.changes[0], item.manager
        ended = self.connection.sched.sql.connection.getBuilds(
            tenant=manager.tenant.name,
            pipeline=manager.pipeline.name,
            project=change.project.name,
            change=change.number,
            patchset=change.patchset,
            result=list(INTERRUPTED),
        )
        return any(build.buildset.uuid != item.current_build_set.uuid for build in ended)


def words(found: list[Fault], again: bool = False) -> str:
    """Return what a comment says of faults.

    :param again: whether it is not the first run of the patch set that ended so
    """
    what = "".join(f"  {fault}\n" for fault in found)
    repetition = (
        "This has happened to the patch set before: it is not repeated again without your doing."
        if again
        else "The run is repeated without your doing once the fault is over."
    )
    return (
        "\nInfrastructure: it was this CI that failed, and not the change, so there is no vote.\n"
        f"{what}"
        f"The maintainers were told. {repetition}\n"
    )


def builds(item) -> list[Build]:
    """Return the last build of each job of an item."""
    build_set = item.current_build_set
    own = any(change.project.name == OWN_PROJECT for change in (*item.changes, *_ahead(item)))
    found = []
    for job in item.getJobs():
        build = build_set.getBuild(job)
        if build is not None:
            found.append(
                Build(
                    job.name,
                    build.result,
                    job.voting,
                    build.error_detail,
                    build.result_data.get("verdict"),
                    build_set.getTries(job) or 1,
                    own,
                )
            )
    return found


def _ahead(item):
    while item := item.item_ahead:
        yield from item.changes


class Driver(GerritDriver):
    """Zuul's driver for Gerrit with this reporter."""

    def getReporter(self, connection, pipeline, config=None, parse_context=None):
        return Reporter(self, connection, config)
