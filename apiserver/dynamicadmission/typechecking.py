"""Expressions of a ValidatingAdmissionPolicy checked with the types of the kinds that it names: its `typeChecking`.

Source of the rules: `k8s.io/apiserver/pkg/admission/plugin/policy/validating/typechecking.go`, and
`plugin/cel/compile.go` for the types of what is no object. Functions of `authorizer` are taken as they are.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from apiserver.cel import types
from apiserver.cel.compile import compiled
from apiserver.cel.schema import Declarations, Names
from apiserver.cel.types import Type, list_of, map_of
from apiserver.dynamicadmission.expressions import environment
from apiserver.kinds.kind import Kind, Object
from apiserver.schema.registry import Schemas
from apiserver.schema.resolved import resolved

MOST_KINDS = 10
_TEXTS, _LABELS = list_of(types.STRING), map_of(types.STRING, types.STRING)


def _struct(name: str) -> Type:
    return Type("struct", f"kubernetes.{name}")


def _strings(*names: str) -> dict[str, Type]:
    return dict.fromkeys(names, types.STRING)


_GVK, _GVR = _struct("GroupVersionKind"), _struct("GroupVersionResource")
_FIELDS: dict[str, dict[str, Type]] = {
    "GroupVersionKind": _strings("group", "version", "kind"),
    "GroupVersionResource": _strings("group", "version", "resource"),
    "UserInfo": {**_strings("username", "uid"), "groups": _TEXTS, "extra": map_of(types.STRING, _TEXTS)},
    "AdmissionRequest": {
        **_strings("subResource", "requestSubResource", "name", "namespace", "operation"),
        "kind": _GVK,
        "requestKind": _GVK,
        "resource": _GVR,
        "requestResource": _GVR,
        "userInfo": _struct("UserInfo"),
        "dryRun": types.BOOL,
        "options": types.DYN,
    },
    "Namespace": {name: _struct(f"Namespace{name.title()}") for name in ("metadata", "spec", "status")},
    "NamespaceMetadata": {
        **_strings("name", "generateName", "namespace", "UID", "resourceVersion"),
        "labels": _LABELS,
        "annotations": _LABELS,
        "finalizers": _TEXTS,
        "creationTimestamp": types.TIMESTAMP,
        "deletionTimestamp": types.TIMESTAMP,
        "deletionGracePeriodSeconds": types.INT,
        "generation": types.INT,
    },
    "NamespaceSpec": {"finalizers": _TEXTS},
    "NamespaceStatus": {"conditions": list_of(_struct("NamespaceCondition")), "phase": types.STRING},
    "NamespaceCondition": {
        **_strings("status", "type", "message", "reason"),
        "lastTransitionTime": types.TIMESTAMP,
    },
}
_HANDMADE = {f"kubernetes.{name}": fields for name, fields in _FIELDS.items()}
_VARIABLES = _struct("variables")


def expression_warnings(policy: Object, served: Sequence[Kind], schemas: Schemas) -> list[Object]:
    """The status's `expressionWarnings`. Raises ImportError where the CEL package is not installed."""
    spec = policy.get("spec") or {}
    params = _params(spec.get("paramKind"), served)
    checked = [_Checked(kind, params, schemas) for kind in kinds_to_check(spec, served)]
    scopes = [scope for scope in checked if scope.known]
    for scope in scopes:
        scope.compose(spec.get("variables") or ())
    found: list[Object] = []
    for at, validation in enumerate(spec.get("validations") or ()):
        for name in ("expression", "messageExpression"):
            text = validation.get(name) or ""
            warnings = [scope.warning(text) for scope in scopes] if text else []
            if any(warnings):
                shown = "\n".join(filter(None, warnings))
                found.append({"fieldRef": f"spec.validations[{at}].{name}", "warning": shown})
    return found


