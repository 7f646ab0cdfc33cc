"""Rules that the kinds of resource.k8s.io/v1 share (KEP-4381), in the words and order of the real server."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import orjson

from apiserver import validation as rules
from apiserver.field import FieldError, duplicate, invalid, required, too_long, too_many
from apiserver.kinds.kind import Object
from apiserver.kinds.pods.checks import each, label_key, one_of
from apiserver.kinds.pods.volumes import driver_name

UNBOUNDED = -1
REQUESTS = 32
CONDITIONS = 4
"""How many there may be, for binding and for its failure."""
PARAMETERS = 10 * 1024
"""Bytes of a driver's parameters."""
IDENTIFIER, DOMAIN = 32, 63
KEY_SHOWN = DOMAIN + 1 + IDENTIFIER
EFFECTS = ("NoExecute", "NoSchedule", "None")
C_IDENTIFIER = "[A-Za-z_][A-Za-z0-9_]*"
UNKNOWN_REQUEST = (
    "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'"
)
Rule = Callable[[Any, str], list[FieldError]]


def items(
    values: Sequence[Any], path: str, limit: int, rule: Rule, key: Callable[[Any], Any] | None = None
) -> list[FieldError]:
    """The faults of a list. One that is too long is not looked at; `key`: what no two items may share."""
    if limit != UNBOUNDED and len(values) > limit:
        return [too_many(path, len(values), limit)]
    found = [fault for index, value in enumerate(values) for fault in rule(value, f"{path}[{index}]")]
    if key is not None:
        found += repeated([key(value) for value in values], path)
    return found


def repeated(keys: Iterable[Any], path: str) -> list[FieldError]:
    """One fault for each that was there before."""
    found, seen = [], set()
    for index, key in enumerate(keys):
        if key in seen:
            found.append(duplicate(f"{path}[{index}]", key))
        seen.add(key)
    return found


def members(values: Mapping[str, Any], path: str, limit: int, key_rule: Rule, rule: Rule) -> list[FieldError]:
    """The faults of a map of objects, by its keys. A null is an empty object to Go."""
    if limit != UNBOUNDED and len(values) > limit:
        return [too_many(path, len(values), limit)]
    found: list[FieldError] = []
    for key, value in sorted(values.items()):
        at = f"{path}[{_shortened(key)}]"
        found += key_rule(key, at) + rule({} if value is None else value, at)
    return found


def _shortened(key: str) -> str:
    left = KEY_SHOWN - len("...")
    return key if len(key) <= KEY_SHOWN else f"{key[: (left + 1) // 2]}...{key[len(key) - left // 2 :]}"


def label(value: str, path: str) -> list[FieldError]:
    """A DNS label; an empty one is told as any other that is none."""
    return each(path, value, rules.dns1123_label(value))


def qualified(name: str, path: str) -> list[FieldError]:
    """The name of an attribute or capacity: an identifier, with the domain of who defines it before a slash."""
    parts = name.split("/")
    if len(parts) == 1:
        return _identifier(name, path)
    if len(parts) > 2:
        return []  # the real server lets these pass
    domain, own = parts
    found = driver_name(path, domain) if domain else [invalid(path, "", "the domain must not be empty")]
    return found + (_identifier(own, path) if own else [invalid(path, "", "the name must not be empty")])


def fully_qualified(name: str, path: str) -> list[FieldError]:
    found = qualified(name, path)
    if "/" not in name:
        why = "a fully qualified name must be a domain and a name separated by a slash"
        found.append(invalid(path, name, why))
    return found


def _identifier(name: str, path: str) -> list[FieldError]:
    found = [too_long(path, IDENTIFIER)] if len(name) > IDENTIFIER else []
    if not re.fullmatch(C_IDENTIFIER, name):
        text = (
            "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric "
            "characters or '_'"
        )
        found.append(invalid(path, name, rules.regex_error(text, C_IDENTIFIER, "my_name", "MY_NAME", "MyName")))
    return found


def pool_name(name: str, path: str) -> list[FieldError]:
    if not name:
        return [required(path)]
    found = [too_long(path, rules.SUBDOMAIN_LIMIT)] if len(name) > rules.SUBDOMAIN_LIMIT else []
    return found + [fault for part in name.split("/") for fault in each(path, part, rules.dns1123_subdomain(part))]


def request_references(names: Any, path: str, known: set[str]) -> list[FieldError]:
    """Which of a claim's requests (`known`, subrequests as request/subrequest) are meant."""
    return items(names or [], path, REQUESTS, lambda name, at: request_reference(name, at, known), str)


def request_reference(name: str, path: str, known: set[str]) -> list[FieldError]:
    parts = name.split("/")
    if len(parts) > 2:
        return [invalid(path, name, UNKNOWN_REQUEST)]
    found = [fault for part in parts for fault in label(part, path)]
    return found if name in known else [*found, invalid(path, name, UNKNOWN_REQUEST)]


def configuration(config: Object, path: str) -> list[FieldError]:
    """A DeviceConfiguration."""
    opaque, at = config.get("opaque"), f"{path}.opaque"
    if opaque is None:
        return [required(at)]
    return driver_name(f"{at}.driver", opaque.get("driver", "")) + raw(
        opaque.get("parameters"), f"{at}.parameters", PARAMETERS
    )


def raw(value: Any, path: str, limit: int) -> list[FieldError]:
    """A JSON object that only a driver understands; `limit` in bytes."""
    if value is None:
        return [required(path)]
    if len(orjson.dumps(value)) > limit:
        return [too_long(path, limit)]
    return [] if isinstance(value, dict) else [invalid(path, "<value omitted>", "must be a valid JSON object")]


def taint(item: Object, path: str) -> list[FieldError]:
    """A DeviceTaint."""
    value = item.get("value", "")
    found = label_key(f"{path}.key", item.get("key", ""))
    found += each(f"{path}.value", value, rules.label_value(value)) if value else []
    return found + one_of(f"{path}.effect", item.get("effect"), EFFECTS)


def binding_conditions(holder: Object, path: str) -> list[FieldError]:
    """The conditions that binding waits for and fails by (KEP-5007): both or none, and no condition twice."""
    wanted, failures = holder.get("bindingConditions") or [], holder.get("bindingFailureConditions") or []
    at, failing = f"{path}.bindingConditions", f"{path}.bindingFailureConditions"

    def key(name: str, where: str) -> list[FieldError]:
        return label_key(where, name)

    found = items(wanted, at, CONDITIONS, key) + items(failures, failing, CONDITIONS, key) + repeated(wanted, at)
    seen: set[str] = set()
    for index, name in enumerate(failures):
        if name in seen:
            found.append(duplicate(f"{failing}[{index}]", name))
        seen.add(name)
        if name in wanted:
            why = "bindingFailureConditions must not overlap with bindingConditions"
            found.append(invalid(f"{failing}[{index}]", name, why))
    if failures and not wanted:
        found.append(invalid(at, None, "bindingConditions are required to use bindingFailureConditions"))
    if wanted and not failures:
        found.append(invalid(failing, None, "bindingFailureConditions are required to use bindingConditions"))
    return found
