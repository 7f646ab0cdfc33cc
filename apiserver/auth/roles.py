"""The roles and bindings that every cluster has: kube-apiserver's bootstrap policy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from apiserver.auth import controller_table, role_table
from apiserver.kinds.kind import Object

API = "rbac.authorization.k8s.io"
LABELS = {"kubernetes.io/bootstrapping": "rbac-defaults"}
AUTO = {"rbac.authorization.kubernetes.io/autoupdate": "true"}
AGGREGATE = "rbac.authorization.k8s.io/aggregate-to-"
VERBS = {
    "read": ["get", "list", "watch"],
    "write": ["create", "delete", "deletecollection", "patch", "update"],
    "all": ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
}
RULE_OF_URLS = 2
"""The parts of a line without groups."""

Rule = dict[str, Any]


def rule(line: str) -> Rule:
    """One line of the table."""
    parts = [part.split() for part in line.split("|")]
    verbs = VERBS.get(parts[0][0], parts[0])
    if len(parts) == RULE_OF_URLS:
        return {"verbs": verbs, "nonResourceURLs": parts[1]}
    found = {
        "verbs": verbs,
        "apiGroups": ["" if group == "core" else group for group in parts[1]],
        "resources": parts[2],
    }
    return found if not parts[3:] else {**found, "resourceNames": parts[3]}


def rules(text: str) -> list[Rule]:
    return [rule(line) for line in text.split("\n") if line]


def _named(text: str) -> Iterator[tuple[str, list[Rule]]]:
    """Role after role of a table."""
    name, found = "", list[Rule]()
    for line in text.split("\n"):
        if line.endswith(":"):
            if name:
                yield name, found
            name, found = line[:-1], []
        elif line:
            found.append(rule(line))
    yield name, found


def _object(kind: str, path: str, labels: dict[str, str] | None = None, **fields: Any) -> Object:
    namespace, _, name = path.rpartition("/")
    meta = {"name": name, "labels": {**LABELS, **(labels or {})}, "annotations": dict(AUTO)}
    where = {"namespace": namespace} if namespace else {}
    return {"apiVersion": f"{API}/v1", "kind": kind, "metadata": {**meta, **where}, **fields}


def _subject(text: str) -> dict[str, str]:
    kind, name = text.split()
    if kind == "ServiceAccount":
        return {"kind": kind, "name": name, "namespace": "kube-system"}
    return {"kind": kind, "apiGroup": API, "name": f"system:{name}"}


def _binding(kind: str, path: str, subjects: Iterable[str]) -> Object:
    namespace, slash, name = path.rpartition("/")
    called = namespace + slash + role_table.RENAMED.get(name, name)
    found = _object(f"{kind}Binding", called, roleRef={"apiGroup": API, "kind": kind, "name": name})
    bound = [_subject(subject) for subject in subjects]
    return {**found, "subjects": bound} if bound else found


def _aggregates() -> Iterator[Object]:
    """admin, edit and view, with the rules that the controller would gather; and what they are made of."""
    gathered: list[Rule] = []
    for name, text, above in (
        ("view", role_table.VIEW, "edit"),
        ("edit", role_table.EDIT, "admin"),
        ("admin", role_table.ADMIN, ""),
    ):
        own = rules(text)
        gathered = [*gathered, *own] if name == "admin" else [*own, *gathered]
        selected = {"clusterRoleSelectors": [{"matchLabels": {AGGREGATE + name: "true"}}]}
        upward = {AGGREGATE + above: "true"} if above else None
        yield _object("ClusterRole", name, upward, rules=gathered, aggregationRule=selected)
        yield _object("ClusterRole", f"system:aggregate-to-{name}", {AGGREGATE + name: "true"}, rules=own)


def _controllers() -> Iterator[Object]:
    """A cluster role and its binding for each controller."""
    for name, found in _named(controller_table.CONTROLLERS):
        called = controller_table.PREFIX + name
        yield _object("ClusterRole", called, rules=found)
        yield _binding("ClusterRole", called, [f"ServiceAccount {name}"])


def default_roles() -> list[Object]:
    """Every role and binding, ready to be created."""
    return [
        *_aggregates(),
        *(_object("ClusterRole", name, rules=found) for name, found in _named(role_table.CLUSTER_ROLES)),
        *(_object("Role", path, rules=found) for path, found in _named(role_table.ROLES)),
        *(_binding("ClusterRole", name, who) for name, who in role_table.CLUSTER_BINDINGS.items()),
        *_controllers(),
        *(_binding("Role", path, who) for path, who in role_table.BINDINGS.items()),
    ]
