# SPDX-License-Identifier: Apache-2.0
"""What the driver starts in its tests: ready at once, ends at SIGTERM, unless its option says otherwise."""

import argparse
import signal
import sys
from pathlib import Path

parser = argparse.ArgumentParser()
for option in ("--root", "--name", "--address", "--port", "--behaviour", "--host-key"):
    parser.add_argument(option)
given = parser.parse_args()

if given.behaviour == "fails":
    sys.exit("no such image")
if given.behaviour == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
Path(given.root, "arguments").write_text(f"{given.name} {given.address} {given.port}")
Path(given.root, "ready").touch()
while True:
    signal.pause()
