# SPDX-License-Identifier: Apache-2.0
"""The lab's backend of cinder: volumes are sparse files, shown as disks at a portal, without their data.

A simulated Windows host's initiator reaches the portal at the controller's address. Only cinder imports this.
"""

import os
import secrets
from pathlib import Path

from cinder import interface
from cinder.image import image_utils
from cinder.volume import driver, volume_utils
from oslo_config import cfg

from lab.iscsi.portal import Export, Portal

GIB = 1024**3
PREFIX = "iqn.2026-01.org.example:"


@interface.volumedriver
class SimulatedTargets(driver.VolumeDriver):
    """Volumes below cinder's ``state_path``, each a target of its own at ``target_ip_address``."""

    VERSION = "1.0"
    CI_WIKI_NAME = "none"

    def do_setup(self, context):
        self._folder = Path(cfg.CONF.state_path, "volumes")
        self._folder.mkdir(parents=True, exist_ok=True)

    def check_for_setup_error(self):
        self._portal = Portal(self.configuration.target_ip_address, self.configuration.target_port)

    def _update_volume_stats(self):
        self._stats = {
            "volume_backend_name": self.configuration.volume_backend_name,
            "vendor_name": "Open Source",
            "driver_version": self.VERSION,
            "storage_protocol": "iSCSI",
            "total_capacity_gb": 1000,
            "free_capacity_gb": 1000,
            "reserved_percentage": 0,
            "multiattach": True,
            "online_extend_support": True,
        }

    # Files

    def _path(self, thing):
        return self._folder / thing.name

    def create_volume(self, volume):
        with self._path(volume).open("xb") as file:
            file.truncate(volume.size * GIB)

    def delete_volume(self, volume):
        self._path(volume).unlink(missing_ok=True)

    def extend_volume(self, volume, new_size):
        os.truncate(self._path(volume), new_size * GIB)
        if export := self._portal.exports.get(self._target(volume)):
            export.size = new_size * GIB

    def create_snapshot(self, snapshot):
        self._copy(snapshot.volume, snapshot)

    def delete_snapshot(self, snapshot):
        self._path(snapshot).unlink(missing_ok=True)

    def create_volume_from_snapshot(self, volume, snapshot):
        self._fill(volume, snapshot)

    def create_cloned_volume(self, volume, src_vref):
        self._fill(volume, src_vref)

    def revert_to_snapshot(self, context, volume, snapshot):
        self._fill(volume, snapshot)

    def _fill(self, volume, source):
        """Make a volume what another thing is, at its own size."""
        self._copy(source, volume)
        os.truncate(self._path(volume), volume.size * GIB)

    def _copy(self, source, target):
        paths = self._path(source), self._path(target)
        self._execute("cp", "--sparse=always", "--reflink=auto", *paths)

    def clone_image(self, context, volume, image_location, image_meta, image_service):
        # Otherwise cinder looks at the image with sudo first, which a controller need not have.
        self.copy_image_to_volume(context, volume, image_service, image_meta["id"])
        return {}, True

    def copy_image_to_volume(self, context, volume, image_service, image_id, disable_sparse=False):
        path, size = self._path(volume), volume.size
        # Not as root: the files are this user's own.
        image_utils.fetch_to_raw(
            context, image_service, image_id, str(path), "1M", size=size, run_as_root=False
        )
        os.truncate(path, size * GIB)

    def copy_volume_to_image(self, context, volume, image_service, image_meta):
        volume_utils.upload_volume(
            context, image_service, image_meta, str(self._path(volume)), volume, run_as_root=False
        )

    # Targets

    def _target(self, volume):
        return f"{PREFIX}{volume.name}"

    def _export(self, volume, chap):
        identifier = "6001405" + volume.id.replace("-", "")[:25]
        export = Export(volume.size * GIB, identifier, chap)
        return self._portal.exports.setdefault(self._target(volume), export)

    def create_export(self, context, volume, connector):
        # Sixteen bytes at most: what Windows takes. With the volume attached already, its pair stays.
        export = self._export(volume, (secrets.token_hex(8), secrets.token_hex(8)))
        address, port = self._portal.server_address
        return {
            "provider_location": f"{address}:{port},1 {self._target(volume)} {export.lun}",
            "provider_auth": " ".join(("CHAP", *export.chap)),
        }

    def ensure_export(self, context, volume):
        """After a restart: the targets as they were, for whom they were."""
        if not volume.provider_auth:
            return
        _method, user, secret = volume.provider_auth.split()
        export = self._export(volume, (user, secret))
        for attachment in volume.volume_attachment:
            if attachment.connector:
                export.initiators.add(attachment.connector["initiator"])

    def remove_export(self, context, volume):
        self._portal.exports.pop(self._target(volume), None)

    def initialize_connection(self, volume, connector):
        export = self._portal.exports[self._target(volume)]
        export.initiators.add(connector["initiator"])
        address, port = self._portal.server_address
        user, secret = export.chap
        data = {
            "target_discovered": False,
            "target_portal": f"{address}:{port}",
            "target_iqn": self._target(volume),
            "target_lun": export.lun,
            "volume_id": volume.id,
            "auth_method": "CHAP",
            "auth_username": user,
            "auth_password": secret,
            "discard": False,
        }
        return {"driver_volume_type": "iscsi", "data": data}

    def terminate_connection(self, volume, connector, **_options):
        export = self._portal.exports.get(self._target(volume))
        if export is None:
            return False
        if connector is None:
            export.initiators.clear()
            return False
        name = connector["initiator"]
        others = [one for one in volume.volume_attachment if (one.connector or {}).get("initiator") == name]
        # With two servers on one host, the host keeps the volume until the second one is without it.
        if len(others) < 2:
            export.initiators.discard(name)
        # Cinder removes the export if nobody is left.
        return bool(export.initiators)
