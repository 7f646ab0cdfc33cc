"""Go's regular expressions in linear time: by the engine of `jsonschema_rs`, which knows their syntax where it is asked
for the names of an object's members, but refuses it in `pattern`."""

from __future__ import annotations

import re
import warnings
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


_QUOTED = re.compile(r"\\Q(.*?)(?:\\E|$)", re.DOTALL)
_AFTER_CLASS = re.compile(r"(\\[dDsSwW])-")
_NO_REPETITION = re.compile(r"\{(,\d*)\}")


def _plain(pattern: str) -> str:
    """The pattern without what that engine has other words for: POSIX classes, quotations; `{,3}` and
    the hyphen of `[\\d-z]`, which are text."""
    for name, members in _CLASSES.items():
        pattern = pattern.replace(name, members)
    pattern = _AFTER_CLASS.sub(r"\1\\-", pattern)
    pattern = _QUOTED.sub(lambda found: re.escape(found[1]), pattern)
    return _NO_REPETITION.sub(r"\\{\1\\}", pattern)


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
    except ValueError:  # none of those that `fault` lets pass; Python's engine can be made to run for ever
        return lambda text: False
    return lambda text: not names.is_valid({text: True})


_PYTHONS_FAULTS = (
    ("missing ), unterminated subpattern", "missing closing ): `{whole}`"),
    ("unterminated character set", "missing closing ]: `{rest}`"),
    ("unbalanced parenthesis", "unexpected ): `{whole}`"),
    ("nothing to repeat", "missing argument to repetition operator: `{first}`"),
    ("multiple repeat", "invalid nested repetition operator: `{both}`"),
    ("bad escape (end of pattern)", "trailing backslash at end of expression: ``"),
)
"""Python's complaint about a pattern -> Go's."""
_REST = (
    (r"\(\?(?:<[=!].*|P?<[^>]*$)", "invalid named capture"),
    (r"\(\?[=!>#a]", "invalid or unsupported Perl syntax"),
    (r"(?<!\\)(?:\\\\)*\\[1-9A-Za-z](?<![aAbBCdDfnpPQErsStvwWxz])", "invalid escape sequence"),
    (r"\\x(?![0-9A-Fa-f{])", "invalid escape sequence"),
    (r"\\[pP](?:\{[^}]*\}|.)", "invalid character class range"),
    (r"\{\d+,\d+\}", "invalid repeat count"),
    (r".-.(?=[^]]*\])", "invalid character class range"),
)
"""What else may be wrong, where something is: what it looks like and what Go calls it."""


@lru_cache(maxsize=1024)
def fault(pattern: str) -> str:
    """Why Go's regexp refuses a pattern; "" where it does not."""
    error = _pythons(pattern)
    if error is not None and not (_is_known(pattern) and error.msg != "multiple repeat"):
        at = error.pos or 0
        shown = {"whole": pattern, "rest": pattern[at:], "first": pattern[at : at + 1]}
        shown["both"] = pattern[max(at - 1, 0) : at + 1]
        for known, go in _PYTHONS_FAULTS:
            if error.msg.startswith(known):
                return "error parsing regexp: " + go.format(**shown)
    if _is_known(pattern):
        return ""
    for looks, go in _REST:
        found = re.search(looks, pattern, re.DOTALL)
        if found is not None:
            return f"error parsing regexp: {go}: `{found[0]}`"
    return f"error parsing regexp: invalid syntax: `{pattern}`"


def _pythons(pattern: str) -> re.error | None:
    try:
        with warnings.catch_warnings(action="ignore"):
            re.compile(pattern)
    except re.error as error:
        return error
    except (RecursionError, OverflowError):
        return re.error("too large")
    return None


def _is_known(pattern: str) -> bool:
    try:
        _validator({"patternProperties": {_plain(pattern): {}}})
    except ValueError:
        return False
    return True


class GoPattern:
    """The keyword for `jsonschema_rs`."""

    def __init__(self, parent: Any, pattern: str, path: Any) -> None:
        self._matches = matcher(pattern)

    def validate(self, instance: Any) -> None:
        """Raises where a string has no match."""
        if isinstance(instance, str) and not self._matches(instance):
            raise ValueError("does not match")
