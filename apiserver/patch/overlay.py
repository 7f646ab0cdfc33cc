"""Fields laid over an object by server-side apply's merge rules, without ownership (mutating admission policies)."""

from __future__ import annotations

from typing import Any

from apiserver.patch.merging import ABSENT, merged
from apiserver.patch.nodes import Node, Untypable, node_of
from apiserver.patch.typecheck import faults
from apiserver.schema.types import Type

Object = dict[str, Any]


def overlaid(obj: Object, config: Object, kind: Type) -> Object:
    """`obj` with the fields of `config`. Raises ValueError where `config` does not fit the type."""
    node = node_of(kind)
    found = faults(config, node)
    if found:
        raise ValueError(f"failed to convert patch object to typed object: {found}")
    try:
        result = merged(obj, config, node)
    except Untypable as error:
        raise ValueError(f"failed to merge patch: {error}") from None
    return {} if result is ABSENT else result


def atomics(config: Object, kind: Type) -> list[str]:
    """Paths of lists, maps and structs in `config` that are one value: to set them would drop what else they hold."""
    return _atomics(config, node_of(kind), "")


def _atomics(value: Any, node: Node, path: str) -> list[str]:
    if not isinstance(value, dict | list):
        return []
    found = [path] if node.merge == "leaf" and node.type is not None and node.type.shape != "any" else []
    if isinstance(value, dict):
        below = ((item, node.child(name)[1], f"{path}.{name}") for name, item in value.items())
        return found + [text for part in below for text in _atomics(*part)]
    if node.element is not None:
        found += [text for at, item in enumerate(value) for text in _atomics(item, node.element, f"{path}[{at}]")]
    return found
