"""The flow schemas and priority levels that every cluster has (KEP-1040): the server makes them when it starts."""

from __future__ import annotations

from typing import Any

from apiserver.kinds.kind import Object

GROUP = "flowcontrol.apiserver.k8s.io/v1"
MANDATORY = ("exempt", "catch-all")
"""Their specs never change."""
ALL_GROUPS = ("system:unauthenticated", "system:authenticated")
EVERYTHING = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "clusterScope": True, "namespaces": ["*"]}
ANY_PATH = {"verbs": ["*"], "nonResourceURLs": ["*"]}


def _group(name: str) -> Object:
    return {"kind": "Group", "group": {"name": name}}


def _user(name: str) -> Object:
    return {"kind": "User", "user": {"name": name}}


def _account(name: str) -> Object:
    return {"kind": "ServiceAccount", "serviceAccount": {"name": name, "namespace": "kube-system"}}


def _rule(subjects: list[Object], *rules: Object) -> Object:
    resources = [rule for rule in rules if "resources" in rule]
    paths = [rule for rule in rules if "nonResourceURLs" in rule]
    found: Object = {"subjects": subjects}
    if resources:
        found["resourceRules"] = resources
    if paths:
        found["nonResourceRules"] = paths
    return found


def _resources(verbs: str, group: str, resources: str, *, cluster: bool = False) -> Object:
    found: Object = {"verbs": verbs.split(), "apiGroups": [group], "resources": resources.split()}
    return {**found, **({"clusterScope": True} if cluster else {}), "namespaces": ["*"]}


_CONTROL = [_user("system:kube-controller-manager"), _user("system:kube-scheduler")]
_NODES, _MASTERS = _group("system:nodes"), _group("system:masters")
_ACCOUNTS = _group("system:serviceaccounts")
_ALL = [_group(name) for name in ALL_GROUPS]
_LEASES = _resources("get create update", "coordination.k8s.io", "leases")
_PROBES = {"verbs": ["get"], "nonResourceURLs": ["/healthz", "/readyz", "/livez"]}
_ENDPOINTS = [_CONTROL[0], _account("endpoint-controller"), _account("endpointslicemirroring-controller")]

# name, precedence, level, distinguisher, rules
_SCHEMAS: tuple[tuple[str, int, str, str, list[Object]], ...] = (
    ("exempt", 1, "exempt", "", [_rule([_MASTERS], EVERYTHING, ANY_PATH)]),
    (
        "probes",
        2,
        "exempt",
        "",
        [_rule(_ALL, _PROBES)],
    ),
    (
        "system-leader-election",
        100,
        "leader-election",
        "ByUser",
        [_rule([*_CONTROL, _account("*")], _LEASES)],
    ),
    (
        "endpoint-controller",
        150,
        "workload-high",
        "ByUser",
        [_rule(_ENDPOINTS, _resources("get create update", "", "endpoints"))],
    ),
    (
        "workload-leader-election",
        200,
        "leader-election",
        "ByUser",
        [_rule([_account("*")], _LEASES)],
    ),
    (
        "system-node-high",
        400,
        "node-high",
        "ByUser",
        [
            _rule(
                [_NODES],
                _resources("*", "", "nodes nodes/status", cluster=True),
                _resources("*", "coordination.k8s.io", "leases"),
            )
        ],
    ),
    ("system-nodes", 500, "system", "ByUser", [_rule([_NODES], EVERYTHING, ANY_PATH)]),
    ("kube-controller-manager", 800, "workload-high", "ByNamespace", [_rule(_CONTROL[:1], EVERYTHING, ANY_PATH)]),
    ("kube-scheduler", 800, "workload-high", "ByNamespace", [_rule(_CONTROL[1:], EVERYTHING, ANY_PATH)]),
    (
        "kube-system-service-accounts",
        900,
        "workload-high",
        "ByNamespace",
        [_rule([_account("*")], EVERYTHING, ANY_PATH)],
    ),
    ("service-accounts", 9000, "workload-low", "ByUser", [_rule([_ACCOUNTS], EVERYTHING, ANY_PATH)]),
    ("global-default", 9900, "global-default", "ByUser", [_rule(_ALL, EVERYTHING, ANY_PATH)]),
    ("catch-all", 10000, "catch-all", "ByUser", [_rule(_ALL, EVERYTHING, ANY_PATH)]),
)

# name, concurrency shares, lendable percent, (queues, hand size, queue length) or None where requests are rejected
_LEVELS: tuple[tuple[str, int, int, tuple[int, int, int] | None], ...] = (
    ("system", 30, 33, (64, 6, 50)),
    ("node-high", 40, 25, (64, 6, 50)),
    ("leader-election", 10, 0, (16, 4, 50)),
    ("workload-high", 40, 50, (128, 6, 50)),
    ("workload-low", 100, 90, (128, 6, 50)),
    ("global-default", 20, 50, (128, 6, 50)),
    ("catch-all", 5, 0, None),
)


def level_spec(name: str) -> Object | None:
    """The spec that a level starts with."""
    if name == "exempt":
        return {"type": "Exempt", "exempt": {"nominalConcurrencyShares": 0, "lendablePercent": 0}}
    found = next((item for item in _LEVELS if item[0] == name), None)
    if found is None:
        return None
    _, shares, lendable, queues = found
    response: Object = {"type": "Reject"}
    if queues is not None:
        names = ("queues", "handSize", "queueLengthLimit")
        response = {"type": "Queue", "queuing": dict(zip(names, queues, strict=True))}
    limited = {"nominalConcurrencyShares": shares, "limitResponse": response, "lendablePercent": lendable}
    return {"type": "Limited", "limited": limited}


def schema_spec(name: str) -> Object | None:
    """The spec that a flow schema starts with."""
    found = next((item for item in _SCHEMAS if item[0] == name), None)
    if found is None:
        return None
    _, precedence, level, distinguisher, rules = found
    spec: Object = {"priorityLevelConfiguration": {"name": level}, "matchingPrecedence": precedence, "rules": rules}
    return {**spec, "distinguisherMethod": {"type": distinguisher}} if distinguisher else spec


def default_objects(now: str) -> list[Object]:
    """Every level and schema. `now` is the time of the condition that a schema's level exists."""
    levels = ("exempt", *(item[0] for item in _LEVELS))
    found = [_object("PriorityLevelConfiguration", name, level_spec(name)) for name in levels]
    for name, _, level, _, _ in _SCHEMAS:
        why = f'This FlowSchema references the PriorityLevelConfiguration object named "{level}" and it exists'
        condition = {"type": "Dangling", "status": "False", "lastTransitionTime": now, "reason": "Found"}
        condition["message"] = why
        found.append({**_object("FlowSchema", name, schema_spec(name)), "status": {"conditions": [condition]}})
    return found


def _object(kind: str, name: str, spec: Any) -> Object:
    note = {"apf.kubernetes.io/autoupdate-spec": "true"}
    metadata = {"name": name, "annotations": note, "generation": 1}
    return {"apiVersion": GROUP, "kind": kind, "metadata": metadata, "spec": spec, "status": {}}
