# SPDX-License-Identifier: Apache-2.0
"""Neutron's L2 agent for Hyper-V: wires the adapters of virtual machines, and tells neutron when it has.

It is a process of its own beside nova-compute, ``python -m hyperv_driver.agent --config-file FILE``, and
stops when its standard input ends. Neutron's own agent code cannot be imported on Windows; this speaks its
RPC.

================= ==========================================================================================
``ports``         the loop: which adapters there are, which of them are to be wired, what failed
``wiring``        one adapter: its switch, its VLANs, its MAC addresses
``trunks``        which VLANs a parent has for its sub-ports
``acls``          security groups as ACLs of an adapter's port
``bandwidth``     QoS policies as the bandwidth of an adapter's port
``rpc``           what neutron is asked and told, and what it tells
``reports``       the agent's state, every half minute
``config``        the options, and what they give to Placement
================= ==========================================================================================
"""

AGENT_TYPE = "HyperV agent"
BINARY = "neutron-hyperv-agent"
