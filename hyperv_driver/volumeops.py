# SPDX-License-Identifier: Apache-2.0
"""Volumes of cinder: connected to this host, in the drives of a virtual machine, and back.

A volume over SMB is a virtual disk on a share. Any other is a disk of the host, offline there, that a drive
of the machine passes through. Its number may be another one after the host's boot; so a drive bears its
volume's id, and is pointed to the disk that is the volume before the machine starts.
"""

import contextlib
import ntpath
import time

from nova import exception
from nova.virt import driver
from os_brick import exception as brick_exception
from oslo_concurrency import lockutils
from oslo_log import log as logging
from oslo_utils import strutils, uuidutils

from hyperv_driver import oswin, paths, quotas
from hyperv_driver.connectors import SMBFS, Properties
from hyperv_driver.driveops import Volume
from hyperv_driver.oswin import constants, exceptions

LOG = logging.getLogger(__name__)

# What Windows does with a disk that it has not seen before; these are on shared buses.
KEEP_OFFLINE = (constants.DISK_POLICY_OFFLINE_SHARED, constants.DISK_POLICY_OFFLINE_ALL)
# Seconds until Hyper-V has seen a new disk that Windows has seen.
DRIVE_TIMEOUT = 10
LOOK_EVERY = 0.5
# The last one because os-brick asks WMI for the disk None if it found no disk.
CONNECTION_ERRORS = (brick_exception.BrickException, exceptions.OSWinException, exceptions.x_wmi)


