"""Whole numbers in texts, as Go's strconv reads them. Python refuses to read decimal numbers of thousands of digits."""

from __future__ import annotations

_LONGEST = 40
"""Digits; no limit that a number is compared with has as many."""


def bounded(digits: str) -> int:
    """What ASCII digits with or without a sign say, or a number as far beyond every limit."""
    sign = digits[:1] if digits[:1] in ("-", "+") else ""
    value = int(digits[len(sign) :].lstrip("0")[:_LONGEST] or "0")
    return -value if sign == "-" else value


def parse_unsigned(text: str) -> int:
    """ParseUint(text, 10, 64). Raises ValueError in its words."""
    if not (text.isascii() and text.isdigit()):
        raise ValueError(f'strconv.ParseUint: parsing "{text}": invalid syntax')
    value = bounded(text)
    if value >= 2**64:
        raise ValueError(f'strconv.ParseUint: parsing "{text}": value out of range')
    return value
