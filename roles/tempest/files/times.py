# SPDX-License-Identifier: Apache-2.0
"""Tell stestr how long tests take, so that its workers end together: ``times.py SECONDS DIRECTORY``.

SECONDS is a file of lines ``SECONDS TEST``; DIRECTORY gets a repository of stestr's in which they ran once.
https://stestr.readthedocs.io/en/latest/MANUAL.html#grouping-tests
"""

import datetime
import sys
from pathlib import Path

from stestr.repository import file


def main():
    seconds, directory = sys.argv[1:]
    inserter = file.RepositoryFactory().initialise(directory).get_inserter()
    inserter.startTestRun()
    begun = datetime.datetime.now(datetime.UTC)
    for line in Path(seconds).read_text().splitlines():
        if not line.startswith("#"):
            duration, test = line.split()
            ended = begun + datetime.timedelta(seconds=float(duration))
            inserter.status(test_id=test, test_status="inprogress", timestamp=begun)
            inserter.status(test_id=test, test_status="success", timestamp=ended)
    inserter.stopTestRun()


if __name__ == "__main__":
    main()
