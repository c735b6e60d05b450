# SPDX-License-Identifier: Apache-2.0
"""Judge a run of Tempest: ``results.py EXPECTED DIRECTORY``.

Reads DIRECTORY/results.subunit, writes DIRECTORY/results.json, a list of {id, status (success, fail, skip),
start (ISO 8601 in UTC, or null), seconds, details}, and prints what is wrong. EXPECTED is a file of test ids
that must run and pass. Ends with 1 if a test failed or an expected one did not pass.
"""

import collections
import datetime
import json
import sys
from pathlib import Path

import subunit
import testtools

STATUS = {"success": "success", "skip": "skip"}
# Lines of a failure that are printed: the exception stands at the end.
SHOWN = 12


def identifier(test_id):
    """Return a test's id without the attributes that Tempest appends, ``[id-…,smoke]``."""
    return test_id.partition("[")[0]


def result(test):
    """Return one entry of results.json for what testtools gathered on one test."""
    started, ended = test["timestamps"]
    details = "\n".join(
        content.as_text().strip()
        for name, content in test["details"].items()
        if content.content_type.type == "text" and not name.startswith("pythonlogging")
    )
    # What is neither success nor skip (fail, inprogress because a worker died, uxsuccess) is a failure.
    status = STATUS.get(test["status"], "fail")
    seconds = round((ended - started).total_seconds(), 3) if started and ended else 0
    start = started.astimezone(datetime.UTC).isoformat() if started else None
    return {
        "id": identifier(test["id"]),
        "status": status,
        "start": start,
        "seconds": seconds,
        "details": details,
    }


def read(stream):
    """Return the results of a subunit v2 stream, in order of their ids."""
    tests = []
    gather = testtools.StreamToDict(tests.append)
    gather.startTestRun()
    subunit.ByteStreamToStreamResult(stream, non_subunit_name="stdout").run(gather)
    gather.stopTestRun()
    # A file attached to no test is the test program's own output.
    results = [result(test) for test in tests if test["status"] != "unknown"]
    return sorted(results, key=lambda item: item["id"])


def complaints(results, expected):
    """Return what makes the run a failure, a text each."""
    failed = [item for item in results if item["status"] == "fail"]
    shown = ["\n  ".join([f"{item['id']} failed", *item["details"].splitlines()[-SHOWN:]]) for item in failed]
    by_id = {item["id"]: item for item in results}
    for name in sorted(expected):
        item = by_id.get(name)
        if item is None:
            shown.append(f"{name} did not run; it is expected to pass")
        elif item["status"] == "skip":
            shown.append(f"{name} was skipped; it is expected to pass\n  {item['details']}")
    return shown


def main():
    expected_file, directory = sys.argv[1], Path(sys.argv[2])
    expected = {
        line.strip()
        for line in Path(expected_file).read_text().splitlines()
        if line.strip() and not line.startswith("#")
    }
    with (directory / "results.subunit").open("rb") as stream:
        results = read(stream)
    (directory / "results.json").write_text(json.dumps(results, indent=1))
    count = collections.Counter(item["status"] for item in results)
    wrong = complaints(results, expected)
    print("\n".join(wrong))
    print(f"{count['success']} passed, {count['fail']} failed, {count['skip']} skipped")
    if not count["success"]:
        raise SystemExit("No test passed: expected a run with tests.")
    raise SystemExit(1 if wrong else 0)


if __name__ == "__main__":
    main()
