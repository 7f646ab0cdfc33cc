"""Small checks that the rules of pods and volumes share; each returns field errors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from apiserver import validation as rules
from apiserver.field import FieldError, invalid, not_supported, required
from apiserver.kinds.kind import Object

NEGATIVE = "must be greater than or equal to 0"
NOT_POSITIVE = "must be greater than zero"
MODE = "must be a number between 0 and 0777 (octal), both inclusive"
MAX_INT32 = 2**31 - 1


@dataclass(slots=True, frozen=True)
class Scope:
    """What the rules of one pod spec need to know of it. `is_pod`: a pod rather than a template; `name`: the pod's."""

    is_pod: bool = False
    name: str = ""
    volumes: dict[str, Object] = field(default_factory=dict)
    claims: frozenset[str] = frozenset()
    restart_policy: str = ""
    grace: int | None = None
    host_users: bool = True


def words(text: str) -> tuple[str, ...]:
    """A list written as one text."""
    return tuple(text.split())


def each(path: str, value: Any, messages: Iterable[str]) -> list[FieldError]:
    """One Invalid per message."""
    return [invalid(path, value, message) for message in messages]


def in_range(path: str, value: int, low: int, high: int) -> list[FieldError]:
    if low <= value <= high:
        return []
    return [invalid(path, value, f"must be between {low} and {high}, inclusive")]


def not_negative(path: str, value: int | None) -> list[FieldError]:
    return [] if value is None or value >= 0 else [invalid(path, value, NEGATIVE)]


def file_mode(path: str, value: int | None) -> list[FieldError]:
    return [] if value is None or 0 <= value <= 0o777 else [invalid(path, value, MODE)]


def needs(source: Object, path: str, *names: str) -> list[FieldError]:
    """Fields that must not be empty."""
    return [required(f"{path}.{name}") for name in names if not source.get(name)]


def one_of(path: str, value: str | None, supported: Sequence[str]) -> list[FieldError]:
    """Required where empty, NotSupported where unknown."""
    if not value:
        return [required(path)]
    return [] if value in supported else [not_supported(path, value, supported)]


def optional_one_of(path: str, value: str | None, supported: Sequence[str]) -> list[FieldError]:
    return [] if value is None or value in supported else [not_supported(path, value, supported)]


def named(path: str, value: str | None, rule: Callable[[str], list[str]]) -> list[FieldError]:
    """Required where empty, else what `rule` says."""
    return each(path, value, rule(value)) if value else [required(path)]


def label_key(path: str, key: str) -> list[FieldError]:
    return each(path, key, rules.qualified_name(key))


def no_backsteps(path: str, value: str) -> list[FieldError]:
    return [invalid(path, value, "must not contain '..'")] if ".." in value.split("/") else []


def descending_path(path: str, value: str) -> list[FieldError]:
    """A relative path without `..`."""
    absolute = [invalid(path, value, "must be a relative path")] if value.startswith("/") else []
    return absolute + no_backsteps(path, value)


def local_path(path: str, value: str) -> list[FieldError]:
    """A relative path that nobody reserves: it does not start with `..` either."""
    found = descending_path(path, value)
    if value.startswith("..") and not value.startswith("../"):
        found.append(invalid(path, value, "must not start with '..'"))
    return found


def port_or_name(path: str, value: Any) -> list[FieldError]:
    """An IntOrString that names a port."""
    if isinstance(value, str):
        return each(path, value, rules.port_name(value))
    return each(path, value or 0, rules.port_number(value or 0))


def addresses(path: str, value: str) -> list[FieldError]:
    return each(path, value, rules.legacy_ip(value))
