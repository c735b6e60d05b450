# SPDX-License-Identifier: Apache-2.0
"""Time from the request for a server until it is ACTIVE, by host: ``spawn_times.py GUEST BASE [ROUNDS]``.

GUEST is a VHDX file to boot from, BASE the compute host that the others of the cloud are compared with; the
cloud is the one that the environment's OS_* variables name. Each round has one server on each host, one after
the other; the first, in which the image gets to the hosts, does not count. Prints the median of each host in
seconds, and its ratio to that of BASE.
"""

import statistics
import sys
import time

import openstack

NAME = "spawn-times"
POLL = 0.05


def spawn(cloud, host, **what):
    """Return the seconds until a server on a host is active. It is gone afterwards."""
    started = time.monotonic()
    server = cloud.compute.create_server(name=NAME, availability_zone=f"nova:{host}", **what)
    try:
        while (server := cloud.compute.get_server(server)).status != "ACTIVE":
            if server.status == "ERROR":
                raise SystemExit(f"the server on {host} is in ERROR: {server.fault}")
            time.sleep(POLL)
        return time.monotonic() - started
    finally:
        cloud.compute.delete_server(server)
        cloud.compute.wait_for_delete(server, interval=1)


def main():
    guest, base = sys.argv[1:3]
    rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 10
    cloud = openstack.connect(compute_api_version="2.1")
    hosts = sorted(service.host for service in cloud.compute.services(binary="nova-compute"))
    flavor = cloud.compute.create_flavor(name=NAME, ram=256, vcpus=1, disk=1)
    image = cloud.image.create_image(
        name=NAME, filename=guest, disk_format="vhdx", container_format="bare", hw_machine_type="hyperv-gen2"
    )
    network = cloud.network.create_network(name=NAME)
    cloud.network.create_subnet(
        network_id=network.id, ip_version=4, cidr="10.9.0.0/16", is_dhcp_enabled=False
    )
    what = {"flavor_id": flavor.id, "image_id": image.id, "networks": [{"uuid": network.id}]}
    try:
        times = [{host: spawn(cloud, host, **what) for host in hosts} for _ in range(rounds + 1)][1:]
    finally:
        cloud.network.delete_network(network)
        cloud.image.delete_image(image)
        cloud.compute.delete_flavor(flavor)
    medians = {host: statistics.median(one[host] for one in times) for host in hosts}
    for host, seconds in medians.items():
        print(f"{host}: {seconds:.2f} s, {seconds / medians[base]:.2f} times {base}")


if __name__ == "__main__":
    main()
