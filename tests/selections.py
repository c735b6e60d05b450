# SPDX-License-Identifier: Apache-2.0
"""Which of Tempest's tests run, and which do not.

``python -m tests.selections > doc/source/tests.rst`` makes the page from the files of ``roles/tempest``; a
unit test fails while the file there is another. ``python -m tests.selections RESULTS``, with results.json of
a nightly that is well, first makes of it the lists of what must pass, of what is skipped, and of how long
tests take.
"""

import itertools
import json
import pathlib
import sys
import textwrap

ROOT = pathlib.Path(__file__).parents[1]
FILES = ROOT / "roles" / "tempest" / "files"
EXPECTED, SKIPS, EXCLUSIONS = "long-expected-to-pass.txt", "skips.txt", "exclusions.txt"
# Seconds that a class takes for the server that its tests share, which no test shows.
FIXTURE = 10


def remake(results):
    """Write the lists from the results of a nightly, a list of {id, status, details}."""
    passed = sorted(item["id"] for item in results if item["status"] == "success")
    head = "# What passed in a nightly: none of these may skip or fail. Made by python -m tests.selections."
    (FILES / EXPECTED).write_text("\n".join([head, *passed]) + "\n")
    skipped = sorted((item["id"], reason(item["details"])) for item in results if item["status"] == "skip")
    head = "# What Tempest skipped in that nightly, and what it said. Made by python -m tests.selections."
    (FILES / SKIPS).write_text("\n".join([head, *(f"{name}  # {why}" for name, why in skipped)]) + "\n")

    head = "# How long tests took in that nightly, the first of a class with its fixture. Made as those."
    (FILES / "seconds.txt").write_text("\n".join([head, *durations(results)]) + "\n")


def durations(results):
    """Return lines of seconds and a test."""
    classes = set()
    for item in sorted(results, key=lambda item: item["id"]):
        if item["status"] == "success":
            name = item["id"].rpartition(".")[0]
            yield f"{item['seconds'] + (0 if name in classes else FIXTURE):.1f} {item['id']}"
            classes.add(name)


def reason(details):
    """Return the beginning of what a skip said, without the name of its class."""
    first = details.strip().splitlines()[0]
    said = first.partition(" skipped as ")[2] or first.partition(", failure was:")[0]
    return textwrap.shorten(said, 120, placeholder=" …")


def listed(name):
    """Return the lines of a file that say something."""
    lines = (FILES / name).read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def reasons(name):
    """Return pairs of what a file lists and why."""
    return [tuple(part.strip() for part in line.split("  # ", 1)) for line in listed(name)]


def title(text, line="-"):
    return [text, line * len(text), ""]


def table(header, rows):
    lines = [".. list-table::", "   :header-rows: 1", "   :widths: 50 50", ""]
    for row in (header, *rows):
        lines += [f"   {'*' if not index else ' '} - {cell}" for index, cell in enumerate(row)]
    return [*lines, ""]


def page():
    by_reason = sorted(reasons(SKIPS), key=lambda pair: (pair[1], pair[0]))
    skips = [
        (why, ", ".join(f"``{name}``" for name, _ in pairs))
        for why, pairs in itertools.groupby(by_reason, key=lambda pair: pair[1])
    ]
    lines = [
        *title("Which tests run", "="),
        ".. Made by ``python -m tests.selections``: do not edit.",
        "",
        "Every change is judged by the tests of ``selection.txt``, every night by those of "
        "``long-selection.txt``. They are regular",
        "expressions of Tempest's tests and of this repository's plugin for it:",
        "",
        *title("With every change"),
        "::",
        "",
        *(f"   {line}" for line in listed("selection.txt")),
        "",
        f"{len(listed('expected-to-pass.txt'))} of them must pass: one that is skipped, or not there, fails "
        "the run.",
        "",
        *title("Every night"),
        "::",
        "",
        *(f"   {line}" for line in listed("long-selection.txt")),
        "",
        f"{len(listed(EXPECTED))} of them must pass, on two Windows hosts and with cinder.",
        "",
        *title("Left out of both"),
        *table(("Reason", "Tests"), [(why, f"``{what}``") for what, why in reasons(EXCLUSIONS)]),
        *title("Skipped every night"),
        "By Tempest itself, with what it says.",
        "",
        *table(("Reason", "Tests"), skips),
    ]
    return "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    for path in sys.argv[1:]:
        remake(json.loads(pathlib.Path(path).read_text()))
    print(page(), end="")
