"""Nobody grants what they do not hold: checks on roles and bindings (`escalate` and `bind` are the ways around)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from apiserver import errors
from apiserver.admission import Plugin
from apiserver.auth.authorization import GROUP, MASTERS, Attributes, matches
from apiserver.kinds.kind import Context, Kind, Object

if TYPE_CHECKING:
    from apiserver.request import Request

Rule = Mapping[str, Any]
ROLES = frozenset({"Role", "ClusterRole"})
BINDINGS = frozenset({"RoleBinding", "ClusterRoleBinding"})


class PrivilegeEscalation(Plugin):
    """The rbac storage's policy-based checks; part of authorization, so not switchable."""

    name = "PrivilegeEscalation"
    resources = frozenset(
        f"{plural}.{GROUP}" for plural in ("roles", "clusterroles", "rolebindings", "clusterrolebindings")
    )

    async def validate(self, request: Request, kind: Kind, obj: Object, old: Object | None, context: Context) -> None:
        if kind.group != GROUP or MASTERS in request.user.groups:
            return
        if kind.kind in ROLES:
            rules, verb, name = obj.get("rules") or (), "escalate", obj["metadata"]["name"]
            if old is not None and old.get("rules") == obj.get("rules"):
                return
        else:
            reference = obj["roleRef"]
            if old is not None and old.get("subjects") == obj.get("subjects"):
                return
            rules, verb, name = _referenced(request, reference, context.namespace), "bind", reference["name"]
        plural = kind.plural if kind.kind in ROLES else f"{obj['roleRef']['kind'].lower()}s"
        asked = Attributes(verb, GROUP, plural, namespace=context.namespace, name=name)
        if request.server.authorizer.allowed(request.user, asked):
            return
        missing = list(_missing(request.server.authorizer.rules(request.user, context.namespace), rules))
        if missing:
            raise _refusal(request, kind, obj["metadata"]["name"], missing)


def _referenced(request: Request, reference: Mapping[str, str], namespace: str) -> Iterable[Rule]:
    plural = "roles" if reference["kind"] == "Role" else "clusterroles"
    role = request.server.cluster.get(f"{plural}.{GROUP}", namespace if plural == "roles" else "", reference["name"])
    if role is None:
        kind = request.server.registry.find(GROUP, "v1", plural)
        assert kind is not None
        raise errors.not_found(kind, reference["name"])
    found: list[Rule] = role.get("rules") or []
    return found


def _missing(held: list[Rule], wanted: Iterable[Rule]) -> Iterator[Rule]:
    """The parts of `wanted`, one verb and resource each, that no held rule covers."""
    for rule in wanted:
        for part in _parts(rule):
            if not any(_covers(have, part) for have in held):
                yield part


def _parts(rule: Rule) -> Iterator[Rule]:
    for verb in rule.get("verbs") or ():
        for url in rule.get("nonResourceURLs") or ():
            yield {"nonResourceURLs": [url], "verbs": [verb]}
        for group in rule.get("apiGroups") or ():
            for resource in rule.get("resources") or ():
                for name in rule.get("resourceNames") or [""]:
                    part: dict[str, Any] = {"apiGroups": [group], "resources": [resource], "verbs": [verb]}
                    if name:
                        part["resourceNames"] = [name]
                    yield part


def _covers(have: Rule, part: Rule) -> bool:
    verb = part["verbs"][0]
    if "nonResourceURLs" in part:
        return matches(have, Attributes(verb, path=part["nonResourceURLs"][0]))
    resource, _, sub = part["resources"][0].partition("/")
    if resource == "*" and "*" not in (have.get("resources") or ()):
        return False
    name = (part.get("resourceNames") or [""])[0]
    return matches(have, Attributes(verb, part["apiGroups"][0], resource, sub, name=name))


_FIELDS = (
    ("APIGroups", "apiGroups"),
    ("Resources", "resources"),
    ("ResourceNames", "resourceNames"),
    ("NonResourceURLs", "nonResourceURLs"),
    ("Verbs", "verbs"),
)


def _shown(rule: Rule) -> str:
    parts = []
    for title, name in _FIELDS:
        if rule.get(name):
            quoted = " ".join(f'"{value}"' for value in rule[name])
            parts.append(f"{title}:[{quoted}]")
    return "{" + ", ".join(parts) + "}"


def _refusal(request: Request, kind: Kind, name: str, missing: list[Rule]) -> errors.StatusError:
    merged: dict[Any, dict[str, Any]] = {}
    for rule in missing:
        key = tuple((field, tuple(rule.get(field) or ())) for _, field in _FIELDS if field != "verbs")
        merged.setdefault(key, {**rule, "verbs": []})["verbs"] += rule["verbs"]
    groups = " ".join(f'"{group}"' for group in request.user.groups)
    shown = "\n".join(sorted(_shown(rule) for rule in merged.values()))
    why = (
        f'user "{request.user.name}" (groups=[{groups}]) is attempting to grant RBAC permissions not currently '
        f"held:\n{shown}"
    )
    return errors.forbidden_object(kind, name, why)