def kinds_to_check(spec: Object, served: Sequence[Kind]) -> list[Kind]:
    """The kinds that a policy names without wildcards, by group, version and name."""
    found: dict[tuple[str, str, str], Kind] = {}
    for rule in (spec.get("matchConstraints") or {}).get("resourceRules") or ():
        for count, kind in enumerate(_named(rule, served), 1):
            found[kind.group, kind.version, kind.kind] = kind
            if count == MOST_KINDS:
                return [found[key] for key in sorted(found)]
    return [found[key] for key in sorted(found)]


def _named(rule: Object, served: Sequence[Kind]) -> Iterator[Kind]:
    groups, versions, resources = (sorted(rule.get(key) or ()) for key in ("apiGroups", "apiVersions", "resources"))
    if any("*" in name for name in (*groups, *versions)):
        return
    for group in groups:
        for version in versions:
            for resource in resources:
                for kind in served:
                    # the group "" is any to the client's mapper of resources
                    if (kind.version, kind.plural) == (version, resource) and group in ("", kind.group):
                        yield kind


def _params(stated: Object | None, served: Iterable[Kind]) -> Kind | None:
    if not stated:
        return None
    wanted = (stated.get("apiVersion"), stated.get("kind"))
    return next((kind for kind in served if (kind.api_version, kind.kind) == wanted), None)


class _Checked:
    """The types of everything that expressions may name where the object is of one kind."""

    def __init__(self, kind: Kind, params: Kind | None, schemas: Schemas) -> None:
        self._title = f"{kind.group}/{kind.version}, Kind={kind.kind}"
        self._names = Names()
        self._composed: dict[str, Type] = {}
        found = self._type(kind, schemas)
        self.known = found is not None
        itself = found or types.DYN
        self._scope: dict[str, Type] = {"object": itself, "oldObject": itself, "authorizer": types.DYN}
        self._scope |= {"request": _struct("AdmissionRequest"), "namespaceObject": _struct("Namespace")}
        self._scope["variables"] = _VARIABLES
        given = None if params is None else self._type(params, schemas)
        if given is not None:
            self._scope["params"] = given

    def _type(self, kind: Kind, schemas: Schemas) -> Type | None:
        """None for a kind that has no schema."""
        schema = resolved(kind, schemas)
        if schema is None:
            return None
        declared = Declarations().of(schema, root=True)
        name = f"{kind.kind}{time.time_ns() % 10**9}"
        return types.DYN if declared is None else self._names.type(declared, name)

    def compose(self, variables: Iterable[Mapping[str, Any]]) -> None:
        """Each may use those before it; one that does not compile can be anything."""
        for variable in variables:
            try:
                checked = self._compiled(variable.get("expression") or "")
            except ValueError:
                checked = None
            self._composed[variable.get("name") or ""] = types.DYN if checked is None else _kept(checked.result)

    def warning(self, text: str) -> str:
        """What is wrong with an expression; "" for nothing."""
        try:
            self._compiled(text)
        except ValueError as error:
            return f"{self._title}: {error}\n"
        return ""

    def _compiled(self, text: str) -> Any:
        return compiled(
            text,
            self._scope,
            self._field,
            environment=environment(tuple(sorted(self._scope))),
            lenient="authorizer" in text,
        )

    def _field(self, name: str, wanted: str) -> Type | None:
        if name == _VARIABLES.name:
            return self._composed.get(wanted)
        fields = _HANDMADE.get(name)
        return self._names.field(name, wanted) if fields is None else fields.get(wanted)


def _kept(kind: Type) -> Type:
    """What is known of a variable: plain values, lists and maps of them."""
    match kind.kind:
        case "list":
            return list_of(_kept(kind.parameters[0]))
        case "map":
            return map_of(_kept(kind.parameters[0]), _kept(kind.parameters[1]))
        case "bool" | "bytes" | "double" | "duration" | "int" | "null" | "string" | "timestamp" | "uint":
            return kind
    return types.DYN
