"""Rules of metav1.Condition (apimachinery's ValidateConditions)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from apiserver.field import FieldError, duplicate, invalid, not_supported, required, too_long
from apiserver.validation import qualified_name, regex_error

STATUSES = ("False", "True", "Unknown")
REASON, REASON_LIMIT, MESSAGE_LIMIT = r"[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?", 1024, 32768
_REASON_TEXT = (
    "a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric "
    "characters or '_,:', and must end with an alphanumeric character or '_'"
)
_EXAMPLES = ("my_name", "MY_NAME", "MyName", "ReasonA,ReasonB", "ReasonA:ReasonB")


def condition_faults(conditions: Sequence[Mapping[str, Any]], path: str) -> list[FieldError]:
    """What is wrong with a list of conditions, one of each type."""
    found: list[FieldError] = []
    seen: set[str] = set()
    for index, item in enumerate(conditions):
        kind = item.get("type", "")
        if kind in seen:
            found.append(duplicate(f"{path}[{index}].type", kind))
        seen.add(kind)
        found += _condition(item, f"{path}[{index}]")
    return found


def _condition(item: Mapping[str, Any], path: str) -> list[FieldError]:
    kind, status, reason = (item.get(name, "") for name in ("type", "status", "reason"))
    found = [invalid(f"{path}.type", kind, text) for text in qualified_name(kind)]
    if status not in STATUSES:
        found.append(not_supported(f"{path}.status", status, STATUSES))
    if item.get("observedGeneration", 0) < 0:
        why = "must be greater than or equal to zero"
        found.append(invalid(f"{path}.observedGeneration", item["observedGeneration"], why))
    if not item.get("lastTransitionTime"):
        found.append(required(f"{path}.lastTransitionTime", "must be set"))
    if not reason:
        found.append(required(f"{path}.reason", "must be set"))
    elif not re.fullmatch(REASON, reason):
        found.append(invalid(f"{path}.reason", reason, regex_error(_REASON_TEXT, REASON, *_EXAMPLES)))
    if len(reason) > REASON_LIMIT:
        found.append(too_long(f"{path}.reason", REASON_LIMIT))
    if len(item.get("message", "")) > MESSAGE_LIMIT:
        found.append(too_long(f"{path}.message", MESSAGE_LIMIT))
    return found
