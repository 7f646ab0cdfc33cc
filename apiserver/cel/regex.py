"""find() and findAll() of CEL: where a pattern matches, by RE2 as in Go. The CEL package says only whether it does."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from importlib import import_module
from typing import Any

from apiserver.cel.values import Failed, spend

_LARGEST = 8 << 20
"""Bytes that a pattern may take once it is compiled."""
_STEPS = 16
"""Characters that are looked at for what an evaluation's budget counts as an item."""


def find(text: str, pattern: str) -> str:
    """What matches first; "" where nothing does. Raises Failed."""
    return next(_matches(text, pattern), "")


def find_all(text: str, pattern: str, limit: int = -1) -> list[str]:
    """All matches, at most `limit` of them where it is not negative. Raises Failed."""
    found: list[str] = []
    for match in _matches(text, pattern):
        if 0 <= limit <= len(found):
            break
        found.append(match)
    return found


def _matches(text: str, pattern: str) -> Iterator[str]:
    """Matches in order; of empty ones not those that begin where another ends (Go's regexp)."""
    spend(1 + len(text) // _STEPS)
    end = -1
    for match in _compiled(pattern).finditer(text):
        if match.end() != match.start() or match.start() != end:
            spend(1)
            yield match.group(0)
        end = match.end()


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> Any:
    try:
        re2 = import_module("re2")
    except ImportError:
        raise Failed("find() needs the package google-re2, which is not installed") from None
    options = re2.Options()
    options.log_errors, options.max_mem = False, _LARGEST
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        why = error.args[0].decode() if error.args else "no pattern"
        raise Failed(f"Illegal regex: {why}") from None
