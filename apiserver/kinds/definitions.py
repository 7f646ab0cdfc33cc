"""apiextensions.k8s.io/v1 CustomResourceDefinition."""

from __future__ import annotations

from typing import Any

from apiserver import validation as rules
from apiserver.field import FieldError, duplicate, immutable, invalid, not_supported, quote, required, too_many
from apiserver.kinds.clientconfig import conversion_faults, default_client_config
from apiserver.kinds.kind import STATUS, Context, Kind, Object, Strategy, Subresource

GROUP = "apiextensions.k8s.io"
RESOURCE = f"customresourcedefinitions.{GROUP}"
CLEANUP = "customresourcecleanup.apiextensions.k8s.io"
MIXED_CASE = "may have mixed case, but should otherwise match: "
TERMINATING = "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon"


def condition(definition: Object, name: str) -> bool:
    """Whether a condition of the definition is True."""
    found = (definition.get("status") or {}).get("conditions") or ()
    return any(c.get("type") == name and c.get("status") == "True" for c in found)


def set_condition(status: Object, name: str, value: str, reason: str, message: str, now: str) -> None:
    """Add or replace a condition; its time moves when its status does."""
    conditions = status.get("conditions") or []
    known = next((c for c in conditions if c.get("type") == name), None)
    entry = {
        "type": name,
        "status": value,
        "lastTransitionTime": known["lastTransitionTime"] if known and known.get("status") == value else now,
        "reason": reason,
        "message": message,
    }
    if known is None:
        status["conditions"] = [*conditions, entry]
    else:
        status["conditions"] = [entry if c is known else c for c in conditions]


class DefinitionStrategy(Strategy):
    """CustomResourceDefinition."""

    has_generation = True
    unconditional_update = False

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
        return _identity(obj) + _spec(obj) + _stored(obj)

    def validate_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        new, before = obj["spec"], old["spec"]
        fixed = [("spec.group", new.get("group"), before.get("group"))]
        fixed.append(("spec.names.plural", new["names"].get("plural"), before["names"].get("plural")))
        if condition(old, "Established"):
            kinds = new["names"].get("kind"), before["names"].get("kind")
            fixed = [("spec.scope", new.get("scope"), before.get("scope")), ("spec.names.kind", *kinds), *fixed]
        return _spec(obj, old) + [immutable(path, now) for path, now, was in fixed if now != was] + _stored(obj)

    def prepare_for_status_update(self, obj: Object, old: Object, context: Context) -> None:
        super().prepare_for_status_update(obj, old, context)
        status = obj.setdefault("status", {})
        if not status.get("storedVersions"):
            status["storedVersions"] = (old.get("status") or {}).get("storedVersions")

    def mark_deleted(self, obj: Object, context: Context) -> None:
        finalizers = obj["metadata"].get("finalizers") or []
        if CLEANUP not in finalizers:
            obj["metadata"]["finalizers"] = [*finalizers, CLEANUP]
        set_condition(
            obj.setdefault("status", {}), "Terminating", "True", "InstanceDeletionPending", TERMINATING, context.now
        )

    def may_go(self, obj: Object) -> bool:
        return CLEANUP not in (obj["metadata"].get("finalizers") or ())


def _identity(obj: Object) -> list[FieldError]:
    spec, name = obj["spec"], obj["metadata"].get("name", "")
    wanted = f"{(spec.get('names') or {}).get('plural', '')}.{spec.get('group', '')}"
    return [] if name == wanted else [invalid("metadata.name", name, 'must be spec.names.plural+"."+spec.group')]


