"""Quantities: `500m`, `1Gi`, `129e6` (apimachinery's `resource.Quantity`), as exact decimals."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from decimal import Decimal, localcontext
from functools import lru_cache, total_ordering

_PATTERN = re.compile(r"([+-]?)([0-9]*)(?:\.([0-9]*))?([A-Za-z]*(?:[+-]?[0-9]+)?)")
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BY_EXPONENT = {exponent: suffix for suffix, exponent in _DECIMAL.items()}
_EXPONENT = re.compile(r"[eE]([+-]?[0-9]+)")
FORMAT_ERROR = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
SUFFIX_ERROR = "unable to parse quantity's suffix"
LARGEST = Decimal(2**63 - 1)


@total_ordering
@dataclass(slots=True, frozen=True, eq=False)
class Quantity:
    """`amount` is exact (rounded up to nano); `form` tells how it is written: binary, decimal or exponent."""

    amount: Decimal
    form: str = "decimal"
    text: str = ""

    @classmethod
    def parse(cls, value: str | int | float) -> Quantity:
        """Raises ValueError with apimachinery's message."""
        return _parse(value if isinstance(value, str) else repr(value))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Quantity) and self.amount == other.amount

    def __lt__(self, other: Quantity) -> bool:
        return self.amount < other.amount

    def __hash__(self) -> int:
        return hash(self.amount)

    def __add__(self, other: Quantity) -> Quantity:
        return Quantity(self.amount + other.amount, self.form if self.amount else other.form)

    def __sub__(self, other: Quantity) -> Quantity:
        return Quantity(self.amount - other.amount, self.form if self.amount else other.form)

    def value(self) -> int:
        """Rounded up to a whole number."""
        return math.ceil(self.amount)

    def milli_value(self) -> int:
        """In thousandths, rounded up."""
        return math.ceil(self.amount * 1000)

    def canonical(self) -> str:
        """The shortest form without loss, in the family of suffixes in which it was written."""
        if not self.amount:
            return "0"
        if self.form == "binary" and self.amount == self.amount.to_integral_value() and abs(self.amount) >= 1024:
            return _binary(int(self.amount))
        mantissa, exponent = _scaled(self.amount)
        if self.form == "exponent":
            return f"{mantissa}e{exponent}" if exponent else str(mantissa)
        return f"{mantissa}{_BY_EXPONENT[exponent]}"


ZERO = Quantity(Decimal(0))


@lru_cache(maxsize=4096)
def _parse(text: str) -> Quantity:
    match = _PATTERN.fullmatch(text)
    if match is None or not (match[2] or match[3]):
        raise ValueError(FORMAT_ERROR)
    number = Decimal(f"{match[1]}{match[2] or '0'}.{match[3] or '0'}")
    suffix = match[4]
    if suffix in _BINARY:
        amount, form = number * (1 << _BINARY[suffix]), "binary"
    elif suffix in _DECIMAL:
        amount, form = number.scaleb(_DECIMAL[suffix]), "decimal"
    else:
        exponent = _EXPONENT.fullmatch(suffix)
        if exponent is None:
            known = re.fullmatch(r"[eEinumkKMGTP]*[-+]?[0-9]*", suffix)
            raise ValueError(SUFFIX_ERROR if known else FORMAT_ERROR)
        amount, form = number.scaleb(max(min(int(exponent[1]), 400), -400)), "exponent"
    return Quantity(_bounded(amount), form, text)


def rounded_to_milli(text: str) -> str:
    """Resource lists hold nothing finer than a thousandth: rounded up, canonical."""
    quantity = _parse(text)
    if quantity.amount * 1000 == (quantity.amount * 1000).to_integral_value():
        return quantity.canonical()
    return Quantity(Decimal(quantity.milli_value()).scaleb(-3), quantity.form).canonical()


def _bounded(amount: Decimal) -> Decimal:
    """Nothing finer than nano (rounded away from zero), nothing beyond 64 bits."""
    if abs(amount) > LARGEST:
        return LARGEST.copy_sign(amount)
    with localcontext() as context:
        context.prec = 60
        nano = amount.scaleb(9)
        if nano == nano.to_integral_value():
            return amount
        whole = Decimal(math.ceil(nano) if nano > 0 else math.floor(nano))
        return whole.scaleb(-9)


def _scaled(amount: Decimal) -> tuple[int, int]:
    """(mantissa, exponent of ten divisible by three) with the largest exponent that loses nothing."""
    nano = int(amount.scaleb(9))
    exponent = -9
    while nano % 1000 == 0 and exponent < 18:
        nano //= 1000
        exponent += 3
    return nano, exponent


def _binary(value: int) -> str:
    suffix = ""
    for name in _BINARY:
        if value % 1024:
            break
        value //= 1024
        suffix = name
    return f"{value}{suffix}"
