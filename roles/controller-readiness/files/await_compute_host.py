# SPDX-License-Identifier: Apache-2.0
"""Wait until a compute host is up, mapped to its cell, and has an inventory, and its agent is alive.

Only then a server can be put on it. The cloud and its administrator are the ones of the OS_* variables.
"""

import argparse
import sys
import time

import openstack


def seen(cloud, agent_type):
    """Return what keeps the cloud from putting servers on a host, or None and the host's name."""
    if agent_type:
        agents = list(cloud.network.agents(agent_type=agent_type))
        if not any(agent.is_alive for agent in agents):
            return f"no {agent_type} that neutron knows of is alive, of {len(agents)}", None
    services = list(cloud.compute.services(binary="nova-compute"))
    if not services:
        return "no nova-compute has reported to nova", None
    down = [service for service in services if service.state != "up"]
    if len(down) == len(services):
        return f"nova-compute on {down[0].host} is {down[0].state}: its last report is too old", None
    # Nova lists a hypervisor once its host is mapped to a cell.
    hypervisors = list(cloud.compute.hypervisors())
    if not hypervisors:
        return f"the host of nova-compute, {services[0].host}, is not mapped to a cell or has no node", None
    for provider in cloud.placement.resource_providers():
        if list(cloud.placement.resource_provider_inventories(provider)):
            return None, provider.name
    return f"{hypervisors[0].name} has no inventory in placement", None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--timeout", type=float, required=True, help="seconds")
    parser.add_argument("--network-agent", default="", help="type of an agent that must be alive as well")
    given = parser.parse_args()
    cloud = openstack.connect()
    started = time.monotonic()
    while True:
        obstacle, host = seen(cloud, given.network_agent)
        if obstacle is None:
            print(f"{host} can take servers after {time.monotonic() - started:.1f} s")
            return
        if time.monotonic() - started > given.timeout:
            sys.exit(f"no compute host after {given.timeout:.0f} s: {obstacle}")
        time.sleep(1)


if __name__ == "__main__":
    main()
