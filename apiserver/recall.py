"""What was computed of a value before: the many objects that come from one template are judged once."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from typing import Any, Generic, TypeVar

import orjson

T = TypeVar("T")
DIGEST = 16
LARGEST = 8192
"""Bytes of JSON up to which values are recalled: what is kept of them stays small whatever clients send."""


class Recall(Generic[T]):
    """Results of a pure function of JSON values, by the digest of the values: what clients send is not kept.

    It forgets everything when it is full, which costs nothing to decide and no more than a start.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._known: dict[bytes, T] = {}

    def of(self, compute: Callable[[], T], *values: Any) -> T:
        """`compute()`, or what it gave for equal `values`. The result is shared: nobody may change it."""
        text = orjson.dumps(values)
        if len(text) > LARGEST:
            return compute()
        key = blake2b(text, digest_size=DIGEST).digest()
        found = self._known.get(key)
        if found is None:
            found = compute()
            if len(self._known) >= self._limit:
                self._known.clear()
            self._known[key] = found
        return found
