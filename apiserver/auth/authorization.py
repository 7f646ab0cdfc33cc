"""May they? RBAC over the roles and bindings in the cluster, `system:masters` before all, and impersonation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote

from apiserver import errors
from apiserver.auth.authentication import AUTHENTICATED, UNAUTHENTICATED
from apiserver.kinds.kind import User
from apiserver.requestinfo import RequestInfo

if TYPE_CHECKING:
    from apiserver.server import App

MASTERS = "system:masters"
GROUP = "rbac.authorization.k8s.io"
SERVICE_ACCOUNT = "system:serviceaccount:"
Rule = Mapping[str, Any]


@dataclass(slots=True, frozen=True)
class Attributes:
    """What is asked for. `path` is set for non-resource requests, the rest for resources."""

    verb: str
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""

    @classmethod
    def of(cls, info: RequestInfo) -> Attributes:
        if not info.is_resource:
            return cls(info.verb, path=info.path)
        name = info.name
        if not name and info.verb in ("list", "watch", "deletecollection"):
            name = _selected_name(info.param("fieldSelector"))
        return cls(info.verb, info.group, info.resource, info.subresource, info.namespace, name)

    @property
    def full_resource(self) -> str:
        return f"{self.resource}/{self.subresource}" if self.subresource else self.resource


def _selected_name(selector: str) -> str:
    """`metadata.name=x` alone counts as asking for that object."""
    for prefix in ("metadata.name==", "metadata.name="):
        if selector.startswith(prefix) and not any(c in selector[len(prefix) :] for c in ",=!\\"):
            return selector[len(prefix) :]
    return ""


def matches(rule: Rule, wanted: Attributes) -> bool:
    """Whether a PolicyRule allows `wanted`."""
    verbs = rule.get("verbs") or ()
    if "*" not in verbs and wanted.verb not in verbs:
        return False
    if wanted.path:
        return any(_path_matches(pattern, wanted.path) for pattern in rule.get("nonResourceURLs") or ())
    groups = rule.get("apiGroups") or ()
    if "*" not in groups and wanted.group not in groups:
        return False
    if not _resource_matches(rule.get("resources") or (), wanted):
        return False
    names = rule.get("resourceNames") or ()
    return not names or wanted.name in names


def _path_matches(pattern: str, path: str) -> bool:
    return pattern in ("*", path) or (pattern.endswith("*") and path.startswith(pattern[:-1]))


def _resource_matches(resources: Iterable[str], wanted: Attributes) -> bool:
    full = wanted.full_resource
    for resource in resources:
        if resource in ("*", full) or (wanted.subresource and resource == f"*/{wanted.subresource}"):
            return True
    return False


class Granted(NamedTuple):
    """What a user holds in a namespace: every rule, and each binding with the rules that it brings."""

    rules: list[Rule]
    bindings: list[tuple[Mapping[str, Any], list[Rule]]]


class Authorizer:
    """Decides from the stored roles; what a user's bindings come to is kept until a role or binding changes."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._cache: dict[tuple[str, tuple[str, ...], str], Granted] = {}
        self._version: tuple[int, ...] = ()

    def check(self, user: User, info: RequestInfo) -> None:
        """Raises 403."""
        if MASTERS in user.groups:
            return
        wanted = Attributes.of(info)
        if not self.allowed(user, wanted):
            raise denial(user, wanted, self._broken(user, wanted.namespace))

    def refusal(self, user: User, info: RequestInfo) -> str:
        """What is to be said of a 403 besides that no rule allows it: faults that were met on the way."""
        return _faults(self._broken(user, Attributes.of(info).namespace))

    def _broken(self, user: User, namespace: str) -> list[str]:
        """The user's bindings that name a role which does not exist."""
        found = []
        for binding, rules in self._granted(user, namespace).bindings:
            if not rules:
                reference = binding["roleRef"]
                plural = "roles" if reference["kind"] == "Role" else "clusterroles"
                where = namespace if plural == "roles" else ""
                if not self._app.cluster.exists(f"{plural}.{GROUP}", where, reference["name"]):
                    found.append(f'{reference["kind"].lower()}.{GROUP} "{reference["name"]}" not found')
        return found

    def allowed(self, user: User, wanted: Attributes) -> bool:
        """Whether RBAC lets the user do this."""
        if MASTERS in user.groups:
            return True
        return any(matches(rule, wanted) for rule in self.rules(user, wanted.namespace))

    def reason(self, user: User, wanted: Attributes) -> str:
        """Which binding allowed it, as access reviews and the audit log tell; "" for system:masters."""
        if MASTERS in user.groups:
            return ""
        for binding, rules in self._granted(user, wanted.namespace).bindings:
            if any(matches(rule, wanted) for rule in rules):
                return _explained(binding, user, wanted.namespace)
        return ""

    def rules_of(self, user: User, namespace: str) -> list[Rule]:
        """Every rule for SelfSubjectRulesReview."""
        everything: list[Rule] = [
            {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]},
            {"verbs": ["*"], "nonResourceURLs": ["*"]},
        ]
        return (everything if MASTERS in user.groups else []) + self.rules(user, namespace)

    def rules(self, user: User, namespace: str) -> list[Rule]:
        """Every PolicyRule that holds for the user: cluster wide and in `namespace`."""
        return self._granted(user, namespace).rules

    def _granted(self, user: User, namespace: str) -> Granted:
        store = self._app.store
        version = tuple(store.changed(f"{name}.{GROUP}") for name in _RESOURCES)
        if version != self._version:
            self._cache.clear()
            self._version = version
        key = (user.name, user.groups, namespace)
        found = self._cache.get(key)
        if found is None:
            collected = list(self._bindings(user, namespace))
            found = self._cache[key] = Granted([rule for _, rules in collected for rule in rules], collected)
        return found

    def _bindings(self, user: User, namespace: str) -> Iterator[tuple[Mapping[str, Any], list[Rule]]]:
        cluster = self._app.cluster
        for binding in cluster.list(f"clusterrolebindings.{GROUP}"):
            if applies(binding, user, ""):
                yield binding, self._role_rules(binding["roleRef"], "")
        if namespace:
            for binding in cluster.list(f"rolebindings.{GROUP}", namespace):
                if applies(binding, user, namespace):
                    yield binding, self._role_rules(binding["roleRef"], namespace)

    def _role_rules(self, reference: Mapping[str, str], namespace: str) -> list[Rule]:
        if reference.get("kind") == "Role":
            role = self._app.cluster.get(f"roles.{GROUP}", namespace, reference["name"])
        else:
            role = self._app.cluster.get(f"clusterroles.{GROUP}", "", reference["name"])
        return list(role.get("rules") or ()) if role else []

    def impersonated(self, user: User, names: Iterable[bytes], headers: Sequence[tuple[bytes, bytes]]) -> User:
        """The user that the Impersonate headers name, where `user` may act as them. `names` are those of the headers.
        Raises 403, 500."""
        if b"impersonate-" not in b" ".join(names):
            return user
        asked = [(name[12:], value.decode("latin-1")) for name, value in headers if name.startswith(b"impersonate-")]
        return self._impersonate(user, asked) if asked else user

    def _impersonate(self, user: User, asked: list[tuple[bytes, str]]) -> User:
        name = next((value for header, value in asked if header == b"user"), "")
        uid = next((value for header, value in asked if header == b"uid"), "")
        groups = [value for header, value in asked if header == b"group"]
        if not name:
            raise errors.plain_internal("requested impersonation without impersonating a user")
        extra = _extra(asked)
        self._may_impersonate(user, name, groups, uid, extra)
        if name.startswith(SERVICE_ACCOUNT) and not groups:
            groups = [f"{SERVICE_ACCOUNT[:-1]}s", f"{SERVICE_ACCOUNT[:-1]}s:{name.split(':')[2]}"]
        if name == "system:anonymous":
            groups = groups or [UNAUTHENTICATED]
        elif AUTHENTICATED not in groups and UNAUTHENTICATED not in groups:
            groups.append(AUTHENTICATED)
        return User(name, uid, tuple(groups), extra)

    def _may_impersonate(
        self, user: User, name: str, groups: list[str], uid: str, extra: Mapping[str, tuple[str, ...]]
    ) -> None:
        asked = [_who(name)] + [Attributes("impersonate", "", "groups", name=group) for group in groups]
        if uid:
            asked.append(Attributes("impersonate", "authentication.k8s.io", "uids", name=uid))
        for key, values in extra.items():
            asked += [Attributes("impersonate", "authentication.k8s.io", "userextras", key, name=v) for v in values]
        for wanted in asked:
            if not self.allowed(user, wanted):
                raise denial(user, wanted)


