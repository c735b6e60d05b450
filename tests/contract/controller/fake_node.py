# SPDX-License-Identifier: Apache-2.0
"""What the driver starts in its tests: ready at once, ends at SIGTERM, unless its option says otherwise."""

import argparse
import signal
import sys
from pathlib import Path

from lab.hyperv_model.neighbours import Neighbours

parser = argparse.ArgumentParser()
for option in ("--root", "--name", "--address", "--port", "--behaviour", "--host-key", "--network"):
    parser.add_argument(option)
given = parser.parse_args()

if given.behaviour == "fails":
    sys.exit("no such image")
if given.behaviour == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if given.network:
    Path(given.root, "C").symlink_to(Neighbours(Path(given.network), given.name.upper()).drive)
Path(given.root, "arguments").write_text(f"{given.name} {given.address} {given.port}")
Path(given.root, "ready").touch()
while True:
    signal.pause()
