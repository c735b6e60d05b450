# SPDX-License-Identifier: Apache-2.0
"""Make the keys of keystone's Fernet tokens: what ``keystone-manage fernet_setup`` does, but at once."""

import os
import sys

from cryptography.fernet import Fernet

folder = sys.argv[1]
os.mkdir(folder, 0o700)
# 0 is the next primary key, the highest number the primary one.
for name in ("0", "1"):
    with open(
        os.path.join(folder, name), "xb", opener=lambda path, flags: os.open(path, flags, 0o600)
    ) as file:
        file.write(Fernet.generate_key())