class VolumeOps:
    """
    :param connectors: connectors.Connectors
    """

    def __init__(self, vmutils, diskutils, connectors, driveops, metricsops):
        self._vmutils = vmutils
        self._diskutils = diskutils
        self._connectors = connectors
        self._driveops = driveops
        self._metricsops = metricsops

    def connector_properties(self):
        return self._connectors.properties()

    def attach(self, instance, connection_info, disk_bus, encryption):
        """Connect a volume and give it to a virtual machine, which may run.

        :raises nova.exception.VolumeAttachFailed: and its kin, see ``check``
        :raises nova.exception.TooManyDiskDevices: the machine's SCSI controller is full
        """
        self.check(connection_info, disk_bus, encrypted=bool(encryption))
        with _locked(connection_info), contextlib.ExitStack() as undo:
            undo.callback(self._disconnect, connection_info)
            volume = self._connect(connection_info)
            self._driveops.attach_volume(instance.name, volume)
            self._limit(volume, connection_info)
            self._metricsops.collect(instance.name)
            undo.pop_all()

    def detach(self, instance, connection_info):
        """Take a volume from a virtual machine and disconnect it; it may be gone already."""
        with _locked(connection_info):
            if _is_file(connection_info):
                self._driveops.detach(instance.name, self._file(connection_info))
            else:
                self._driveops.detach_physical(instance.name, connection_info["serial"])
            self._disconnect(connection_info)

    def extend(self, connection_info, size):
        """Have this host, and so the guest, see that a volume has grown.

        :param size: the new one, in bytes
        :raises nova.exception.VolumeExtendFailed: it has not
        :raises nova.exception.ExtendVolumeNotSupported: it is a virtual disk
        """
        if _is_file(connection_info):
            raise exception.ExtendVolumeNotSupported()
        self._connector(connection_info).extend_volume(Properties(connection_info["data"]))
        path = self._path(connection_info)
        found = self._diskutils.get_disk_size(self._diskutils.get_device_number_from_device_name(path))
        if found < size:
            raise exception.VolumeExtendFailed(
                volume_id=connection_info["serial"],
                reason=f"Windows finds {found} bytes on its disk, expected {size}",
            )

    def drive_path(self, name, connection_info):
        """The path that the drive of an attached volume has: of an Msvm_DiskDrive, or of a virtual disk."""
        if _is_file(connection_info):
            return self._file(connection_info)
        return self._vmutils.get_vm_physical_disk_mapping(name)[connection_info["serial"]][
            "mounted_disk_path"
        ]

    def attachment(self, name, connection_info):
        """Where the drive of an attached volume is, as os-win's get_disk_attachment_info has it."""
        if _is_file(connection_info):
            return self._vmutils.get_disk_attachment_info(self._file(connection_info), is_physical=False)
        return self._vmutils.get_disk_attachment_info(
            self.drive_path(name, connection_info), serial=connection_info["serial"]
        )

    def check_all(self, block_device_info):
        """Refuse volumes that an instance cannot have, before anything is made for it; see ``check``."""
        for mapping in driver.block_device_info_get_mapping(block_device_info):
            self.check(mapping["connection_info"], mapping["disk_bus"])

    def check(self, connection_info, disk_bus, encrypted=False):
        """Refuse what this driver cannot do, or cannot do as asked.

        :raises nova.exception.VolumeDriverNotFound: no connector speaks the volume's protocol
        :raises nova.exception.VolumeEncryptionNotSupported:
        :raises nova.exception.VolumeAttachFailed: it is read-only, wanted on another bus, or a file that is
            not right on its share
        """
        protocol, data = connection_info["driver_volume_type"], connection_info["data"]
        serial = connection_info["serial"]
        if protocol not in self._connectors.protocols:
            raise exception.VolumeDriverNotFound(driver_type=protocol)
        if encrypted or data.get("encrypted"):
            raise exception.VolumeEncryptionNotSupported(volume_type=protocol, volume_id=serial)
        if data.get("access_mode") == "ro":
            raise exception.VolumeAttachFailed(
                volume_id=serial, reason="it is read-only, and Hyper-V writes to every disk it has"
            )
        if disk_bus not in (None, "scsi"):
            raise exception.VolumeAttachFailed(
                volume_id=serial, reason=f"it is wanted on the bus {disk_bus}, expected scsi"
            )
        if _is_file(connection_info) and not paths.is_safe(data["name"]):
            raise exception.VolumeAttachFailed(
                volume_id=serial, reason=f"its file on the share is {data['name']!r}, expected one name"
            )
        if not data.get("qos_specs"):
            return
        if not _is_file(connection_info):
            LOG.warning("Hyper-V limits no disk of the host: volume %s goes without its QoS specs", serial)
            return
        try:
            quotas.iops_limit(data["qos_specs"])
        except ValueError as error:
            raise exception.VolumeAttachFailed(volume_id=serial, reason=f"its QoS specs: {error}") from error

    def has_files(self, block_device_info):
        """Whether any of an instance's volumes is a virtual disk, rather than a disk of the host."""
        return any(
            _is_file(mapping["connection_info"])
            for mapping in driver.block_device_info_get_mapping(block_device_info)
        )

    def connect_all(self, block_device_info):
        """Connect an instance's volumes before its virtual machine comes here; returns Volumes."""
        volumes = []
        for mapping in driver.block_device_info_get_mapping(block_device_info):
            with _locked(mapping["connection_info"]):
                volumes.append(self._connect(mapping["connection_info"]))
        return volumes

    def attach_all(self, name, generation, block_device_info):
        """Connect an instance's volumes and give them to its new virtual machine, which may boot from one."""
        root = root_volume(block_device_info)
        mappings = driver.block_device_info_get_mapping(block_device_info)
        for mapping in sorted(mappings, key=lambda mapping: mapping is not root):
            with _locked(mapping["connection_info"]):
                volume = self._connect(mapping["connection_info"])
                if mapping is root:
                    self._driveops.attach_root_volume(name, generation, volume)
                else:
                    self._driveops.attach_volume(name, volume)
                self._limit(volume, mapping["connection_info"])

    def disconnect_all(self, instance, block_device_info):
        """Disconnect the volumes of an instance that has no virtual machine any more.

        What cannot be disconnected is said: it shall not keep its owner from deleting the instance.
        """
        for mapping in driver.block_device_info_get_mapping(block_device_info):
            connection_info = mapping["connection_info"]
            try:
                with _locked(connection_info):
                    self._disconnect(connection_info)
            except CONNECTION_ERRORS as error:
                LOG.warning(
                    "Volume %s stays connected to this host: %s",
                    connection_info["serial"],
                    _without_secrets(error),
                    instance=instance,
                )

    def reconnect(self, instance, block_device_info):
        """Connect the volumes of a virtual machine that is off, and point its drives to where they are."""
        physical = []
        for mapping in driver.block_device_info_get_mapping(block_device_info):
            with _locked(mapping["connection_info"]):
                volume = self._connect(mapping["connection_info"])
            if volume.is_physical:
                physical.append(volume)
        if physical:
            self._driveops.point(instance.name, physical)

    def _limit(self, volume, connection_info):
        if not volume.is_physical:
            limits = connection_info["data"].get("qos_specs") or {}
            self._driveops.limit(volume.path, quotas.iops_limit(limits))

    def _connect(self, connection_info):
        serial, is_file = connection_info["serial"], _is_file(connection_info)
        if not is_file:
            self._check_policy(serial)
        try:
            device = self._connector(connection_info).connect_volume(Properties(connection_info["data"]))
        except CONNECTION_ERRORS as error:
            # Without that error, whose message has all of the connection, secrets included.
            raise exception.VolumeAttachFailed(volume_id=serial, reason=_without_secrets(error)) from None
        path = device["path"] if is_file else self._drive(serial, device["number"])
        return Volume(serial, path, not is_file)

    def _check_policy(self, serial):
        policy = self._diskutils.get_new_disk_policy()
        if policy not in KEEP_OFFLINE:
            raise exception.VolumeAttachFailed(
                volume_id=serial,
                reason=f"this host brings new disks online (NewDiskPolicy is {policy}); "
                "expected OfflineShared or OfflineAll: see Set-StorageSetting",
            )

    def _disconnect(self, connection_info):
        if _is_file(connection_info):
            below = connection_info["data"]["export"].replace("/", "\\").lower() + "\\"
            if any(path.lower().startswith(below) for path in oswin.attached_files(self._vmutils)):
                return  # os-brick would unmap the share, and machines that are off could not start
        self._connector(connection_info).disconnect_volume(Properties(connection_info["data"]))

    def _connector(self, connection_info):
        return self._connectors.of(connection_info["driver_volume_type"])

    def _path(self, connection_info):
        (path,) = self._connector(connection_info).get_volume_paths(Properties(connection_info["data"]))
        return path

    def _file(self, connection_info):
        """The path of the virtual disk that a volume is, as its drive has it; as cinder has it if none does.

        Cinder may name a disk that is no more: once a volume's newest snapshot is deleted, its driver for
        Windows leaves the attachment as it was, and nova reads that at a hard reboot.
        """
        named = self._path(connection_info)
        attached = {path.lower(): path for path in oswin.attached_files(self._vmutils)}
        of_volume = (path for path in attached.values() if _first_disk(path) == _first_disk(named))
        return attached.get(named.lower()) or next(of_volume, named)

    def _drive(self, serial, number):
        """The path of Hyper-V's object for a disk of the host."""
        deadline = time.monotonic() + DRIVE_TIMEOUT
        while not (path := self._vmutils.get_mounted_disk_by_drive_number(number)):
            if time.monotonic() > deadline:
                raise exception.VolumeAttachFailed(
                    volume_id=serial, reason=f"Hyper-V has no Msvm_DiskDrive for disk {number} of this host"
                )
            time.sleep(LOOK_EVERY)
        return path


