# SPDX-License-Identifier: Apache-2.0
"""Make flavors, images and a network for the tests, print their identifiers as JSON: ``prepare.py GUESTS``.

GUESTS is the directory with guest.vhd and guest.vhdx. The cloud is the one that the environment's OS_*
variables name. What exists by its name already is taken as it is.
"""

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import openstack

# MiB of memory, GiB of disk: more than what the image brings (64 MiB), and more after a resize.
FLAVORS = (("flavor_ref", "tempest.small", 256, 1), ("flavor_ref_alt", "tempest.large", 384, 2))
# Both generations of virtual machines; only the second takes adapters while it runs.
IMAGES = (("image_ref", "guest", "vhdx", "hyperv-gen2"), ("image_ref_alt", "guest-alt", "vhd", "hyperv-gen1"))
NETWORK = "tempest"


def flavor(cloud, name, memory, disk):
    found = cloud.compute.find_flavor(name)
    return (found or cloud.compute.create_flavor(name=name, ram=memory, vcpus=1, disk=disk)).id


def image(cloud, name, kind, machine_type, guests):
    found = cloud.image.find_image(name)
    if not found:
        found = cloud.image.create_image(
            name=name,
            filename=str(guests / f"guest.{kind}"),
            disk_format=kind,
            container_format="bare",
            visibility="public",
            hw_machine_type=machine_type,
        )
    return found.id


def network(cloud):
    found = cloud.network.find_network(NETWORK)
    if not found:
        found = cloud.network.create_network(name=NETWORK, is_shared=True)
        cloud.network.create_subnet(
            network_id=found.id, ip_version=4, cidr="10.1.0.0/16", is_dhcp_enabled=False
        )
    return NETWORK


def main():
    guests = Path(sys.argv[1])
    cloud = openstack.connect()
    with ThreadPoolExecutor() as pool:
        steps = {option: pool.submit(flavor, cloud, *values) for option, *values in FLAVORS}
        steps |= {option: pool.submit(image, cloud, *values, guests) for option, *values in IMAGES}
        steps["fixed_network_name"] = pool.submit(network, cloud)
        json.dump({option: step.result() for option, step in steps.items()}, sys.stdout)


if __name__ == "__main__":
    main()
