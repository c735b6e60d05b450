# SPDX-License-Identifier: Apache-2.0
"""A Windows host for the driver's unit tests: what the driver uses of os-win's utilities, over dictionaries.

It proves the driver's own decisions only. That os-win and Hyper-V take what the driver says is proved by
tests/contract/driver, on os-win itself.

One file for each of os-win's utilities.
"""

from hyperv_driver import oswin
from tests.unit.driver.fake_host.diskutils import FakeDiskUtils
from tests.unit.driver.fake_host.hostutils import FakeHostUtils
from tests.unit.driver.fake_host.livemigrationutils import FakeLiveMigrationUtils
from tests.unit.driver.fake_host.metricsutils import FakeMetricsUtils
from tests.unit.driver.fake_host.networkutils import FakeNetworkUtils
from tests.unit.driver.fake_host.pathutils import FakePathUtils
from tests.unit.driver.fake_host.vhdutils import FakeVHDUtils
from tests.unit.driver.fake_host.vmutils import FakeVMUtils
from tests.unit.driver.fake_host.windows import FakeAccess, FakeConnectors, Fifo


def utilities():
    """:returns: oswin.Utilities of a host without virtual machines."""
    vmutils, vhdutils, connectors = FakeVMUtils(), FakeVHDUtils(), FakeConnectors()
    return oswin.Utilities(
        vmutils=vmutils,
        vhdutils=vhdutils,
        diskutils=FakeDiskUtils(connectors),
        networkutils=FakeNetworkUtils(vmutils),
        hostutils=FakeHostUtils(),
        pathutils=FakePathUtils(vhdutils),
        livemigrationutils=FakeLiveMigrationUtils(vmutils),
        metricsutils=FakeMetricsUtils(),
        access=FakeAccess(),
        connectors=connectors,
        open_pipe=Fifo,
    )
