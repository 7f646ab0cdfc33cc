"""The body of an apply request: a configuration in YAML (or JSON, which is YAML), as the real server reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from apiserver import errors
from apiserver.patch.gotext import JSON_SHAPES
from apiserver.patch.merge_patch import MAX_DEPTH, load_json
from apiserver.patch.nodes import node_of
from apiserver.patch.typecheck import faults

if TYPE_CHECKING:
    from apiserver.kinds.kind import Object
    from apiserver.schema.types import Type


def read_configuration(data: bytes, api_version: str, kind: str) -> Object:
    """The applied configuration, exactly as sent. Raises 400: no YAML, no object, or of another kind."""
    value = _loaded(data)
    stated = value.get("apiVersion") or "", value.get("kind") or ""
    if stated != (api_version, kind):
        raise errors.bad_request(f"invalid object type: {group_version_kind(*map(str, stated))}")
    return value


def _loaded(data: bytes) -> Object:
    from apiserver import goyaml

    try:
        value = load_json(data) if data.lstrip().startswith(b"{") else goyaml.load(data)
    except ValueError:
        try:  # what is no JSON may still be YAML
            value = goyaml.load(data)
        except ValueError as error:
            raise errors.bad_request(f"error decoding YAML: error converting YAML to JSON: {error}") from None
    if value is None:
        value = {}
    if not isinstance(value, dict):
        shape = JSON_SHAPES.get(type(value), "string")
        why = f"json: cannot unmarshal {shape} into Go value of type map[string]interface {{}}"
        raise errors.bad_request(f"error decoding YAML: error unmarshaling JSON: while decoding JSON: {why}")
    if _too_deep(value):
        raise errors.bad_request("error decoding YAML: exceeded max depth")
    return value


def _too_deep(value: Any) -> bool:
    """Whether nesting exceeds what the walkers stand; aliases can make YAML deep that looks flat."""
    level, depth = [value], 0
    while level and depth <= MAX_DEPTH:
        level = [
            inner
            for item in level
            for inner in (item.values() if isinstance(item, dict) else item)
            if isinstance(inner, dict | list)
        ]
        depth += 1
    return bool(level)


def check_configuration(applied: Object, kind: Type) -> None:
    """Raise the real server's 500 where the configuration does not fit its type."""
    why = faults(applied, node_of(kind))
    if why:
        raise errors.plain_internal(f"failed to create typed patch object ({label(applied)}): {why}")


def label(obj: Object) -> str:
    """How errors name an object: `namespace/name; group/version, Kind=kind`."""
    metadata = obj.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    gvk = group_version_kind(str(obj.get("apiVersion") or ""), str(obj.get("kind") or ""))
    return f"{metadata.get('namespace') or ''}/{metadata.get('name') or ''}; {gvk}"


def group_version_kind(api_version: str, kind: str) -> str:
    """`apps/v1, Kind=Deployment`; the core group is empty: `/v1, Kind=Pod`."""
    group, _, version = api_version.rpartition("/")
    return f"{group}/{version}, Kind={kind}"
