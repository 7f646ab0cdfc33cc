"""rbac.authorization.k8s.io: roles and bindings."""

from __future__ import annotations

from apiserver.field import FieldError, invalid, not_supported, required
from apiserver.kinds.kind import Column, Context, Kind, Object, Strategy
from apiserver.table import AGE
from apiserver.validation import label_selector, path_segment

GROUP = "rbac.authorization.k8s.io"


class _RbacStrategy(Strategy):
    create_on_update = True
    metadata_again = 2

    def validate_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        """The real server judges the whole object twice, and tells its causes as often."""
        return self.validate(obj, context) * 2

    def prepare_for_create(self, obj: Object, context: Context) -> None:
        """Nothing is the server's alone here."""

    def validate_name(self, name: str, prefix: bool = False) -> list[str]:
        return path_segment(name)


class RoleStrategy(_RbacStrategy):
    """Role and ClusterRole."""

    def __init__(self, namespaced: bool) -> None:
        self.namespaced = namespaced

    def default(self, obj: Object) -> None:
        obj.setdefault("rules", None)

    def validate(self, obj: Object, context: Context) -> list[FieldError]:
        found: list[FieldError] = []
        for index, rule in enumerate(obj.get("rules") or ()):
            found += self._rule(rule, f"rules[{index}]")
        if obj.get("aggregationRule") is not None and not self.namespaced:
            found += _aggregation(obj["aggregationRule"].get("clusterRoleSelectors") or [])
        return found

    def _rule(self, rule: Object, path: str) -> list[FieldError]:
        found: list[FieldError] = []
        if not rule.get("verbs"):
            found.append(required(f"{path}.verbs", "verbs must contain at least one value"))
        if rule.get("nonResourceURLs"):
            return found + self._non_resource(rule, path)
        if not rule.get("apiGroups"):
            found.append(required(f"{path}.apiGroups", "resource rules must supply at least one api group"))
        if not rule.get("resources"):
            found.append(required(f"{path}.resources", "resource rules must supply at least one resource"))
        return found

    def _non_resource(self, rule: Object, path: str) -> list[FieldError]:

        found: list[FieldError] = []
        urls = rule["nonResourceURLs"]
        if self.namespaced:
            found.append(invalid(f"{path}.nonResourceURLs", urls, "namespaced rules cannot apply to non-resource URLs"))
        if rule.get("apiGroups") or rule.get("resources") or rule.get("resourceNames"):
            why = "rules cannot apply to both regular resources and non-resource URLs"
            found.append(invalid(f"{path}.nonResourceURLs", urls, why))
        return found


def _aggregation(selectors: list[Object]) -> list[FieldError]:
    path = "aggregationRule.clusterRoleSelectors"
    if not selectors:
        return [required(path, "at least one clusterRoleSelector required if aggregationRule is non-nil")]
    found: list[FieldError] = []
    for index, selector in enumerate(selectors):
        faults = label_selector(selector, f"{path}[{index}]")
        found += faults
        if faults:
            found.append(invalid(f"{path}[{index}]", selector, "invalid label selector."))
    return found


class BindingStrategy(_RbacStrategy):
    """RoleBinding and ClusterRoleBinding."""

    def __init__(self, role_kinds: tuple[str, ...]) -> None:
        self.role_kinds = role_kinds

    def default(self, obj: Object) -> None:
        reference = obj.setdefault("roleRef", {})
        if not reference.get("apiGroup"):
            reference["apiGroup"] = GROUP
        for subject in obj.get("subjects") or ():
            if not subject.get("apiGroup") and subject.get("kind") in ("User", "Group"):
                subject["apiGroup"] = GROUP

    def validate(self, obj: Object, context: Context) -> list[FieldError]:
        found: list[FieldError] = []
        reference = obj.get("roleRef") or {}
        if reference.get("apiGroup") != GROUP:
            found.append(not_supported("roleRef.apiGroup", reference.get("apiGroup", ""), (GROUP,)))
        if reference.get("kind") not in self.role_kinds:
            found.append(not_supported("roleRef.kind", reference.get("kind", ""), self.role_kinds))
        if not reference.get("name"):
            found.append(required("roleRef.name"))
        for index, subject in enumerate(obj.get("subjects") or ()):
            found += _subject(subject, f"subjects[{index}]", "Role" in self.role_kinds)
        return found

    def validate_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        found = super().validate_update(obj, old, context)
        if obj.get("roleRef") != old.get("roleRef"):
            reference = obj.get("roleRef") or {}
            names = (("APIGroup", "apiGroup"), ("Kind", "kind"), ("Name", "name"))
            shown = {title: reference.get(name) for title, name in names}
            found.append(invalid("roleRef", shown, "cannot change roleRef"))
        return found


def _subject(subject: Object, path: str, namespaced: bool) -> list[FieldError]:
    from apiserver import validation

    found: list[FieldError] = []
    name, kind, group = subject.get("name", ""), subject.get("kind", ""), subject.get("apiGroup", "")
    if not name:
        found.append(required(f"{path}.name"))
    if kind == "ServiceAccount":
        if name:
            found += [invalid(f"{path}.name", name, text) for text in validation.dns1123_subdomain(name)]
        if group:
            found.append(not_supported(f"{path}.apiGroup", group, ("",)))
        if not namespaced and not subject.get("namespace"):
            found.append(required(f"{path}.namespace"))
    elif kind in ("User", "Group"):
        if group != GROUP:
            found.append(not_supported(f"{path}.apiGroup", group, (GROUP,)))
    else:
        found.append(not_supported(f"{path}.kind", kind, ("ServiceAccount", "User", "Group")))
    return found


def _role(obj: Object) -> str:
    reference = obj.get("roleRef") or {}
    return f"{reference.get('kind', '')}/{reference.get('name', '')}"


def _subjects(obj: Object, kind: str) -> str:
    names = []
    for subject in obj.get("subjects") or ():
        if subject.get("kind") == kind:
            where = subject.get("namespace")
            names.append(
                f"{where}/{subject.get('name')}" if kind == "ServiceAccount" and where else subject.get("name", "")
            )
    return ", ".join(names)


BINDING_COLUMNS = (
    Column("Role", _role),
    AGE,
    Column("Users", lambda obj: _subjects(obj, "User"), priority=1),
    Column("Groups", lambda obj: _subjects(obj, "Group"), priority=1),
    Column("ServiceAccounts", lambda obj: _subjects(obj, "ServiceAccount"), priority=1),
)


def _kind(name: str, plural: str, namespaced: bool, strategy: Strategy, columns: tuple[Column, ...] = ()) -> Kind:
    return Kind(GROUP, "v1", name, plural, namespaced, strategy, columns=columns)


KINDS: tuple[Kind, ...] = (
    _kind("ClusterRoleBinding", "clusterrolebindings", False, BindingStrategy(("ClusterRole",)), BINDING_COLUMNS),
    _kind("ClusterRole", "clusterroles", False, RoleStrategy(False)),
    _kind("RoleBinding", "rolebindings", True, BindingStrategy(("Role", "ClusterRole")), BINDING_COLUMNS),
    _kind("Role", "roles", True, RoleStrategy(True)),
)
