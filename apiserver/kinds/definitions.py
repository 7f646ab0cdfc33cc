"""apiextensions.k8s.io/v1 CustomResourceDefinition."""

from __future__ import annotations

from typing import Any

from apiserver import validation as rules
from apiserver.field import FieldError, immutable, invalid, not_supported, quote, required
from apiserver.kinds.clientconfig import conversion_faults, default_client_config
from apiserver.kinds.definition_status import approval_faults, condition, set_condition
from apiserver.kinds.definition_views import VIEWS, shared
from apiserver.kinds.kind import STATUS, Context, Kind, Object, Strategy, Subresource

GROUP = "apiextensions.k8s.io"
RESOURCE = f"customresourcedefinitions.{GROUP}"
CLEANUP = "customresourcecleanup.apiextensions.k8s.io"
MIXED_CASE = "may have mixed case, but should otherwise match: "
TERMINATING = "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon"


class DefinitionStrategy(Strategy):
    """CustomResourceDefinition."""

    has_generation = True
    unconditional_update = False
    built_in = False
    marked_first = True

    def default(self, obj: Object) -> None:
        spec = obj.setdefault("spec", {})
        names = spec.setdefault("names", {})
        if not names.get("singular") and names.get("kind"):
            names["singular"] = names["kind"].lower()
        if not names.get("listKind") and names.get("kind"):
            names["listKind"] = f"{names['kind']}List"
        conversion = spec.get("conversion")
        if conversion is None:
            spec["conversion"] = {"strategy": "None"}
        else:
            default_client_config((conversion.get("webhook") or {}).get("clientConfig"))

    def prepare_for_create(self, obj: Object, context: Context) -> None:
        storage = [v["name"] for v in obj["spec"].get("versions") or () if v.get("storage")]
        obj["status"] = {
            "conditions": None,
            "acceptedNames": {"plural": "", "kind": ""},
            "storedVersions": storage[:1] or None,
        }

    def prepare_for_update(self, obj: Object, old: Object, context: Context) -> None:
        super().prepare_for_update(obj, old, context)
        stored = list(obj["status"].get("storedVersions") or ())
        storage = [v["name"] for v in obj["spec"].get("versions") or () if v.get("storage")]
        obj["status"] = {**obj["status"], "storedVersions": stored + [name for name in storage if name not in stored]}

    def warnings(self, obj: Object, old: Object | None, context: Context) -> list[str]:
        known = set() if old is None else set(_unknown_formats(old))
        return [f"unrecognized format {quote(name)}" for name in _unknown_formats(obj) if name not in known]

    def validate(self, obj: Object, context: Context) -> list[FieldError]:
        return _identity(obj) + _spec(obj) + _stored(obj) + approval_faults(obj, None) + _preserving(obj, None)

    def validate_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        new, before = obj["spec"], old["spec"]
        fixed = [("spec.group", new.get("group"), before.get("group"))]
        fixed.append(("spec.names.plural", new["names"].get("plural"), before["names"].get("plural")))
        if condition(old, "Established"):
            kinds = new["names"].get("kind"), before["names"].get("kind")
            fixed = [("spec.scope", new.get("scope"), before.get("scope")), ("spec.names.kind", *kinds), *fixed]
        found = _spec(obj, old) + [immutable(path, now) for path, now, was in fixed if now != was] + _stored(obj)
        return found + approval_faults(obj, old) + _preserving(obj, old)

    def prepare_for_status_update(self, obj: Object, old: Object, context: Context) -> None:
        super().prepare_for_status_update(obj, old, context)
        status = obj.setdefault("status", {})
        if not status.get("storedVersions"):
            status["storedVersions"] = (old.get("status") or {}).get("storedVersions")

    def mark_deleted(self, obj: Object, finalizers: list[str], context: Context) -> None:
        present = obj["metadata"].get("finalizers") or []
        if CLEANUP not in present:
            obj["metadata"]["finalizers"] = [*present, CLEANUP]
        set_condition(
            obj.setdefault("status", {}), "Terminating", "True", "InstanceDeletionPending", TERMINATING, context.now
        )


def _identity(obj: Object) -> list[FieldError]:
    spec, name = obj["spec"], obj["metadata"].get("name", "")
    wanted = f"{(spec.get('names') or {}).get('plural', '')}.{spec.get('group', '')}"
    return [] if name == wanted else [invalid("metadata.name", name, 'must be spec.names.plural+"."+spec.group')]


