# SPDX-License-Identifier: Apache-2.0
"""What Ansible sends to a Windows node, understood without PowerShell."""
