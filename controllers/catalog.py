"""Every controller, in the order in which they start."""

from __future__ import annotations

from controllers import endpoints, endpointslice, endpointslicemirroring

CONTROLLERS = [
    endpoints.CONTROLLER,
    endpointslice.CONTROLLER,
    endpointslicemirroring.CONTROLLER,
]
