# SPDX-License-Identifier: Apache-2.0
"""A nova.conf of before this driver."""

import pathlib

import fixtures
import testtools
from oslo_config import cfg

from hyperv_driver import config, former_options
from tests.unit.driver import base
from tests.unit.driver.base import instance


class FormerNamesTest(testtools.TestCase):
    def read(self, text):
        folder = self.useFixture(fixtures.TempDir()).path
        file = pathlib.Path(folder, "nova.conf")
        file.write_text(text)
        conf = cfg.ConfigOpts()
        conf.register_opts(config.OPTIONS, group="hyperv")
        conf([], project="nova", default_config_files=[str(file)])
        return conf.hyperv

    def test_former_names_are_heard_and_said(self):
        log = self.useFixture(fixtures.FakeLogger())
        read = self.read(
            "[hyperv]\nwait_soft_reboot_seconds = 0\npower_state_check_timeframe = 7\n"
            "mounted_disk_query_retry_count = 3\nmounted_disk_query_retry_interval = 4\n"
        )
        self.assertEqual((0, 7), (read.soft_reboot_timeout, read.state_event_interval))
        self.assertEqual((3, 4), (read.volume_attach_retry_count, read.volume_attach_retry_interval))
        self.assertIn('Use option "soft_reboot_timeout" from group "hyperv"', log.output)

    def test_todays_name_wins(self):
        read = self.read("[hyperv]\nmounted_disk_query_retry_count = 3\nvolume_attach_retry_count = 5\n")
        self.assertEqual(5, read.volume_attach_retry_count)


class FormerOptionsTest(base.DriverTestCase):
    def test_warning_that_names_the_successor(self):
        log = self.useFixture(fixtures.FakeLogger())
        self.driver.init_host("this")
        self.assertNotIn("has no effect any more", log.output)
        self.config(power_state_event_polling_interval="2", group="hyperv")
        self.config(backend_url="file:///C:/OpenStack/Lock", group="coordination")
        former_options.warn()
        self.assertIn(
            "[hyperv] power_state_event_polling_interval has no effect any more: see state_event_interval.",
            log.output,
        )
        self.assertIn("[coordination] backend_url has no effect any more", log.output)


class OptionsTest(base.DriverTestCase):
    def test_password_stays_out_of_the_config_drive(self):
        asked = []
        self.useFixture_patch(
            "nova.api.metadata.base.InstanceMetadata",
            lambda _instance, **arguments: asked.append(arguments["extra_md"]) or Metadata(),
        )
        for number, inject in enumerate((True, False)):
            self.config(config_drive_inject_password=inject, group="hyperv")
            self.spawn(instance(f"x-{number}", config_drive="True"), admin_password="secret")
        self.assertEqual([{"admin_pass": "secret"}, {}], asked)

    def test_instances_are_measured_if_wanted(self):
        self.spawn(instance("x-1"))
        self.config(enable_instance_metrics_collection=True, group="hyperv")
        made = self.spawn(instance("x-2"))
        self.driver.power_off(made)
        self.driver.power_on(self.context, made, [])
        self.assertEqual(2 * [made.name], self.host.metricsutils.measured)


class Metadata:
    def metadata_for_config_drive(self):
        return []
