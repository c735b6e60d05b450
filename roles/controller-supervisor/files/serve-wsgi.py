# SPDX-License-Identifier: Apache-2.0
"""Serve a WSGI application with uWSGI: ``serve-wsgi.py ADDRESS:PORT MODULE [ARGUMENT…]``.

Run by the Python whose packages the application needs. One process: two cores serve five of these. The
application finds the arguments in sys.argv.
"""

import sys

import pyuwsgi

address, module, *arguments = sys.argv[1:]
options = [f"--http-socket={address}", f"--module={module}:application", "--need-app", "--lazy-apps"]
# neutron looks for uWSGI's master to know how many it is.
options += ["--master", "--processes=1", "--threads=8", "--enable-threads", "--die-on-term"]
# uWSGI keeps no connection open, and clients must know it.
options += ["--add-header=Connection: close", "--buffer-size=65535", "--socket-timeout=120"]
# Nova uploads images in chunks of 1 MiB, which is uWSGI's limit with nothing left for the chunk's header.
options += ["--chunked-input-limit=2097152"]
# The applications log their requests themselves.
options += ["--disable-logging", "--procname-prefix", f"{module} "]
if arguments:
    options += ["--pyargv", " ".join(arguments)]
sys.argv[1:] = options
pyuwsgi.run()
