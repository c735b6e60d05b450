# SPDX-License-Identifier: Apache-2.0
"""Wait until compute hosts are up, mapped to their cell, and have an inventory, and their agents are alive.

Only then servers can be put on them. The cloud and its administrator are the ones of the OS_* variables.
"""

import argparse
import sys
import time

import openstack


def obstacle(cloud, hosts, agent_type):
    """Return what keeps the cloud from putting servers on this many hosts, or None."""
    if agent_type:
        agents = list(cloud.network.agents(agent_type=agent_type))
        alive = [agent for agent in agents if agent.is_alive]
        if len(alive) < hosts:
            return f"{len(alive)} of the {hosts} {agent_type}s are alive, neutron knows of {len(agents)}"
    services = list(cloud.compute.services(binary="nova-compute"))
    down = [service for service in services if service.state != "up"]
    if len(services) < hosts:
        return f"{len(services)} nova-compute have reported to nova, expected {hosts}"
    if len(services) - len(down) < hosts:
        return f"nova-compute on {down[0].host} is {down[0].state}: its last report is too old"
    # Nova lists a hypervisor once its host is mapped to a cell.
    hypervisors = list(cloud.compute.hypervisors())
    if len(hypervisors) < hosts:
        return f"of {_names(services, 'host')}, {len(hypervisors)} are mapped to a cell and have a node"
    providers = [
        one
        for one in cloud.placement.resource_providers()
        if any(cloud.placement.resource_provider_inventories(one))
    ]
    if len(providers) < hosts:
        return f"of {_names(hypervisors, 'name')}, {len(providers)} have an inventory in placement"
    return None


def _names(resources, attribute):
    return ", ".join(getattr(one, attribute) for one in resources)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hosts", type=int, required=True)
    parser.add_argument("--timeout", type=float, required=True, help="seconds")
    parser.add_argument("--network-agent", default="", help="type of an agent that must be alive on each")
    given = parser.parse_args()
    cloud = openstack.connect()
    started = time.monotonic()
    while reason := obstacle(cloud, given.hosts, given.network_agent):
        if time.monotonic() - started > given.timeout:
            sys.exit(f"not {given.hosts} compute hosts after {given.timeout:.0f} s: {reason}")
        time.sleep(1)
    print(f"{given.hosts} can take servers after {time.monotonic() - started:.1f} s")


if __name__ == "__main__":
    main()
