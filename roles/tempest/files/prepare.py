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

# MiB of memory. A disk of 1 GiB makes the driver grow what the image brings (64 MiB).
FLAVORS = (("flavor_ref", "tempest.small", 256), ("flavor_ref_alt", "tempest.large", 384))
IMAGES = (("image_ref", "guest", "vhdx"), ("image_ref_alt", "guest-alt", "vhd"))
NETWORK = "tempest"


def flavor(cloud, name, memory):
    found = cloud.compute.find_flavor(name)
    return (found or cloud.compute.create_flavor(name=name, ram=memory, vcpus=1, disk=1)).id


def image(cloud, name, kind, guests):
    found = cloud.image.find_image(name)
    if not found:
        found = cloud.image.create_image(
            name=name,
            filename=str(guests / f"guest.{kind}"),
            disk_format=kind,
            container_format="bare",
            visibility="public",
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
        steps = {option: pool.submit(flavor, cloud, name, memory) for option, name, memory in FLAVORS}
        steps |= {option: pool.submit(image, cloud, name, kind, guests) for option, name, kind in IMAGES}
        steps["fixed_network_name"] = pool.submit(network, cloud)
        json.dump({option: step.result() for option, step in steps.items()}, sys.stdout)


if __name__ == "__main__":
    main()
