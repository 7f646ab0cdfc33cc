"""Cron schedules: five fields, names, ranges, steps, lists, and the @-forms (crontab(5), as robfig/cron reads them)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
DAYS = "sun mon tue wed thu fri sat".split()
MACROS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
FIELDS: tuple[tuple[int, int, list[str]], ...] = (
    (0, 59, []),
    (0, 23, []),
    (1, 31, []),
    (1, 12, ["", *MONTHS]),
    (0, 6, DAYS),
)
HORIZON = timedelta(days=5 * 366)
"""A schedule without a time in so long (30 February) has none."""


@dataclass(slots=True, frozen=True)
class Schedule:
    """The allowed values of each field; `any_day` says which of the day fields is a star."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    any_day: tuple[bool, bool]

    def _day_matches(self, moment: datetime) -> bool:
        """Both day fields must match, unless both are given: then one is enough."""
        day, weekday = moment.day in self.days, moment.isoweekday() % 7 in self.weekdays
        return (day and weekday) if any(self.any_day) else (day or weekday)

    def after(self, moment: datetime) -> datetime | None:
        """The first time after `moment`, in its zone."""
        found = moment.replace(second=0, microsecond=0) + timedelta(minutes=1)
        end = moment + HORIZON
        while found < end:
            if found.month not in self.months:
                found = (found.replace(day=1, hour=0, minute=0) + timedelta(days=32)).replace(day=1)
            elif not self._day_matches(found):
                found = found.replace(hour=0, minute=0) + timedelta(days=1)
            elif found.hour not in self.hours:
                found = found.replace(minute=0) + timedelta(hours=1)
            elif found.minute not in self.minutes:
                found += timedelta(minutes=1)
            else:
                return found
        return None


def parse(text: str) -> Schedule:
    """Raises ValueError for what is no schedule."""
    fields = MACROS.get(text.strip(), text).split()
    if len(fields) != 5:
        raise ValueError(f"expected exactly 5 fields, found {len(fields)}: {text}")
    sets = [_field(field, *limits) for field, limits in zip(fields, FIELDS, strict=True)]
    stars = (fields[2][0] in "*?", fields[4][0] in "*?")
    minutes, hours, days, months, weekdays = sets
    return Schedule(minutes, hours, days, months, weekdays, stars)


def _field(text: str, low: int, high: int, names: list[str]) -> frozenset[int]:
    found: set[int] = set()
    for part in text.lower().split(","):
        spread, _, step = part.partition("/")
        first, dash, last = spread.partition("-")
        if first in ("*", "?"):
            start, end = low, high
        else:
            start = _value(first, names)
            end = _value(last, names) if dash else high if step else start
        if not low <= start <= end <= high or (step and int(step) < 1):
            raise ValueError(f"{part!r} is not within {low}-{high}")
        found.update(range(start, end + 1, int(step or 1)))
    return frozenset(found)


def _value(text: str, names: list[str]) -> int:
    return names.index(text) if text in names and text else int(text)
