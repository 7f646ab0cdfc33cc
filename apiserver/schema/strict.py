"""Field validation: unknown and duplicate fields, as `fieldValidation=Strict|Warn` names them."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import orjson

from apiserver.field import quote
from apiserver.schema.types import Type

LIMIT = 100
"""How many faults are collected (sigs.k8s.io/json stops there)."""


def unknown_fields(obj: Any, kind: Type, *, by_name: bool = False) -> list[str]:
    """`unknown field "spec.foo"` for every field that the type does not have, in document order; with `by_name` in the
    order of the names (a patched object has passed through Go maps, which are written sorted). Of custom resources
    those of the metadata come first, the others sorted (apiextensions-apiserver: schemaobjectmeta, then pruning)."""
    found: list[str] = []
    with contextlib.suppress(RecursionError, TypeError):  # nested too deeply: decoding says so
        _walk(sorted_members(obj) if by_name else obj, kind, "", found)
    if kind.published is not None:
        found.sort(key=lambda text: (not text.startswith('unknown field "metadata.'), text))
    return found[:LIMIT]


def sorted_members(value: Any) -> Any:
    """A copy whose objects have their members in the order of their names."""
    return orjson.loads(orjson.dumps(value, option=orjson.OPT_SORT_KEYS))


def _walk(value: Any, kind: Type, path: str, found: list[str]) -> None:
    shape = kind.shape
    if shape == "struct":
        if type(value) is dict:
            _struct(value, kind, path, found)
    elif shape == "list":
        element = kind.element
        if type(value) is list and element is not None and element.shape in ("struct", "list", "map"):
            for index, item in enumerate(value):
                _walk(item, element, f"{path}[{index}]", found)
    elif shape == "map":
        element = kind.element
        if type(value) is dict and element is not None and element.shape in ("struct", "list", "map"):
            for key, item in value.items():
                _walk(item, element, f"{path}.{key}", found)


def _struct(value: dict[str, Any], kind: Type, path: str, found: list[str]) -> None:
    fields = kind.fields
    for key, item in value.items():
        field = fields.get(key)
        here = f"{path}.{key}" if path else key
        if field is None:
            if not kind.preserve_unknown:
                found.append(f"unknown field {quote(here)}")
        elif item is not None:
            _walk(item, field.type, here, found)


def duplicate_fields(data: bytes, kind: Type | None = None, parsed: Any = None) -> list[str]:
    """`duplicate field "spec.x"` for every key that a JSON text repeats within one object. `parsed`: what `data` says,
    where the caller has it."""
    try:
        written = orjson.dumps(parsed if parsed is not None else orjson.loads(data))
        if written == data or (rb'\\":' not in data and _keys(data) == _keys(written)):
            return []
        tree = json.loads(data, object_pairs_hook=_Pairs)
    except (ValueError, TypeError, RecursionError):
        return []
    found: list[str] = []
    _repeated(tree, "", found)
    return found[:LIMIT]


def _keys(data: bytes) -> int:
    """How many members a compact JSON text has: every key ends in `":`, and within a string the quote is escaped.

    Parsing keeps one of repeated members, so the two counts differ exactly where there are some (or blanks before a
    colon, which then cost a second look): a cheap test that spares well-formed bodies a second parse. Keys that end in
    a backslash, which it cannot tell from escaped quotes, must be ruled out first.
    """
    return data.count(b'":') - data.count(b'\\":')


class _Pairs(list[tuple[str, Any]]):
    """An object as its members in order, repeats included."""


def _repeated(value: Any, path: str, found: list[str]) -> None:
    if isinstance(value, _Pairs):
        seen: set[str] = set()
        for key, item in value:
            here = f"{path}.{key}" if path else key
            if key in seen:
                text = f"duplicate field {quote(here)}"
                if text not in found:
                    found.append(text)
            seen.add(key)
            _repeated(item, here, found)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _repeated(item, f"{path}[{index}]", found)


def strict_faults(data: bytes, kind: Type) -> list[str]:
    """Repeated and unknown fields of a JSON text as they come (kjson.UnmarshalStrict); nothing is said about what is
    inside of an unknown field."""
    found: dict[str, None] = {}
    with contextlib.suppress(RecursionError):
        _strictly(json.loads(data, object_pairs_hook=_Pairs), kind, "", found)
    return list(found)[:LIMIT]


def _strictly(value: Any, kind: Type | None, path: str, found: dict[str, None]) -> None:
    if isinstance(value, _Pairs):
        fields = kind.fields if kind is not None and kind.shape == "struct" else None
        seen: set[str] = set()
        for key, item in value:
            here = f"{path}.{key}" if path else key
            field = fields.get(key) if fields is not None else None
            if fields is not None and kind is not None and field is None and not kind.preserve_unknown:
                found[f"unknown field {quote(here)}"] = None
                continue
            if key in seen:
                found[f"duplicate field {quote(here)}"] = None
            seen.add(key)
            _strictly(item, field.type if field is not None else kind and kind.element, here, found)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _strictly(item, kind and kind.element, f"{path}[{index}]", found)


def merged(data: bytes) -> Any:
    """A JSON text as Go decodes it into structs: an object or a list that is there twice is written over the first."""
    try:
        return json.loads(data, object_pairs_hook=_merged)
    except RecursionError:
        return orjson.loads(data)


def _merged(members: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, item in members:
        found[key] = _written_over(found[key], item) if key in found else item
    return found


def _written_over(first: Any, second: Any) -> Any:
    if isinstance(first, dict) and isinstance(second, dict):
        return _merged([*first.items(), *second.items()])
    if isinstance(first, list) and isinstance(second, list):
        both = [_written_over(old, new) for old, new in zip(first, second, strict=False)]
        return both + second[len(both) :]
    return second


def yaml_duplicates(data: bytes) -> list[str]:
    """`line 5: key "x" already set in map` for every key that a YAML mapping repeats."""
    import yaml

    try:
        root = next(yaml.compose_all(data, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)), None)
    except (yaml.YAMLError, RecursionError, ValueError):
        return []
    found: list[str] = []
    if root is not None:
        _yaml_walk(root, found)
    return found


def _yaml_walk(node: Any, found: list[str]) -> None:
    if node.id == "mapping":
        seen: set[str] = set()
        for key, item in node.value:
            if key.value in seen:
                found.append(f"line {key.start_mark.line + 1}: key {quote(str(key.value))} already set in map")
            elif isinstance(key.value, str):
                seen.add(key.value)
            _yaml_walk(item, found)
    elif node.id == "sequence":
        for item in node.value:
            _yaml_walk(item, found)
