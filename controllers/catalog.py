"""Every controller, in the order in which they start."""

from __future__ import annotations

from controllers import (
    clusterroleaggregation,
    daemonset,
    deployment,
    disruption,
    endpoints,
    endpointslice,
    endpointslicemirroring,
    garbagecollector,
    job,
    namespace,
    namespacedefaults,
    replicaset,
    resourcequota,
    serviceaccounttoken,
    statefulset,
    ttlafterfinished,
    volumebinding,
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
    statefulset.CONTROLLER,
    daemonset.CONTROLLER,
    job.CONTROLLER,
    ttlafterfinished.CONTROLLER,
    disruption.CONTROLLER,
    resourcequota.CONTROLLER,
    volumebinding.CONTROLLER,
    garbagecollector.CONTROLLER,
]
