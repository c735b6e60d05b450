# SPDX-License-Identifier: Apache-2.0
r"""What a simulated Windows host is apart from Hyper-V: C:\, registry, processes, services, Ansible's
modules.

There is no PowerShell here. A module is answered by its Python counterpart, a script by the counterpart that
is bound to the script's hash; what has neither is refused, naming it.
"""
