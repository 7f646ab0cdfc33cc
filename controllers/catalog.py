"""Every controller, in the order in which they start."""

from __future__ import annotations

from controllers import (
    clusterroleaggregation,
    endpoints,
    endpointslice,
    endpointslicemirroring,
    garbagecollector,
    namespace,
    namespacedefaults,
    serviceaccounttoken,
)

CONTROLLERS = [
    endpoints.CONTROLLER,
    endpointslice.CONTROLLER,
    endpointslicemirroring.CONTROLLER,
    namespace.CONTROLLER,
    namespacedefaults.ACCOUNTS,
    namespacedefaults.ROOT_CAS,
    serviceaccounttoken.CONTROLLER,
    clusterroleaggregation.CONTROLLER,
    garbagecollector.CONTROLLER,
]
