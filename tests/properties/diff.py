"""Strategic merge patches between two objects, computed from the schema as kubectl computes them."""

from __future__ import annotations

from typing import Any

from apiserver.schema.types import Field, Type

Json = dict[str, Any]


def strategic_diff(old: Json, new: Json, kind: Type) -> Json:
    """The patch that turns `old` into `new`."""
    patch: Json = dict.fromkeys(old.keys() - new.keys())
    for name, value in new.items():
        if name not in old or old[name] != value:
            patch |= _changed(name, old.get(name), value, _field(kind, name))
    return patch


def _field(kind: Type, name: str) -> Field:
    if kind.shape == "map":
        assert kind.element is not None
        return Field(name, kind.element)
    return kind.fields[name]


def _changed(name: str, old: Any, new: Any, field: Field) -> Json:
    if isinstance(new, dict) and isinstance(old, dict):
        patch = strategic_diff(old, new, field.type)
        if "retainKeys" in field.patch_strategy:
            patch["$retainKeys"] = sorted(new)
        if "replace" in field.patch_strategy:
            patch = {"$patch": "replace", **new}
        return {name: patch}
    if isinstance(new, list) and isinstance(old, list) and "merge" in field.patch_strategy:
        return _merged_items(name, old, new, field) if field.patch_merge_key else _merged_words(name, old, new)
    if isinstance(new, dict) and "retainKeys" in field.patch_strategy:
        return {name: {**new, "$retainKeys": sorted(new)}}
    return {name: new}


def _merged_words(name: str, old: list[Any], new: list[Any]) -> Json:
    return {
        f"$setElementOrder/{name}": new,
        f"$deleteFromPrimitiveList/{name}": [word for word in old if word not in new],
        name: [word for word in new if word not in old],
    }


def _merged_items(name: str, old: list[Json], new: list[Json], field: Field) -> Json:
    key, element = field.patch_merge_key, field.type.element
    assert element is not None
    known = {item[key]: item for item in old}
    patches: list[Json] = []
    for item in new:
        before = known.pop(item[key], None)
        if before is None:
            patches.append(item)
        elif before != item:
            patch = {key: item[key], **strategic_diff(before, item, element)}
            if "retainKeys" in field.patch_strategy:
                patch["$retainKeys"] = sorted(item)
            patches.append(patch)
    patches += [{key: gone, "$patch": "delete"} for gone in known]
    return {f"$setElementOrder/{name}": [{key: item[key]} for item in new], name: patches}
