# SPDX-License-Identifier: Apache-2.0
"""python log_page SOURCE DESTINATION NIGHTLIES < FACTS: publish the logs in SOURCE as pages in DESTINATION.

NIGHTLIES is the directory that this program keeps the nightlies' results in. FACTS is a JSON object:

=================== =====================================================================================
``success``         whether the build succeeded
``job``             its job
``pipeline``        and pipeline
``project``         Zuul's name of the project that it was run for
``branch``          and branch, or ""
``build``           Zuul's uuid
``zuul_url``        Zuul's own page of the build, or ""
``change``          what was tested, as "openstack/nova 12,3"
``change_url``      its address, or ""
``url``             the address that the page will have
``projects``        Zuul's projects that took part: a list of {"name", "checkout", "commit", …}
``simulated``       whether the Windows host was simulated
``retry``           whether Zuul will run the build once more
=================== =====================================================================================

Prints a JSON object: headline.
"""

import json
import os
import sys

# Run as a folder, this file is no part of a package until its parent is on the path.
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from log_page import page

FACTS = {
    "success": bool,
    "job": str,
    "pipeline": str,
    "project": str,
    "branch": str,
    "build": str,
    "zuul_url": str,
    "change": str,
    "change_url": str,
    "url": str,
    "projects": list,
    "simulated": bool,
    "retry": bool,
}


def main(arguments, facts):
    """Publish, and return the exit code."""
    if len(arguments) != 3:
        print(__doc__.splitlines()[0], file=sys.stderr)
        return 2
    for name, kind in FACTS.items():
        if not isinstance(facts.get(name), kind):
            print(f"log_page: {name} is {facts.get(name)!r}, expected {kind.__name__}", file=sys.stderr)
            return 2
    # A web server reads the pages, as another user.
    os.umask(0o022)
    try:
        build = page.make(*arguments, facts)
    except OSError as error:
        print(f"log_page: cannot publish {arguments[0]} at {arguments[1]}: {error}", file=sys.stderr)
        return 1
    print(json.dumps({"headline": build.headline}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], json.load(sys.stdin)))
