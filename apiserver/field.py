"""Field errors: one cause of an invalid object, worded as the real server words it (apimachinery's `field.Error`)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import orjson

OMIT = object()
"""The bad value of an error that prints none (Required, Forbidden...)."""


_ESCAPES = {"\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v"}


def quote(text: str) -> str:
    """A string as Go's %q prints it in an error."""
    if text.isprintable():
        return orjson.dumps(text).decode()
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(char if char.isprintable() else _escape(char) for char in escaped) + '"'


def _escape(char: str) -> str:
    code = ord(char)
    if char in _ESCAPES:
        return _ESCAPES[char]
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def show(value: Any) -> str:
    """A bad value as the messages print it: strings quoted, null as null, the rest as JSON."""
    if isinstance(value, str):
        return quote(value)
    return show_float(value) if isinstance(value, float) else orjson.dumps(value).decode()


def show_float(value: float) -> str:
    """`%v` of a float64."""
    exponent = f"{value:e}".partition("e")[2]
    if -4 <= int(exponent) < 6:
        return repr(value).removesuffix(".0")
    digits = repr(value).partition("e")[0].replace(".", "").lstrip("-").strip("0")
    fraction = f".{digits[1:]}" if digits[1:] else ""
    return f"{'-' if value < 0 else ''}{digits[:1]}{fraction}e{exponent}"


class FieldError(NamedTuple):
    """`reason` is the CauseType (FieldValueInvalid...), `field` the path, `text` the message without the path."""

    reason: str
    field: str
    text: str

    def cause(self) -> dict[str, str]:
        """The entry of `details.causes`."""
        return {"reason": self.reason, "message": self.text, "field": self.field}

    def __str__(self) -> str:
        return f"{self.field}: {self.text}"


def _with_detail(head: str, detail: str) -> str:
    return f"{head}: {detail}" if detail else head


def required(field: str, detail: str = "") -> FieldError:
    return FieldError("FieldValueRequired", field, _with_detail("Required value", detail))


def invalid(field: str, value: Any, detail: str) -> FieldError:
    """`value` is not shown where it is OMIT."""
    head = "Invalid value" if value is OMIT else f"Invalid value: {show(value)}"
    return FieldError("FieldValueInvalid", field, _with_detail(head, detail))


def type_invalid(field: str, value: Any, detail: str) -> FieldError:
    return FieldError("FieldValueTypeInvalid", field, _with_detail(f"Invalid value: {show(value)}", detail))


def not_supported(field: str, value: Any, supported: Sequence[str]) -> FieldError:
    """`supported` in the order in which the real server lists them (usually sorted)."""
    listed = ", ".join(quote(item) for item in supported)
    detail = f"supported values: {listed}" if supported else ""
    return FieldError("FieldValueNotSupported", field, _with_detail(f"Unsupported value: {show(value)}", detail))


def forbidden(field: str, detail: str) -> FieldError:
    return FieldError("FieldValueForbidden", field, _with_detail("Forbidden", detail))


def duplicate(field: str, value: Any) -> FieldError:
    return FieldError("FieldValueDuplicate", field, f"Duplicate value: {show(value)}")


def not_found(field: str, value: Any) -> FieldError:
    return FieldError("FieldValueNotFound", field, f"Not found: {show(value)}")


def too_long(field: str, limit: int) -> FieldError:
    return FieldError("FieldValueTooLong", field, f"Too long: may not be more than {limit} bytes")


def too_many(field: str, actual: int, limit: int) -> FieldError:
    return FieldError("FieldValueTooMany", field, f"Too many: {actual}: must have at most {limit} items")


def internal(field: str, detail: str) -> FieldError:
    return FieldError("InternalError", field, _with_detail("Internal error", detail))


def immutable(field: str, value: Any) -> FieldError:
    return invalid(field, value, "field is immutable")


def prefixed(path: str, errors: Iterable[FieldError]) -> list[FieldError]:
    """The same errors below `path`."""
    return [error._replace(field=f"{path}.{error.field}") for error in errors]
