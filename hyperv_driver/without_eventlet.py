# SPDX-License-Identifier: Apache-2.0
"""Lets os-win be imported where eventlet must not be: in a nova-compute that runs on native threads.

os-win 5.9.0 imports eventlet in seven modules, and uses it to ask whether threads are green (they are not),
for the unpatched ``threading``, ``time`` and ``socket`` (as they are here), and to run what blocks in another
thread (it blocks only its own thread here). nova forbids the import, lest anybody patch by accident.
May go when os-win no longer imports eventlet.
"""

import contextlib
import importlib
import sys
import types


@contextlib.contextmanager
def without_eventlet():
    """For its duration, ``import eventlet`` gives a stand-in with the seven functions that os-win uses.

    The stand-in does not stay: other libraries look for eventlet to choose how they run.
    """
    patcher = types.ModuleType("eventlet.patcher")
    patcher.original = importlib.import_module
    patcher.is_monkey_patched = lambda _module: False
    tpool = types.ModuleType("eventlet.tpool")
    tpool.execute = lambda function, *args, **kwargs: function(*args, **kwargs)
    eventlet = types.ModuleType("eventlet")
    eventlet.import_patched = importlib.import_module
    eventlet.getcurrent = lambda: types.SimpleNamespace(parent=None)
    eventlet.patcher, eventlet.tpool = patcher, tpool

    standins = {module.__name__: module for module in (eventlet, patcher, tpool)}
    real = {name: sys.modules[name] for name in standins if name in sys.modules}
    sys.modules.update(standins)
    try:
        yield
    finally:
        for name in standins:
            del sys.modules[name]
        sys.modules.update(real)
