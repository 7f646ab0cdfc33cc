"""What JSON Schema definitions refer to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


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
