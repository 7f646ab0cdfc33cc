"""Values on their way through CEL functions."""

from __future__ import annotations

from typing import Any

MARK = "__type__"
"""The key that tells which type a map stands for."""


BUDGET = 1_000_000
"""List items and map entries that the functions of one evaluation may look at, all together."""
OUT_OF_BUDGET = "operation cancelled: actual cost limit exceeded"
_spent = 0


class Failed(Exception):
    """A function cannot answer; the text is what the client reads."""


def begin() -> None:
    """An evaluation begins: its functions have the whole budget. (Evaluations do not interleave: they never wait.)"""
    global _spent
    _spent = 0


def spend(count: int) -> None:
    """Raises Failed where the evaluation has used up its budget."""
    global _spent
    _spent += count
    if _spent > BUDGET:
        raise Failed(OUT_OF_BUDGET)


def plain(value: Any) -> Any:
    """The JSON value of what the CEL package hands over."""
    if hasattr(value, "plain_value"):
        value = value.plain_value()
    if isinstance(value, list):
        spend(len(value))
        return [plain(item) for item in value]
    if isinstance(value, dict):
        spend(len(value))
        return {plain(key): plain(item) for key, item in value.items()}
    return value


def marked(kind: str, **fields: Any) -> dict[str, Any]:
    """A value of a type that CEL does not know."""
    return {MARK: kind, **fields}


def opened(value: Any, kind: str) -> dict[str, Any]:
    """The fields of such a value. Raises Failed for anything else."""
    found = plain(value)
    if not isinstance(found, dict) or found.get(MARK) != kind:
        raise Failed("no such overload")
    return found
