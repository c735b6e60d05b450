# SPDX-License-Identifier: Apache-2.0
"""What a Python process on Linux needs of Windows; ``sitecustomize`` puts it in place."""