def _preserving(obj: Object, old: Object | None) -> list[FieldError]:
    """v1 definitions may not begin to keep unknown fields everywhere."""
    if not obj["spec"].get("preserveUnknownFields") or (old is not None and old["spec"].get("preserveUnknownFields")):
        return []
    why = "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead"
    return [invalid("spec.preserveUnknownFields", True, why)]


def _stored(obj: Object) -> list[FieldError]:
    """Objects may be stored in any version of `status.storedVersions`: none of these may go."""
    stored = (obj.get("status") or {}).get("storedVersions") or ()
    if not stored:
        return [invalid("status.storedVersions", None, "must have at least one stored version")]
    versions = obj["spec"].get("versions") or ()
    known = {version.get("name") for version in versions}
    wanted = [version.get("name") for version in versions if version.get("storage")]
    return [
        invalid("status.storedVersions", list(stored), f"must have the storage version {name}")
        for name in wanted
        if name not in stored
    ] + [
        invalid(
            f"status.storedVersions[{index}]",
            name,
            f"missing from spec.versions; {name} was previously a storage version, and must remain in spec.versions "
            f"until a storage migration ensures no data remains persisted in {name} and removes {name} from "
            "status.storedVersions",
        )
        for index, name in enumerate(stored)
        if name not in known
    ]


def _unknown_formats(obj: Object) -> list[str]:
    from apiserver.schema.definition_schema import unknown_formats

    schemas = [_schema(version) for version in obj["spec"].get("versions") or ()]
    return [name for schema in schemas for name in unknown_formats(schema)]


def _spec(obj: Object, old: Object | None = None) -> list[FieldError]:
    """The real server's internal type has a field of the spec for what all versions share: its faults come last. Rules
    of a version whose schema is as in `old` are not looked at again: what they may cost is not held against them."""
    spec = obj["spec"]
    versions = spec.get("versions") or []
    schemas, before = [_schema(version) for version in versions], ((old or {}).get("spec") or {}).get("versions") or []
    found = _group_and_scope(spec)
    found += [
        required(f"spec.versions[{index}].schema.openAPIV3Schema", "schemas are required")
        for index, schema in enumerate(schemas)
        if schema is None
    ]
    if spec.get("preserveUnknownFields") and any(_has_default(schema) for schema in schemas):
        why = "must be false in order to use defaults in the schema"
        found.append(invalid("spec.preserveUnknownFields", True, why))
    for index in range(len(versions)):
        found += _version(versions, index, before)
    found += _versions(versions)
    found += _names(spec.get("names") or {}, "spec.names")
    if versions and shared(versions, "schema") and schemas[0] is not None:
        found += _schema_faults(versions, 0, "spec.validation.openAPIV3Schema", before)
    for name, check in VIEWS:
        if versions and shared(versions, name):
            found += check(versions[0].get(name), f"spec.{name}", versions[0])
    return found + conversion_faults(spec)


def _has_default(schema: Any) -> bool:
    """Whether a schema or one below it has a default."""
    if not isinstance(schema, dict):
        return False
    if schema.get("default") is not None:
        return True
    below = [schema.get(name) for name in ("items", "additionalProperties", "not")]
    below += [inner for name in ("allOf", "anyOf", "oneOf") for inner in schema.get(name) or ()]
    return any(_has_default(inner) for inner in [*below, *(schema.get("properties") or {}).values()])


def _group_and_scope(spec: Object) -> list[FieldError]:
    group, scope, found = spec.get("group", ""), spec.get("scope", ""), []
    if not group:
        found.append(required("spec.group"))
    else:
        why = ",".join(rules.dns1123_subdomain(group))
        if why:
            found.append(invalid("spec.group", group, why))
        elif "." not in group:
            found.append(invalid("spec.group", group, "should be a domain with at least one dot"))
    if not scope:
        found.append(required("spec.scope"))
    elif scope not in ("Cluster", "Namespaced"):
        found.append(not_supported("spec.scope", scope, ("Cluster", "Namespaced")))
    return found


def _version(versions: list[Any], index: int, before: list[Any]) -> list[FieldError]:
    """A version and what it does not share with the others."""
    version, path = versions[index], f"spec.versions[{index}]"
    found = _label(f"{path}.name", version.get("name", ""))
    found += _deprecation(version, f"{path}.deprecationWarning")
    if _schema(version) is not None and not shared(versions, "schema"):
        found += _schema_faults(versions, index, f"{path}.schema.openAPIV3Schema", before)
    for name, check in VIEWS:
        if not shared(versions, name):
            found += check(version.get(name), f"{path}.{name}", version)
    return found


