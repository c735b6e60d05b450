# SPDX-License-Identifier: Apache-2.0
"""The lab's real servers, one module each."""
