"""Go's regular expressions in linear time: by the engine of `jsonschema_rs`, which knows their syntax where it is asked
for the names of an object's members, but refuses it in `pattern`."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

KEYWORD = "goPattern"
"""Stands for `pattern` in a schema where the pattern is none of JSON Schema's."""
_CLASSES = {
    "[:alnum:]": "0-9A-Za-z",
    "[:alpha:]": "A-Za-z",
    "[:blank:]": r"\t ",
    "[:digit:]": "0-9",
    "[:lower:]": "a-z",
    "[:space:]": r"\t\n\v\f\r ",
    "[:upper:]": "A-Z",
    "[:word:]": "0-9A-Za-z_",
    "[:xdigit:]": "0-9A-Fa-f",
}


def _plain(pattern: str) -> str:
    """The pattern without the classes that only POSIX names."""
    for name, members in _CLASSES.items():
        pattern = pattern.replace(name, members)
    return pattern


def _validator(schema: dict[str, Any]) -> Any:
    import jsonschema_rs

    return jsonschema_rs.Draft4Validator(schema, pattern_options=jsonschema_rs.RegexOptions())


@lru_cache(maxsize=1024)
def keyword(pattern: str) -> dict[str, str]:
    """What a schema says so that strings must match."""
    try:
        _validator({"pattern": pattern})
    except ValueError:
        return {KEYWORD: pattern}
    return {"pattern": pattern}


@lru_cache(maxsize=1024)
def matcher(pattern: str) -> Callable[[str], bool]:
    """Whether a string has a match of the pattern in it."""
    plain = _plain(pattern)
    try:
        names = _validator({"patternProperties": {plain: {"not": {}}}})
    except ValueError:
        return _by_python(plain)
    return lambda text: not names.is_valid({text: True})


def _by_python(pattern: str) -> Callable[[str], bool]:
    """The last resort for what that engine has no words for."""
    try:
        search = re.compile(pattern).search
    except re.error:
        return lambda text: False
    return lambda text: search(text) is not None


class GoPattern:
    """The keyword for `jsonschema_rs`."""

    def __init__(self, parent: Any, pattern: str, path: Any) -> None:
        self._matches = matcher(pattern)

    def validate(self, instance: Any) -> None:
        """Raises where a string has no match."""
        if isinstance(instance, str) and not self._matches(instance):
            raise ValueError("does not match")
