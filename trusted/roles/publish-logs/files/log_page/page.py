# SPDX-License-Identifier: Apache-2.0
"""The page of a build."""

import datetime
import os

import jinja2

from . import cause, guesses, host, nightly, publish
from .folder import Folder

# Characters of a line that stands for what failed: what it says first and last, on the first screen.
LONGEST_LINE = 400
# The name that reviewers of OpenStack know.
TESTS = "testr_results.html"


def environment():
    """Return the Jinja environment, which escapes whatever it is given."""
    here = os.path.join(os.path.dirname(__file__), "templates")
    result = jinja2.Environment(
        loader=jinja2.FileSystemLoader(here),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    result.filters["plain"] = lambda text: "\n".join(publish.plain(line) for line in str(text).split("\n"))
    result.filters["brief"] = brief
    result.filters["size"] = size
    result.filters["duration"] = duration
    return result


def make(source, destination, nightlies, facts):
    """Publish a build.

    :param source: directory of its logs
    :param destination: directory to make; it must not exist, so that nothing published is ever written over
    :param nightlies: directory of what nightlies found, see nightly
    :param facts: what Zuul says of the build, see __main__
    :returns: the cause.Build that is on the page
    :raises FileExistsError: destination exists
    """
    templates = environment()
    os.makedirs(os.path.dirname(destination), exist_ok=True)
    os.mkdir(destination)
    folder = Folder(source)
    build = cause.read(folder, facts["success"], nightly.read(nightlies, facts))
    files, too_many = publish.publish(folder, destination, templates.get_template("file.html"))
    with open(os.path.join(destination, publish.MANIFEST), "x", encoding="utf-8") as file:
        file.write(publish.manifest(files))
    pages = {"index.html": "build.html"} | ({TESTS: "tests.html"} if build.tests else {})
    for name, template in pages.items():
        page = templates.get_template(template).render(
            facts=facts,
            build=build,
            files=files,
            too_many=too_many,
            phases=waterfall(build.phases),
            views={item.entry.path: item.view for item in files},
            host=host.difference(folder),
            guesses=guesses.read(folder),
            tests_page=TESTS,
            made=datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M:%S"),
        )
        with open(os.path.join(destination, name), "xb") as file:
            file.write(page.encode("utf-8", "backslashreplace"))
    nightly.record(nightlies, facts, build.tests)
    return build


def waterfall(phases):
    """Return for each phase that has times its phase, offset and width in percent of all, and seconds."""
    timed = [phase for phase in phases if phase.start and phase.end and phase.end >= phase.start]
    if not timed:
        return []
    first = min(phase.start for phase in timed)
    whole = max((max(phase.end for phase in timed) - first).total_seconds(), 1.0)
    return [
        {
            "phase": phase,
            "offset": round(100 * (phase.start - first).total_seconds() / whole, 2),
            "width": round(100 * (phase.end - phase.start).total_seconds() / whole, 2),
            "seconds": (phase.end - phase.start).total_seconds(),
        }
        for phase in timed
    ]


def brief(text):
    """Return a text whose long lines lack their middle."""
    most = LONGEST_LINE // 2
    lines = (
        line if len(line) <= 2 * most else f"{line[:most]} … {line[-most:]}" for line in text.split("\n")
    )
    return "\n".join(lines)


def size(count):
    """Return a number of bytes for people."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 10 else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def duration(seconds):
    """Return seconds for people."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes} min {seconds:02} s" if minutes else f"{seconds} s"
