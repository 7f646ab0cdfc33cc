"""Values as Go prints them in error messages: fmt's %v and %#v, and the names of types and kinds."""

from __future__ import annotations

import math
from typing import Any

import orjson

KINDS: dict[type, str] = {dict: "map", list: "slice", str: "string", bool: "bool", int: "int64", float: "float64"}
"""reflect.Kind of a decoded JSON value."""

TYPES: dict[type, str] = {
    dict: "map[string]interface {}",
    list: "[]interface {}",
    str: "string",
    bool: "bool",
    int: "int64",
    float: "float64",
    type(None): "<nil>",
}
"""reflect.Type of a decoded JSON value."""

JSON_SHAPES: dict[type, str] = {
    dict: "object",
    list: "array",
    str: "string",
    bool: "bool",
    int: "number",
    float: "number",
}
"""What encoding/json calls a value that it cannot unmarshal."""


def plain(value: Any) -> str:
    """%v: `map[a:1 b:[x y]]`, nil as <nil>."""
    if isinstance(value, dict):
        return f"map[{' '.join(f'{key}:{plain(value[key])}' for key in sorted(value))}]"
    if isinstance(value, list):
        return f"[{' '.join(plain(item) for item in value)}]"
    return _scalar(value, quoted=False)


def syntax(value: Any) -> str:
    """%#v: Go syntax, `map[string]interface {}{"a":1}`."""
    if isinstance(value, dict):
        inner = ", ".join(f"{quote(key)}:{syntax(value[key])}" for key in sorted(value))
        return f"map[string]interface {{}}{{{inner}}}"
    if isinstance(value, list):
        return f"[]interface {{}}{{{', '.join(syntax(item) for item in value)}}}"
    return _scalar(value, quoted=True)


def quote(text: str) -> str:
    """%q of a string."""
    return orjson.dumps(text).decode()


def _scalar(value: Any, *, quoted: bool) -> str:
    if value is None:
        return "interface {}(nil)" if quoted else "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return quote(value) if quoted else value
    if isinstance(value, float):
        return float_text(value)
    return str(value)


def float_text(value: float) -> str:
    """%v of a float64: the shortest digits, an exponent from 1e21 on and below 1e-4."""
    if math.isfinite(value) and value == int(value) and abs(value) < 1e21:
        return str(int(value))
    return repr(value)
