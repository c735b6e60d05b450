# SPDX-License-Identifier: Apache-2.0
"""The service control manager: what is installed (configuration), what runs (controller), how they talk
(connection).
"""
