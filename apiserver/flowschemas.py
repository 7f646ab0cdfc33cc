"""Which FlowSchema a request belongs to, and so which priority level (API priority and fairness, KEP-1040).

Answers name both in two headers: programs that see them know that the server protects itself, and slow down no more on
their own (kubectl's and cli-utils' probe of /livez/ping). Who waits for whom is `flowcontrol.py`'s business.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from apiserver.kinds.kind import User
from apiserver.requestinfo import RequestInfo

if TYPE_CHECKING:
    from apiserver.server import App
    from apiserver.storage.types import Event

Headers = tuple[tuple[bytes, bytes], ...]
Rule = Mapping[str, Any]
GROUP = "flowcontrol.apiserver.k8s.io"
SCHEMAS, LEVELS = f"flowschemas.{GROUP}", f"prioritylevelconfigurations.{GROUP}"
UNCLASSIFIED = frozenset({"attach", "exec", "log", "portforward", "proxy"})
"""Subresources whose requests may last: they pass by priority and fairness. Watches do not."""
SERVICE_ACCOUNT = "system:serviceaccount:"
USERS_KNOWN = 4096
"""Of how many users is remembered what they can match; then it is found out again."""


@dataclass(slots=True, frozen=True)
class Flow:
    """A FlowSchema for one user: the rules whose subjects the user is among. `everything`: none is beyond them."""

    rules: Sequence[Rule]
    headers: Headers
    everything: bool

    def takes(self, info: RequestInfo) -> bool:
        """Whether a request of the user matches one of the rules."""
        if info.is_resource:
            return any(_resource(rule, info) for one in self.rules for rule in one.get("resourceRules") or ())
        return any(_path(rule, info) for one in self.rules for rule in one.get("nonResourceRules") or ())


class FlowSchemas:
    """The stored schemas by precedence. What a user can match is worked out once, until one of them changes."""

    def __init__(self, app: App) -> None:
        self._cluster = app.cluster
        self._certain: dict[tuple[str, tuple[str, ...]], Headers] = {}
        self._flows: dict[tuple[str, tuple[str, ...]], list[Flow]] = {}
        for resource in (SCHEMAS, LEVELS):
            app.store.listeners.setdefault(resource, []).append(self._changed)

    def headers(self, user: User, info: RequestInfo) -> Headers:
        """What the answer to a request says of it; nothing for requests that pass by, or where there are no schemas."""
        if info.subresource and info.subresource in UNCLASSIFIED:
            return ()
        found = self._certain.get((user.name, user.groups))
        return self._found_out(user, info) if found is None else found

    def _found_out(self, user: User, info: RequestInfo) -> Headers:
        flows = self._flows.get((user.name, user.groups))
        if flows is None:
            flows = self._flows_of(user)
        return next((flow.headers for flow in flows if flow.everything or flow.takes(info)), ())

    def _changed(self, _: Event) -> None:
        self._certain.clear()
        self._flows.clear()

    def _flows_of(self, user: User) -> list[Flow]:
        levels = {one["metadata"]["name"]: one for one in self._cluster.list(LEVELS)}
        found = []
        for schema in sorted(self._cluster.list(SCHEMAS), key=_precedence):
            level = levels.get(schema["spec"]["priorityLevelConfiguration"]["name"])
            rules = [rule for rule in schema["spec"].get("rules") or () if _is_among(user, rule["subjects"])]
            if level is not None and rules:
                found.append(Flow(rules, _headers(schema, level), any(map(_everything, rules))))
        if len(self._flows) >= USERS_KNOWN:
            self._certain.clear()
            self._flows.clear()
        self._flows[user.name, user.groups] = found
        if found and found[0].everything:
            self._certain[user.name, user.groups] = found[0].headers
        return found


def _precedence(schema: Mapping[str, Any]) -> tuple[int, str]:
    return schema["spec"].get("matchingPrecedence", 0), schema["metadata"]["name"]


def _headers(schema: Mapping[str, Any], level: Mapping[str, Any]) -> Headers:
    return (
        (b"x-kubernetes-pf-flowschema-uid", schema["metadata"]["uid"].encode()),
        (b"x-kubernetes-pf-prioritylevel-uid", level["metadata"]["uid"].encode()),
    )


def _is_among(user: User, subjects: Sequence[Mapping[str, Any]]) -> bool:
    return any(_is(user, subject) for subject in subjects)


def _is(user: User, subject: Mapping[str, Any]) -> bool:
    match subject["kind"]:
        case "User":
            return subject["user"]["name"] in ("*", user.name)
        case "Group":
            return subject["group"]["name"] == "*" or subject["group"]["name"] in user.groups
        case "ServiceAccount":
            account = subject["serviceAccount"]
            prefix = f"{SERVICE_ACCOUNT}{account['namespace']}:"
            return user.name.startswith(prefix) and account["name"] in ("*", user.name[len(prefix) :])
    return False


def _everything(rule: Rule) -> bool:
    """Whether one resource rule and one of paths are without bounds."""
    return any(
        _all(one, "verbs", "apiGroups", "resources", "namespaces") and one.get("clusterScope")
        for one in rule.get("resourceRules") or ()
    ) and any(_all(one, "verbs", "nonResourceURLs") for one in rule.get("nonResourceRules") or ())


def _all(rule: Rule, *fields: str) -> bool:
    return all(rule.get(field) == ["*"] for field in fields)


def _within(value: str, allowed: Sequence[str]) -> bool:
    return value in allowed or list(allowed) == ["*"]


def _resource(rule: Rule, info: RequestInfo) -> bool:
    full = f"{info.resource}/{info.subresource}" if info.subresource else info.resource
    if not (_within(info.verb, rule["verbs"]) and _within(full, rule["resources"])):
        return False
    if not _within(info.group, rule["apiGroups"]):
        return False
    return _within(info.namespace, rule.get("namespaces") or ()) if info.namespace else bool(rule.get("clusterScope"))


def _path(rule: Rule, info: RequestInfo) -> bool:
    """A path stands for everything below it, too."""
    if not _within(info.verb, rule["verbs"]):
        return False
    return any(
        path in ("*", info.path) or info.path.startswith(f"{path.removesuffix('*').removesuffix('/')}/")
        for path in rule["nonResourceURLs"]
    )
