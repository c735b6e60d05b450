# SPDX-License-Identifier: Apache-2.0
"""nova's own tests of compute drivers (they come with nova), on this driver and its unit tests' fake host.

Not test_*.py: nova.tests forbids eventlet to its whole process when imported, so that
test_nova_driver_tests runs this in one of its own.
"""

import contextlib
import pathlib

import nova.tests.unit  # noqa: F401  must be the first of nova's to be imported
from nova import exception, objects, test
from nova.tests.unit import utils as nova_test_data
from nova.tests.unit.virt import test_virt_drivers
from nova.virt import fake

from hyperv_driver import config, driver
from tests.unit.driver import fake_host
from tests.unit.driver.base import Records, image_file, image_meta, iscsi_volume, with_volumes


class DriverOnFakeHost(driver.HyperVDriver):
    def __init__(self, virtapi):
        super().__init__(virtapi, fake_host.utilities())

    # nova's volumes are of a protocol "fake", which its own fake driver alone speaks.

    def attach_volume(self, context, connection_info, instance, mountpoint, **arguments):
        super().attach_volume(context, iscsi_volume("fake"), instance, mountpoint, **arguments)

    def power_on(self, context, instance, network_info, block_device_info=None, **arguments):
        if block_device_info:
            block_device_info = with_volumes(iscsi_volume("fake"))
        super().power_on(context, instance, network_info, block_device_info, **arguments)

    def detach_volume(self, context, connection_info, instance, mountpoint, **arguments):
        super().detach_volume(context, iscsi_volume("fake"), instance, mountpoint, **arguments)


class VirtAPI(fake.FakeVirtAPI):
    @contextlib.contextmanager
    def wait_for_instance_event(self, instance, event_names, timeout=300, error_callback=None):
        yield


class HyperVDriverTestCase(test_virt_drivers._VirtDriverTestCase, test.TestCase):
    driver_module = f"{__name__}.DriverOnFakeHost"

    def setUp(self):
        self.stub_out("nova.virt.fake.FakeVirtAPI", VirtAPI)
        self.stub_out("nova.virt.images.fetch", self._fetch)
        config.CONF.set_override("vswitch_name", "external", group="hyperv")
        for patch in Records().patches:
            patch.start()
            self.addCleanup(patch.stop)
        super().setUp()

    def _fetch(self, context, image_href, path, trusted_certs=None):
        pathlib.Path(path).write_bytes(image_file("vhdx"))

    def test_live_migration(self):
        # nova makes the data that libvirt's driver has of a migration.
        def data_of_this_driver(**_data):
            return objects.HyperVLiveMigrateData(is_shared_instance_path=True)

        self.stub_out("nova.objects.LibvirtLiveMigrateData", data_of_this_driver)
        super().test_live_migration()

    # nova expects this of every driver; this one does not claim it.
    def test_live_migration_force_complete(self):
        self.connection.active_migrations = {}  # an attribute of nova's fake driver
        super().test_live_migration_force_complete()

    def test_migrate_disk_and_power_off(self):
        # nova names another host, of which the fake one reaches no folder: then nothing happens.
        self.assertRaises(exception.InstanceFaultRollback, super().test_migrate_disk_and_power_off)
        self.connection.destroy(self.ctxt, self._running, [])
        # With a folder on storage that both have, the instance goes there.
        self.stub_out("hyperv_driver.paths.on_host", lambda _host, path: path)
        super().test_migrate_disk_and_power_off()

    def _get_running_instance(self, obj=True):
        instance = nova_test_data.get_test_instance(obj=obj)
        network_info = nova_test_data.get_test_network_info()
        for vif in network_info:
            vif["type"] = "hyperv"
        self.connection.spawn(
            self.ctxt, instance, image_meta("vhdx"), [], "herp", {}, network_info=network_info
        )
        self._running = instance
        return instance, network_info
