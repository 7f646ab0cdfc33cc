"""JSON values as rules see them: what their schema says that they are."""

from __future__ import annotations

import base64
import datetime
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from apiserver.cel.schema import INT_OR_STRING, escape

Json = Mapping[str, Any]
_DURATION = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s*([a-zµμ]+)", re.IGNORECASE)
_UNITS = {
    "1e-9": "ns nano nanos nanosecond nanoseconds",
    "1e-6": "us µs μs micro micros microsecond microseconds",
    "1e-3": "ms milli millis millisecond milliseconds",
    "1": "s sec secs second seconds",
    "60": "m min mins minute minutes",
    "3600": "h hr hour hours",
    "86400": "d day days",
    "604800": "w wk week weeks",
}
_SECONDS = {name: Decimal(seconds) for seconds, names in _UNITS.items() for name in names.split()}


def convert(value: Any, schema: Json) -> Any:
    """A value with escaped names, numbers as doubles, bytes as such, times and durations as texts that CEL converts.
    Fields that are null are not there; a reserved word is there as it is, too."""
    if isinstance(value, dict):
        return _object(value, schema)
    if isinstance(value, list):
        items = schema.get("items")
        return [convert(item, items if isinstance(items, Mapping) else {}) for item in value]
    if isinstance(value, str):
        return _text(value, schema)
    if schema.get("type") == "number" and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return value


def _object(value: dict[str, Any], schema: Json) -> dict[str, Any]:
    properties, rest = schema.get("properties") or {}, schema.get("additionalProperties")
    other = rest if isinstance(rest, Mapping) else {}
    found: dict[str, Any] = {}
    for key, item in value.items():
        inner = properties.get(key)
        if inner is None:
            found[key] = convert(item, other)
            continue
        name = escape(key)
        if name is None or item is None:
            continue
        found[name] = convert(item, inner)
        if name == f"__{key}__":
            found[key] = found[name]
    return found


def _text(value: str, schema: Json) -> Any:
    form = schema.get("format")
    if form not in ("date", "date-time", "byte", "duration") or schema.get(INT_OR_STRING):
        return value
    try:
        if form == "byte":
            return base64.b64decode(value)
        if form == "duration":
            return f"{_seconds(value):.9f}s"
        found = datetime.datetime.fromisoformat(value)
    except (ValueError, OverflowError):
        return value
    return (found if found.tzinfo else found.replace(tzinfo=datetime.UTC)).isoformat()


def _seconds(text: str) -> Decimal:
    """`1h30m`, `3 days`. Raises ValueError."""
    body = text.lstrip("+-")
    parts = _DURATION.findall(body)
    if body != "0" and (not parts or any(unit.lower() not in _SECONDS for _, unit in parts)):
        raise ValueError(text)
    found = sum((Decimal(number) * _SECONDS[unit.lower()] for number, unit in parts), Decimal())
    return -found if text.startswith("-") else found