def _who(name: str) -> Attributes:
    parts = name.split(":")
    if name.startswith(SERVICE_ACCOUNT) and len(parts) == 4:
        return Attributes("impersonate", "", "serviceaccounts", namespace=parts[2], name=parts[3])
    return Attributes("impersonate", "", "users", name=name)


def _extra(asked: list[tuple[bytes, str]]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for header, value in asked:
        if header.startswith(b"extra-"):
            key = unquote(header[6:].decode("latin-1"))
            found[key] = (*found.get(key, ()), value)
    return found


_RESOURCES = ("clusterroles", "clusterrolebindings", "roles", "rolebindings")


def applies(binding: Mapping[str, Any], user: User, namespace: str) -> bool:
    """Whether one of a binding's subjects is the user."""
    return any(_is_subject(subject, user, namespace) for subject in binding.get("subjects") or ())


def _explained(binding: Mapping[str, Any], user: User, namespace: str) -> str:
    name, reference = binding["metadata"]["name"], binding["roleRef"]
    where = binding["metadata"].get("namespace")
    subject = next(s for s in binding.get("subjects") or () if _is_subject(s, user, where or ""))
    shown = f"{name}/{where}" if where else name
    if subject["kind"] == "ServiceAccount":
        who = f'ServiceAccount "{subject["name"]}/{subject.get("namespace") or where}"'
    else:
        who = f'{subject["kind"]} "{subject["name"]}"'
    return f'RBAC: allowed by {binding["kind"]} "{shown}" of {reference["kind"]} "{reference["name"]}" to {who}'


def _is_subject(subject: Mapping[str, str], user: User, namespace: str) -> bool:
    match subject.get("kind"):
        case "User":
            return subject.get("name") in ("*", user.name)
        case "Group":
            return subject.get("name") in user.groups
        case "ServiceAccount":
            where = subject.get("namespace") or namespace
            return bool(where) and user.name == f"{SERVICE_ACCOUNT}{where}:{subject.get('name')}"
    return False


def _faults(broken: Sequence[str]) -> str:
    if not broken:
        return ""
    return f"RBAC: {broken[0]}" if len(broken) == 1 else f"RBAC: [{', '.join(broken)}]"


def denial(user: User, wanted: Attributes, broken: Sequence[str] = ()) -> errors.StatusError:
    """The 403 of the real server; `broken` are faults met on the way."""
    tail = f": {_faults(broken)}" if broken else ""
    if wanted.path:
        return errors.forbidden_request(
            "", "", "", f'User "{user.name}" cannot {wanted.verb} path "{wanted.path}"{tail}'
        )
    scope = f'in the namespace "{wanted.namespace}"' if wanted.namespace else "at the cluster scope"
    why = (
        f'User "{user.name}" cannot {wanted.verb} resource "{wanted.full_resource}" '
        f'in API group "{wanted.group}" {scope}{tail}'
    )
    return errors.forbidden_request(wanted.group, wanted.resource, wanted.name, why)
