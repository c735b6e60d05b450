# SPDX-License-Identifier: Apache-2.0
"""Where this driver keeps files, all below ``[DEFAULT] instances_path``.

::

    _base\\<image>.vhdx               an image as Glance has it
    _base\\<image>_<size>G.vhd        a VHD image at a flavor's size
    <instance>\\root.vhdx             difference from one of these, or a copy of it
    <instance>\\ephemeral0.vhdx, swap.vhdx
    <instance>\\configdrive.iso
    <instance>\\boot.iso                 an ISO image that it boots from
    <instance>\\rescue.vhdx or rescue.iso, configdrive-rescue.iso
    <instance>\\snapshot_<image>.vhdx     on its way to Glance
    <instance>\\console.log, console.log.1
    <instance>_aside\\                   its folder of before a resize, until that is confirmed or reverted

Hyper-V keeps a virtual machine's own configuration in the instance's folder too.
"""

import ntpath
import os
import re

import nova.conf

CONF = nova.conf.CONF

# Names of folders that stay below another, on Windows too: no separator, no "..", no end that Windows drops.
SAFE_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")

EXPORTED = "snapshot_"
CACHE, ASIDE, MARK, PART = "_base", "_aside", ".mark", ".part"
# Folder, and the ends of the names of those files in it that are there for the moment only.
UNFINISHED = {"": (MARK,), CACHE: (PART, ".part.vhd", ".part.vhdx")}


def image_cache():
    return os.path.join(CONF.instances_path, CACHE)


def cached_image(image_id, disk_format):
    return os.path.join(image_cache(), f"{image_id}.{disk_format}")


def cached_image_at_size(image_id, disk_format, size_gb):
    return os.path.join(image_cache(), f"{image_id}_{size_gb}G.{disk_format}")


def image_of(cached_file_name):
    """The id of the image that a file of the cache, named by one of the two functions above, comes from."""
    return cached_file_name.partition(".")[0].partition("_")[0]


def instance_folder(instance_name):
    return os.path.join(CONF.instances_path, instance_name)


def aside_folder(instance_name):
    return os.path.join(CONF.instances_path, f"{instance_name}{ASIDE}")


def is_safe(instance_name):
    """Whether an instance of this name, of which parts may be its user's, can have a folder of its own."""
    return bool(SAFE_NAME.fullmatch(instance_name)) and not instance_name.endswith(ASIDE)


def instance_of(folder):
    """The name of the instance whose folder has this name, be it set aside; None: it is no instance's."""
    return None if folder == CACHE else folder.removesuffix(ASIDE)


def may_be_shared(path):
    """Whether other hosts may have this folder too: it is on a share or a cluster's volume."""
    return path.startswith("\\\\") or "\\clusterstorage\\" in path.lower()


def moved(path, folder):
    """The path of a file of the same name in another folder."""
    return os.path.join(folder, os.path.basename(path))


def on_host(host, path):
    """The path by which this host reaches a file of another's ``instances_path``; one on a share as it is."""
    if CONF.hyperv.instances_path_share:
        below = os.path.relpath(path, CONF.instances_path)
        return rf"\\{host}\{CONF.hyperv.instances_path_share}\{below}"
    drive, below = ntpath.splitdrive(path)
    return path if drive.startswith("\\") else rf"\\{host}\{drive[:1]}${below}"


def root_disk(folder, disk_format):
    return os.path.join(folder, f"root.{disk_format}")


def rescue_disk(instance_name, disk_format):
    return os.path.join(instance_folder(instance_name), f"rescue.{disk_format}")


def ephemeral_disk(instance_name, index):
    return os.path.join(instance_folder(instance_name), f"ephemeral{index}.vhdx")


def swap_disk(instance_name):
    return os.path.join(instance_folder(instance_name), "swap.vhdx")


def boot_dvd(instance_name):
    return os.path.join(instance_folder(instance_name), "boot.iso")


def config_drive(instance_name):
    return os.path.join(instance_folder(instance_name), "configdrive.iso")


def rescue_config_drive(instance_name):
    return os.path.join(instance_folder(instance_name), "configdrive-rescue.iso")


def exported_disk(instance_name, image_id, disk_format):
    return os.path.join(instance_folder(instance_name), f"{EXPORTED}{image_id}.{disk_format}")


def disk_format(path):
    """Windows and os-win tell the format of a virtual disk by its file's extension; so does this driver."""
    return os.path.splitext(path)[1][1:].lower()


def console_log(instance_name):
    return os.path.join(instance_folder(instance_name), "console.log")


def serial_pipe(instance_uuid):
    """Hyper-V's end of the serial port that is logged: a named pipe that is there while the machine runs."""
    return rf"\\.\pipe\nova-console-{instance_uuid}"


def console_pipe(instance_uuid):
    """The same of the serial port that a console shows, if that is another one."""
    return rf"\\.\pipe\nova-terminal-{instance_uuid}"