def root_volume(block_device_info):
    """What an instance boots from, of its block device mapping; None: not from a volume."""
    mappings = driver.block_device_info_get_mapping(block_device_info)
    return next((mapping for mapping in mappings if mapping["boot_index"] == 0), None)


def _is_file(connection_info):
    return connection_info["driver_volume_type"] == SMBFS


def _first_disk(path):
    """The path of the disk that a volume over SMB was made as, in lower case and without its extension.

    Cinder puts a snapshot's id between the two for the disk of a snapshot (source: its driver for Windows).
    """
    without_extension, _extension = ntpath.splitext(path.lower())
    first, snapshot = ntpath.splitext(without_extension)
    return first if uuidutils.is_uuid_like(snapshot[1:]) else without_extension


@contextlib.contextmanager
def _locked(connection_info):
    """One at a time with each target or share, until a drive has what is connected: os-brick ends a session
    where it sees no other disk, though another one may be on its way.
    """
    with contextlib.ExitStack() as stack:
        for name in sorted(_places(connection_info)):
            stack.enter_context(lockutils.lock(name, "hyperv-"))
        yield


def _places(connection_info):
    """Names of the targets, or of the share, that a volume is at."""
    data = connection_info["data"]
    if _is_file(connection_info):
        return {data["export"]}
    found = data.get("target_iqns") or data.get("target_iqn") or data["target_wwn"]
    return {found} if isinstance(found, str) else set(found)


def _without_secrets(error):
    return strutils.mask_password(str(error))
