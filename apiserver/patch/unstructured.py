"""What is wrong with a strategically merged object, in the words of the converter that the real server uses there.

JSON and merge patches are decoded from text and fail as encoding/json does (`apiserver.schema.decode`); a strategic
merge patch goes from maps to the object directly (apimachinery's `runtime.DefaultUnstructuredConverter`).
"""

from __future__ import annotations

from typing import Any

from apiserver.patch.gotext import KINDS, TYPES
from apiserver.schema.types import Type

_INTEGERS = ("int32", "int64")
_GO: dict[str, str] = {"duration": "string", "quantity": "string", "time": "string", "microtime": "string"}
_GROUPS: dict[type, tuple[str, ...]] = {
    str: ("string",),
    bool: ("bool",),
    int: (*_INTEGERS, "float64"),
    float: ("float64",),
}
_CONVERTIBLE: dict[type, tuple[str, ...]] = {
    str: ("string",),
    bool: ("bool",),
    int: (*_INTEGERS, "float64", "string"),
    float: (*_INTEGERS, "float64"),
}
"""What Go's language could convert, though JSON must not: a number to a string, a fraction to an integer."""


def restore_fault(value: Any, kind: Type) -> str:
    """The first error of converting `value` to `kind`, "" where there is none or only the decoder knows."""
    if value is None:
        return ""
    match kind.shape:
        case "struct":
            return _struct(value, kind)
        case "map":
            return _map(value, kind)
        case "list":
            return _list(value, kind)
        case "bytes":
            return "" if isinstance(value, str) else f"cannot restore slice from {KINDS[type(value)]}"
        case "any" | "intstr" | "quantity" | "time" | "microtime":
            return ""
    return _scalar(value, _GO.get(kind.shape, kind.shape))


def _struct(value: Any, kind: Type) -> str:
    if not isinstance(value, dict):
        return f"cannot restore struct from: {KINDS[type(value)]}"
    faults = (restore_fault(value[name], field.type) for name, field in kind.fields.items() if name in value)
    return next((fault for fault in faults if fault), "")


def _map(value: Any, kind: Type) -> str:
    if not isinstance(value, dict):
        return f"cannot restore map from {KINDS[type(value)]}"
    inner = kind.element
    faults = (restore_fault(value[name], inner) for name in sorted(value)) if inner is not None else ()
    return next((fault for fault in faults if fault), "")


def _list(value: Any, kind: Type) -> str:
    if not isinstance(value, list):
        return f"cannot restore slice from {KINDS[type(value)]}"
    inner = kind.element
    faults = (restore_fault(item, inner) for item in value) if inner is not None else ()
    return next((fault for fault in faults if fault), "")


def _scalar(value: Any, go: str) -> str:
    if go in _GROUPS.get(type(value), ()):
        return ""
    if isinstance(value, float) and go in _INTEGERS and value.is_integer():
        return ""
    if go in _CONVERTIBLE.get(type(value), ()):
        return f"cannot convert {TYPES[type(value)]} to {go}"
    return f"unrecognized type: {go}"
