"""The values that types end in: strings, numbers, quantities, times, bytes; what Go's decoder makes of each.

A decoder gives the value as Go would write it again, or raises what Go would say.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from apiserver.schema import gotime
from apiserver.schema.types import Type

Decoder = Callable[[Any], Any]
TOO_DEEP = "exceeded max depth"
MAX_DEPTH = 200
"""Levels of a free-form value or of types within themselves: what is stored must be encoded again, where orjson stops
at 254. The real server stops at 10,000."""


class DecodeError(ValueError):
    """What Go's decoder would say of the body."""


class Mismatch(Exception):
    """A value of the wrong JSON type; the path is put together on the way up."""

    def __init__(self, shape: str, go: str) -> None:
        self.shape, self.go = shape, go
        self.path: list[str] = []
        self.owner = ""


def shape_of(value: Any) -> str:
    if isinstance(value, str):
        return "string"
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, dict):
        return "object"
    return "array" if isinstance(value, list) else "number"


def _string(kind: Type) -> Decoder:
    go = kind.go

    def decoder(value: Any) -> Any:
        if type(value) is not str:
            raise Mismatch(shape_of(value), go)
        return value

    return decoder


def _bool(kind: Type) -> Decoder:
    def decoder(value: Any) -> Any:
        if type(value) is not bool:
            raise Mismatch(shape_of(value), "bool")
        return value

    return decoder


def _integer(kind: Type) -> Decoder:
    low, high = (-(2**31), 2**31) if kind.shape == "int32" else (-(2**63), 2**63)
    go = kind.shape

    def decoder(value: Any) -> Any:
        if type(value) is not int:
            shape = shape_of(value)
            raise Mismatch(f"number {value!r}" if shape == "number" else shape, go)
        if not low <= value < high:
            raise Mismatch(f"number {value}", go)
        return value

    return decoder


def _float(kind: Type) -> Decoder:
    def decoder(value: Any) -> Any:
        if type(value) not in (int, float):
            raise Mismatch(shape_of(value), "float64")
        return value

    return decoder


def _quantity(kind: Type) -> Decoder:
    def decoder(value: Any) -> Any:
        if type(value) not in (str, int, float):
            raise DecodeError(
                "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
            )
        try:
            return _canonical(value)
        except ValueError as error:
            raise DecodeError(str(error)) from None

    return decoder


@lru_cache(maxsize=4096)
def _canonical(value: str | int | float) -> str:
    """The few distinct quantities of a cluster are parsed once."""
    from miniplane.apimachinery.quantity import Quantity

    return Quantity.parse(value).canonical()


def _int_or_string(kind: Type) -> Decoder:
    def decoder(value: Any) -> Any:
        if type(value) is str:
            return value
        if type(value) is not int:
            shape = shape_of(value)
            raise Mismatch(f"number {value!r}" if shape == "number" else shape, "int32")
        if not -(2**31) <= value < 2**31:
            raise Mismatch(f"number {value}", "int32")
        return value

    return decoder


def _bytes(kind: Type) -> Decoder:
    def decoder(value: Any) -> Any:
        if type(value) is not str:
            raise Mismatch(shape_of(value), "[]uint8")
        try:
            text = value.replace("\r", "").replace("\n", "")
            base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            raise DecodeError(f"illegal base64 data at input byte {_bad_byte(value)}") from None
        return text

    return decoder


_ALPHABET = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")


def _bad_byte(text: str) -> int:
    """Where Go's decoder stops: the first foreign byte, or the end of an incomplete group."""
    for index, char in enumerate(text):
        if char not in _ALPHABET:
            if char == "=" and index % 4 >= 2:
                padded = text[index:].rstrip("=")
                return index if padded else len(text) - len(text) % 4
            return index
    return len(text) - len(text) % 4 if len(text) % 4 else len(text)


def _time(kind: Type) -> Decoder:
    micro = kind.shape == "microtime"

    def decoder(value: Any) -> Any:
        if type(value) is not str:
            raise Mismatch(shape_of(value), "string")
        try:
            return gotime.canonical(value, micro)
        except ValueError as error:
            raise DecodeError(str(error)) from None

    return decoder


def _any(kind: Type) -> Decoder:
    def decoder(value: Any) -> Any:
        if isinstance(value, (dict, list)) and too_deep(value):
            raise DecodeError(TOO_DEEP)
        return value

    return decoder


def too_deep(value: Any) -> bool:
    """Whether a value has more than MAX_DEPTH levels. Level by level: recursion would meet Python's own limit."""
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            child
            for item in level
            for child in (item.values() if isinstance(item, dict) else item)
            if isinstance(child, (dict, list))
        ]
        if not level:
            return False
    return True


SCALARS: dict[str, Callable[[Type], Decoder]] = {
    "string": _string,
    "bytes": _bytes,
    "bool": _bool,
    "int32": _integer,
    "int64": _integer,
    "float64": _float,
    "quantity": _quantity,
    "intstr": _int_or_string,
    "time": _time,
    "microtime": _time,
    "duration": _string,
    "any": _any,
}

ZEROS: dict[str, Any] = {
    "string": "",
    "bytes": "",
    "bool": False,
    "int32": 0,
    "int64": 0,
    "float64": 0,
    "intstr": 0,
    "quantity": "0",
}
"""What Go has in a field of such a type before anything is read into it."""
