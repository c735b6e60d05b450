# SPDX-License-Identifier: Apache-2.0
"""What ``ml2`` says in a VIF's details, in neutron, and ``networkops`` reads there, in nova."""

# True: an agent on the host connects the adapter. False or not there: nova-compute does.
WIRED_BY_AGENT = "hyperv_wired_by_agent"
