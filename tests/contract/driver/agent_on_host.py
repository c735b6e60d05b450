# SPDX-License-Identifier: Apache-2.0
"""The agent's own main in a thread of this process, and what its tests do on the host.

Whoever imports this has set oslo.service's backend.
"""

import contextlib
import json
import threading

from oslo_config import cfg

from hyperv_driver.agent import config, ports
from hyperv_driver.oswin import utilsfactory

# Two programs in one process, and some options are both's.
config.CONF = cfg.ConfigOpts()

from hyperv_driver.agent import __main__ as agent  # noqa: E402


class Stop:
    """In the place of standard input's end."""

    def __init__(self, *_arguments):
        pass

    def start(self):
        pass

    wait = staticmethod(lambda timeout=None: stopping.wait(timeout))


@contextlib.contextmanager
def running_agent():
    """The agent, until the block ends."""
    stopping.clear()
    config.CONF.clear()  # or it takes no options of a command line, as the log's, a second time
    thread = threading.Thread(target=agent.main)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()


def remove_adapter(port_id):
    vmutils.destroy_nic("vm-1", port_id)


def bandwidth(port_id):
    port, _found = networkutils._get_switch_port_allocation(port_id)
    setting = networkutils._get_bandwidth_setting_data_from_port_alloc(port)
    return setting and [setting.Limit, setting.Reservation]


def vlans(port_id):
    port, _found = networkutils._get_switch_port_allocation(port_id)
    setting = networkutils._get_vlan_setting_data_from_port_alloc(port)
    if setting is None:  # for as long as os-win exchanges it for another
        return [None, None, []]
    untagged = setting.NativeVlanId if setting.OperationMode == 2 else setting.AccessVlanId
    return [setting.OperationMode, untagged, list(setting.TrunkVlanIdArray or ())]


def answer(names, reset):
    """Run code, a JSON string a line, and print what that leaves in `said`, until a line says "end".

    :param names: what the code knows.
    :param reset: function that forgets what the code did to neutron.
    """
    agent.rpc.init = lambda _conf: None  # both ends share the transport
    print("ready", flush=True)
    for line in iter(input, "end"):
        print(json.dumps(_run(json.loads(line), names, reset)), flush=True)


def _run(code, names, reset):
    names["said"] = None
    vmutils.create_vm("vm-1", False, 1, r"C:\vms", ["a note"])
    try:
        with running_agent():
            exec(code, names)
    except Exception as error:  # noqa: BLE001  the test decides what it thinks of it
        return {"raised": f"{type(error).__name__}: {error}"}
    finally:
        vmutils.destroy_vm("vm-1")
        reset()
    return names["said"]


stopping = threading.Event()
agent.StopWhenInputEnds = Stop
ports.RETRY_AFTER = 0.5
vmutils, networkutils = utilsfactory.get_vmutils(), utilsfactory.get_networkutils()
