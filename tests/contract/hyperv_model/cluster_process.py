# SPDX-License-Identifier: Apache-2.0
"""An os_win_process on a node of a failover cluster, with os-win's clusterutils and its listeners."""

import queue
import threading

from hyperv_driver.without_eventlet import without_eventlet

with without_eventlet():
    from os_win.utils.compute import clusterutils as clusterutils_module

from tests.contract.hyperv_model import os_win_process


def _listen(listener):
    found = queue.Queue()
    threading.Thread(target=listener, args=(lambda *said: found.put(said),), daemon=True).start()
    return found


def listen_to_owners():
    return _listen(clusterutils.get_vm_owner_change_listener_v2())


def listen_to_owners_by_wmi():
    return _listen(clusterutils.get_vm_owner_change_listener())


if __name__ == "__main__":
    clusterutils = clusterutils_module.ClusterUtils()
    os_win_process.serve(globals())