def _stored(obj: Object) -> list[FieldError]:
    """Objects may be stored in any version of `status.storedVersions`: none of these may go."""
    stored = (obj.get("status") or {}).get("storedVersions") or ()
    if not stored:
        return [invalid("status.storedVersions", None, "must have at least one stored version")]
    known = {version.get("name") for version in obj["spec"].get("versions") or ()}
    return [
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
    spec = obj["spec"]
    group, scope, versions = spec.get("group", ""), spec.get("scope", ""), spec.get("versions") or []
    found: list[FieldError] = []
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
    found += _versions(versions)
    found += _names(spec.get("names") or {}, "spec.names")
    found += _schemas(versions, (old or {}).get("spec", {}).get("versions") or [])
    return found + _views(versions) + conversion_faults(spec)


def _versions(versions: list[Any]) -> list[FieldError]:
    found: list[FieldError] = []
    seen: set[str] = set()
    for index, version in enumerate(versions):
        name = version.get("name", "")
        path = f"spec.versions[{index}].name"
        found += _label(path, name)
        found += _deprecation(version, f"spec.versions[{index}].deprecationWarning")
        if name in seen:
            found.append(invalid("spec.versions", name, "must contain unique version names"))
        seen.add(name)
    if sum(bool(version.get("storage")) for version in versions) != 1:
        shown = [{"name": version.get("name")} for version in versions] or None
        found.append(invalid("spec.versions", shown, "must have exactly one version marked as storage version"))
    return found


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


def _schemas(versions: list[Any], before: list[Any]) -> list[FieldError]:
    """The schema of each version; one that all share is reported where the real server reports it. Rules of a version
    whose schema is as it was `before` are not looked at again: what they may cost is not held against them."""
    from apiserver.schema import structural  # with the whole of CEL: most planes never see a definition

    found: list[FieldError] = []
    schemas, known = [_schema(version) for version in versions], {one.get("name"): _schema(one) for one in before}
    shared = len(versions) == 1 or all(schema == schemas[0] for schema in schemas)
    for index, schema in enumerate(schemas):
        path = "spec.validation.openAPIV3Schema" if shared else f"spec.versions[{index}].schema.openAPIV3Schema"
        if schema is None:
            found.append(required(f"spec.versions[{index}].schema.openAPIV3Schema", "schemas are required"))
        else:
            if _has_status(versions, index, shared):
                found += structural.root_faults(schema, path)
            stored = known.get(versions[index].get("name")) == schema
            found += structural.faults(schema, path, stored=stored)
        if shared:
            break
    return found


def _has_status(versions: list[Any], index: int, shared: bool) -> bool:
    """Whether status is a subresource of the version whose schema is looked at. Versions with schemas of their own and
    the same subresources are not asked: the real server has these apart from the versions by then."""
    parts = [version.get("subresources") for version in versions]
    if shared:
        return any("status" in (part or {}) for part in parts)
    return any(part != parts[0] for part in parts) and "status" in (parts[index] or {})


COLUMN_TYPES = ("boolean", "date", "integer", "number", "string")
COLUMN_FORMATS = ("byte", "date", "date-time", "double", "float", "int32", "int64", "password")
MAX_SELECTABLE_FIELDS = 8
SIMPLE_PATH = "must be a simple json path starting with ."
VIEWS = ("additionalPrinterColumns", "subresources", "selectableFields")


def _views(versions: list[Any]) -> list[FieldError]:
    """Columns, subresources and selectable fields; what all versions share is reported as the spec's."""
    found: list[FieldError] = []
    for name, check in zip(VIEWS, (_columns, _subresources, _selectable), strict=True):
        values = [version.get(name) for version in versions]
        shared = bool(values) and all(value == values[0] for value in values)
        for index, version in enumerate(versions):
            path = f"spec.{name}" if shared else f"spec.versions[{index}].{name}"
            found += check(version.get(name), path, version)
            if shared:
                break
    return found


def _columns(columns: Any, path: str, version: Object) -> list[FieldError]:
    found: list[FieldError] = []
    for index, column in enumerate(columns or ()):
        at, kind, where = f"{path}[{index}]", column.get("type", ""), column.get("jsonPath", "")
        if not column.get("name"):
            found.append(required(f"{at}.name"))
        if not kind:
            found.append(required(f"{at}.type", f"must be one of {','.join(COLUMN_TYPES)}"))
        elif kind not in COLUMN_TYPES:
            found.append(invalid(f"{at}.type", kind, f"must be one of {','.join(COLUMN_TYPES)}"))
        form = column.get("format") or ""
        if form and form not in COLUMN_FORMATS:
            found.append(invalid(f"{at}.format", form, f"must be one of {','.join(COLUMN_FORMATS)}"))
        found += [required(f"{at}.JSONPath")] if not where else _simple(where, f"{at}.JSONPath")
    return found


def _simple(where: str, path: str) -> list[FieldError]:
    return [] if where.startswith(".") else [invalid(path, where, SIMPLE_PATH)]


def _subresources(parts: Any, path: str, version: Object) -> list[FieldError]:
    scale = (parts or {}).get("scale")
    if scale is None:
        return []
    found: list[FieldError] = []
    for name, root in (("specReplicasPath", ".spec."), ("statusReplicasPath", ".status.")):
        where, at = scale.get(name, ""), f"{path}.scale.{name}"
        if not where:
            found.append(required(at))
            continue
        faults = _simple(where, at)
        if not faults and not where.startswith(root):
            faults = [invalid(at, where, f"should be a json path under {root[:-1]}")]
        found += faults
    where = scale.get("labelSelectorPath")
    if where:
        faults = _simple(where, f"{path}.scale.labelSelectorPath")
        if not faults and not where.startswith((".spec.", ".status.")):
            faults = [
                invalid(f"{path}.scale.labelSelectorPath", where, "should be a json path under either .spec or .status")
            ]
        found += faults
    return found


def _selectable(fields: Any, path: str, version: Object) -> list[FieldError]:
    schema = (version.get("schema") or {}).get("openAPIV3Schema") or {}
    found: list[FieldError] = []
    seen: set[str] = set()
    for index, field in enumerate(fields or ()):
        where, at = field.get("jsonPath", ""), f"{path}[{index}].jsonPath"
        if not where:
            found.append(required(at))
            continue
        inner: Any = schema
        for key in where.lstrip(".").split("."):
            inner = (inner.get("properties") or {}).get(key) if isinstance(inner, dict) else None
        if inner is None:
            found.append(invalid(at, where, "is an invalid path: does not refer to a valid field"))
            continue
        if where.startswith(".metadata."):
            found.append(invalid(at, where, "must not point to fields in metadata"))
        if inner.get("type") not in ("string", "boolean", "integer"):
            found.append(
                invalid(
                    at,
                    where,
                    "must point to a field of type string, boolean or integer. "
                    "Enum string fields and strings with formats are allowed.",
                )
            )
        if where in seen:
            found.append(duplicate(at, where))
        seen.add(where)
    if len(seen) > MAX_SELECTABLE_FIELDS:
        found.append(too_many(path, len(seen), MAX_SELECTABLE_FIELDS))
    return found


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