def _versions(versions: list[Any]) -> list[FieldError]:
    found: list[FieldError] = []
    names = [version.get("name", "") for version in versions]
    shown = [_version_shown(version, versions) for version in versions] or None
    if len(set(names)) < len(names):
        found.append(invalid("spec.versions", shown, "must contain unique version names"))
    if sum(bool(version.get("storage")) for version in versions) != 1:
        found.append(invalid("spec.versions", shown, "must have exactly one version marked as storage version"))
    return found + (_label("spec.version", names[0]) if names and names[0] else [])


def _version_shown(version: Object, versions: list[Any]) -> Object:
    """A version as the internal type is shown in errors: what all versions share is not there. (Schemas of their own
    are not told in full.)"""
    own = {name: None if shared(versions, name) else version.get(name) for name in ("schema", *dict(VIEWS))}
    return {
        "Name": version.get("name", ""),
        "Served": bool(version.get("served")),
        "Storage": bool(version.get("storage")),
        "Deprecated": bool(version.get("deprecated")),
        "DeprecationWarning": version.get("deprecationWarning"),
        "Schema": own["schema"],
        "Subresources": own["subresources"],
        "AdditionalPrinterColumns": own["additionalPrinterColumns"],
        "SelectableFields": own["selectableFields"],
    }


def _label(path: str, value: str, text: str = "") -> list[FieldError]:
    """`text`: what stands before the rule that is broken."""
    why = ",".join(rules.dns1035_label(value.lower() if text else value))
    return [invalid(path, value, text + why)] if why else []


def _deprecation(version: Object, path: str) -> list[FieldError]:
    text = version.get("deprecationWarning")
    if text is None:
        return []
    if not version.get("deprecated"):
        return [invalid(path, text, "can only be set for deprecated versions")]
    why = ["must be <= 256 characters long"] if len(text.encode()) > 256 else []
    if not text:
        why.append("must not be an empty string")
    bad = next((at for at, character in enumerate(text) if not character.isprintable()), None)
    if bad is not None:
        where = len(text[:bad].encode())
        why.append(f"must only contain printable UTF-8 characters; non-printable character found at index {where}")
    return [invalid(path, text, each) for each in why]


def _schema(version: Object) -> Any:
    return (version.get("schema") or {}).get("openAPIV3Schema")


def _schema_faults(versions: list[Any], index: int, path: str, before: list[Any]) -> list[FieldError]:
    from apiserver.schema import structural  # with the whole of CEL: most planes never see a definition

    version, schema = versions[index], _schema(versions[index])
    found = list(structural.root_faults(schema, path)) if _has_status(versions, index) else []
    stored = any(one.get("name") == version.get("name") and _schema(one) == schema for one in before)
    return found + structural.faults(schema, path, stored=stored)


def _has_status(versions: list[Any], index: int) -> bool:
    """Whether status is a subresource of the version whose schema is looked at. Versions with schemas of their own and
    the same subresources are not asked: the real server has these apart from the versions by then."""
    parts = [version.get("subresources") for version in versions]
    if shared(versions, "schema"):
        return any("status" in (part or {}) for part in parts)
    return not shared(versions, "subresources") and "status" in (parts[index] or {})


def _names(names: Object, path: str) -> list[FieldError]:
    stated = ("plural", "singular", "kind", "listKind")
    found = [required(f"{path}.{name}") for name in stated if not names.get(name)]
    for name in stated:
        text = MIXED_CASE if name in ("kind", "listKind") else ""
        found += _label(f"{path}.{name}", names[name], text) if names.get(name) else []
    for index, short in enumerate(names.get("shortNames") or ()):
        found += _label(f"{path}.shortNames[{index}]", short)
    if names.get("kind") and names.get("kind") == names.get("listKind"):
        found.append(invalid(f"{path}.listKind", names["listKind"], "kind and listKind may not be the same"))
    for index, category in enumerate(names.get("categories") or ()):
        found += _label(f"{path}.categories[{index}]", category)
    return found


KINDS: tuple[Kind, ...] = (
    Kind(
        GROUP,
        "v1",
        "CustomResourceDefinition",
        "customresourcedefinitions",
        False,
        DefinitionStrategy(),
        short_names=("crd", "crds"),
        categories=("api-extensions",),
        subresources=(Subresource("status", STATUS),),
    ),
)
