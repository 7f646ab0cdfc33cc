"""Times as Go's `time.Parse` reads them and metav1.Time / MicroTime write them, with its errors."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache

from apiserver.field import quote

SECONDS = "2006-01-02T15:04:05Z07:00"
MICROSECONDS = "2006-01-02T15:04:05.000000Z07:00"
_ELEMENTS = (
    ("2006", r"\d{4}"),
    ("-", "-"),
    ("01", r"\d\d"),
    ("-", "-"),
    ("02", r"\d\d"),
    ("T", "T"),
    ("15", r"\d\d?"),
    (":", ":"),
    ("04", r"\d\d"),
    (":", ":"),
    ("05", r"\d\d(?:[.,]\d+)?"),
    ("Z07:00", r"Z|[+-]\d\d:\d\d"),
)
_MICRO = (*_ELEMENTS[:10], ("05", r"\d\d"), (".000000", r"[.,]\d{6}"), _ELEMENTS[11])
_RANGES = (("month", 2, 1, 12), ("day", 4, 1, 31), ("hour", 6, 0, 23), ("minute", 8, 0, 59), ("second", 10, 0, 59))


@lru_cache(maxsize=4096)
def canonical(text: str, micro: bool) -> str:
    """`text` in UTC with no decimals, or six (`micro`). Raises ValueError with Go's message."""
    parts = _split(text, micro)
    for name, at, low, high in _RANGES:
        if not low <= int(re.split("[.,]", parts[at])[0]) <= high:
            raise ValueError(f"parsing time {quote(text)}: {name} out of range")
    second, _, fraction = parts[10].replace(",", ".").partition(".")
    fraction = (parts[11][1:] if micro else fraction)[:6].ljust(6, "0")
    zone = "+00:00" if parts[-1] == "Z" else parts[-1]
    try:
        moment = datetime.fromisoformat(
            f"{''.join(parts[:6])}{parts[6]:0>2}{''.join(parts[7:10])}{second}.{fraction}{zone}"
        )
        moment = moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"parsing time {quote(text)}: day out of range") from None
    stem = f"{moment.year:04d}-{moment:%m-%dT%H:%M:%S}"
    return f"{stem}.{moment.microsecond:06d}Z" if micro else f"{stem}Z"


def _split(text: str, micro: bool) -> list[str]:
    """The values of the layout's elements."""
    rest, found = text, []
    for element, pattern in _MICRO if micro else _ELEMENTS:
        match = re.match(pattern, rest)
        if match is None:
            layout = MICROSECONDS if micro else SECONDS
            raise ValueError(
                f"parsing time {quote(text)} as {quote(layout)}: cannot parse {quote(rest)} as {quote(element)}"
            )
        found.append(match[0])
        rest = rest[match.end() :]
    if rest:
        raise ValueError(f"parsing time {quote(text)}: extra text: {quote(rest)}")
    return found
