"""Every controller, in the order in which they start."""

from __future__ import annotations

from controllers import (
    clusterroleaggregation,
    deployment,
    endpoints,
    endpointslice,
    endpointslicemirroring,
    garbagecollector,
    namespace,
    namespacedefaults,
    replicaset,
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
    deployment.CONTROLLER,
    replicaset.CONTROLLER,
    replicaset.REPLICATION,
    garbagecollector.CONTROLLER,
]
