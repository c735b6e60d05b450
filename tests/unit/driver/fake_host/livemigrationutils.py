# SPDX-License-Identifier: Apache-2.0
"""os-win's livemigrationutils."""


class FakeLiveMigrationUtils:
    """What goes wrong is in `failure`, raised once; a machine that moved is gone from here."""

    def __init__(self, vmutils):
        self._vmutils = vmutils
        self.planned = {}
        self.failure = None
        self.moves = []

    def check_live_migration_config(self):
        self._fail()

    def create_planned_vm(self, vm_name, src_host, disk_path_mapping):
        self.planned[vm_name] = (src_host, disk_path_mapping)

    def destroy_existing_planned_vm(self, vm_name):
        self.planned.pop(vm_name, None)

    def live_migrate_vm(self, vm_name, dest_host, migrate_disks=True):
        self.moves.append((vm_name, dest_host, migrate_disks))
        self._fail()
        del self._vmutils.vms[vm_name]

    def _fail(self):
        failure, self.failure = self.failure, None
        if failure:
            raise failure
