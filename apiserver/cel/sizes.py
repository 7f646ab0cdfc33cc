"""Estimates for CEL: ranges of sizes and of costs, which never exceed what 64 bits hold.

Source of the rules: cel-go's `checker/cost.go`. Every operation there saturates, and factors round up.
"""

from __future__ import annotations

import math
from typing import NamedTuple

MOST = (1 << 64) - 1


def scaled(value: int, factor: float) -> int:
    """A whole number times a factor, rounded up."""
    product = float(value) * factor
    return MOST if product >= 2.0**64 else math.ceil(product)


class Range(NamedTuple):
    """Between `least` and `most` characters, elements or cost units."""

    least: int
    most: int

    def plus(self, other: Range) -> Range:
        return Range(min(self.least + other.least, MOST), min(self.most + other.most, MOST))

    def times(self, other: Range) -> Range:
        return Range(min(self.least * other.least, MOST), min(self.most * other.most, MOST))

    def by(self, factor: float) -> Range:
        return Range(scaled(self.least, factor), scaled(self.most, factor))

    def union(self, other: Range) -> Range:
        return Range(min(self.least, other.least), max(self.most, other.most))


def exactly(value: int) -> Range:
    return Range(value, value)


NOTHING = exactly(0)
ONE = exactly(1)
UNKNOWN = Range(0, MOST)

SELECTION = ONE
LIST_MADE, MAP_MADE, MESSAGE_MADE = exactly(10), exactly(30), exactly(40)
TRAVERSAL = 0.1
"""The cost of a character, when a text is read from one end to the other."""
PATTERN = 0.25
"""The cost of a character of a regular expression, per unit of the text that it is matched with."""


class Estimate(NamedTuple):
    """The cost of a call, and the size of what it answers where that is known."""

    cost: Range
    size: Range | None = None
