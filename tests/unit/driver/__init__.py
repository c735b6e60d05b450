# SPDX-License-Identifier: Apache-2.0
"""nova-compute runs on native threads. nova's own switch for that would forbid eventlet to other tests."""

from oslo_service import backend

backend.init_backend(backend.BackendType.THREADING)

from nova import objects  # noqa: E402

objects.register_all()
