"""CEL: quantities and semantic versions."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from apiserver.cel.values import MARK, Failed, marked, opened, plain
from apiserver.gointegers import bounded
from miniplane.apimachinery.quantity import Quantity

Row = tuple[str, str, Sequence[str], Callable[..., Any], bool]
_SEMVER = re.compile(
    r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)"
    r"(?:-((?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(?:\.(?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*))?"
    r"(?:\+([0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*))?"
)


# quantities


def _amount(text: str) -> Decimal:
    try:
        return Quantity.parse(text).amount
    except ValueError as error:
        raise Failed(str(error)) from None


def _is_quantity(text: str) -> bool:
    try:
        _amount(text)
    except Failed:
        return False
    return True


def _quantity(text: str) -> Any:
    return marked("quantity", amount=str(_amount(text)))


def _of(value: Any) -> Decimal:
    if isinstance(value, int) and not isinstance(value, bool):
        return Decimal(value)
    return Decimal(opened(value, "quantity")["amount"])


def _combine(operation: Callable[[Decimal, Decimal], Decimal]) -> Callable[[Any, Any], Any]:
    return lambda left, right: marked("quantity", amount=str(operation(_of(left), _of(right))))


def _as_integer(value: Any) -> int:
    found = _of(value)
    if found != int(found) or not -(2**63) <= found < 2**63:
        raise Failed("cannot convert value to integer")
    return int(found)


def _sign(value: Any) -> int:
    found = _of(value)
    return (found > 0) - (found < 0)


# semantic versions (semver.org 2.0.0)


def _version(text: str, normalize: bool = False) -> Any:
    if normalize:
        text = _normalized(text)
    found = _SEMVER.fullmatch(text)
    if found is None:
        raise Failed(f"Invalid version: {text}")
    numbers = [bounded(part) for part in found.groups()[:3]]
    return marked("semver", numbers=numbers, prerelease=found[4] or "")


def _normalized(text: str) -> str:
    """A leading v, leading zeros and missing parts are forgiven."""
    head, separator, rest = re.fullmatch(r"v?([^-+]*)([-+]?)(.*)", text, re.DOTALL).groups()  # type: ignore[union-attr]
    parts = [part.lstrip("0") or "0" if part.isdigit() else part for part in head.split(".")]
    return ".".join([*parts, *["0"] * (3 - len(parts))]) + separator + rest


def _is_semver(text: str, normalize: bool = False) -> bool:
    try:
        _version(text, normalize)
    except Failed:
        return False
    return True


def _precedence(value: Any) -> tuple[Any, ...]:
    found = opened(value, "semver")
    names = found["prerelease"].split(".") if found["prerelease"] else []
    rank = tuple((0, bounded(name), "") if name.isdigit() else (1, 0, name) for name in names)
    return (*found["numbers"], not names, rank)


def _part(index: int) -> Callable[[Any], int]:
    return lambda value: int(opened(value, "semver")["numbers"][index])


# both are compared by functions of the same names


def _key(value: Any) -> Any:
    found = plain(value)
    return _precedence(value) if isinstance(found, dict) and found.get(MARK) == "semver" else _of(value)


def _compare(left: Any, right: Any) -> int:
    first, second = _key(left), _key(right)
    return int(first > second) - int(first < second)


TABLE: tuple[Row, ...] = (
    ("quantity", "any", ("string",), _quantity, False),
    ("isQuantity", "bool", ("string",), _is_quantity, False),
    ("isInteger", "bool", ("any",), lambda value: _of(value) == int(_of(value)) and abs(_of(value)) < 2**63, True),
    ("asInteger", "int", ("any",), _as_integer, True),
    ("asApproximateFloat", "double", ("any",), lambda value: float(_of(value)), True),
    ("sign", "int", ("any",), _sign, True),
    ("add", "any", ("any", "any"), _combine(lambda left, right: left + right), True),
    ("sub", "any", ("any", "any"), _combine(lambda left, right: left - right), True),
    ("semver", "any", ("string",), _version, False),
    ("semver", "any", ("string", "bool"), _version, False),
    ("isSemver", "bool", ("string",), _is_semver, False),
    ("isSemver", "bool", ("string", "bool"), _is_semver, False),
    ("major", "int", ("any",), _part(0), True),
    ("minor", "int", ("any",), _part(1), True),
    ("patch", "int", ("any",), _part(2), True),
    ("compareTo", "int", ("any", "any"), _compare, True),
    ("isLessThan", "bool", ("any", "any"), lambda left, right: _compare(left, right) < 0, True),
    ("isGreaterThan", "bool", ("any", "any"), lambda left, right: _compare(left, right) > 0, True),
)
