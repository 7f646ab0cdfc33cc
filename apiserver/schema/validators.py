"""Compiled validators: one look at a whole object tells whether it needs a closer one.

A strict JSON Schema (no field but the named ones) is compiled by `jsonschema_rs`. It passes a Pod in a few microseconds
where the walk that names unknown fields takes five times as long, so the walk runs only for objects that the validator
refuses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

Check = Callable[[Any], bool]
WARM_UP = 3
"""Objects of a kind that are walked before its validator is compiled (some milliseconds for a Pod): a control plane
that starts writes one object each of many kinds."""


def references(schema: Any) -> Iterator[str]:
    """The names of the definitions that a schema refers to."""
    if isinstance(schema, dict):
        for key, value in schema.items():
            if key == "$ref" and isinstance(value, str):  # JSONSchemaProps has a property of this name
                yield value.rpartition("/")[2]
            elif key != "description":
                yield from references(value)
    elif isinstance(schema, list):
        for item in schema:
            yield from references(item)


def closure(definitions: Mapping[str, dict[str, Any]], name: str) -> dict[str, dict[str, Any]]:
    """A definition and everything that it refers to."""
    found: dict[str, dict[str, Any]] = {}
    todo = [name]
    while todo:
        here = todo.pop()
        if here not in found:
            found[here] = definitions[here]
            todo.extend(references(definitions[here]))
    return found


def strict_schema(definitions: Mapping[str, dict[str, Any]], name: str) -> dict[str, Any]:
    """A schema that refuses fields which the definition and those it refers to do not name."""
    needed = {
        key: {**schema, "additionalProperties": False} if "properties" in schema else schema
        for key, schema in closure(definitions, name).items()
    }
    return {"$ref": f"#/$defs/{name}", "$defs": needed}


class LazyCheck:
    """Whether an object fits a strict schema; compiled once the kind turns out to be written often."""

    __slots__ = ("_check", "_make", "_seen")

    def __init__(self, make: Callable[[], dict[str, Any]]) -> None:
        self._make, self._seen = make, 0
        self._check: Check | None = None

    def __call__(self, obj: Any) -> bool:
        """True: no unknown field anywhere. False: not known, look closer."""
        if self._check is None:
            self._seen += 1
            if self._seen <= WARM_UP:
                return False
            self._check = compile_check(self._make())
        return self._check(obj)


def compile_check(schema: dict[str, Any]) -> Check:
    """The validator of a JSON Schema as a function."""
    import jsonschema_rs

    valid: Check = jsonschema_rs.validator_for(schema).is_valid
    return valid
