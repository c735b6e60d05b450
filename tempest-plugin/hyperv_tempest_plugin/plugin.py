# SPDX-License-Identifier: Apache-2.0
"""What tempest finds by the entry point tempest.test_plugins."""

import os

from tempest.test_discover import plugins

from hyperv_tempest_plugin import config


class HyperVTempestPlugin(plugins.TempestPlugin):
    def load_tests(self):
        """Return (folder of the tests, folder that it is imported from)."""
        package = os.path.dirname(os.path.abspath(__file__))
        return os.path.join(package, "tests"), os.path.dirname(package)

    def register_opts(self, conf):
        conf.register_group(config.hyperv_group)
        conf.register_opts(config.HypervGroup, group=config.hyperv_group)

    def get_opt_lists(self):
        return [(config.hyperv_group.name, config.HypervGroup)]
