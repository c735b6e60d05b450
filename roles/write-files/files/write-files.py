# SPDX-License-Identifier: Apache-2.0
"""Write files: standard input is a JSON object of paths and contents. A path that ends in / is a folder."""

import json
import os
import sys
from pathlib import Path

os.umask(0o077)
for name, content in json.load(sys.stdin).items():
    path = Path(name)
    (path if name.endswith("/") else path.parent).mkdir(parents=True, exist_ok=True)
    if not name.endswith("/"):
        path.write_text(content)
