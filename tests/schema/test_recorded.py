"""Every object that the real server was recorded to answer decodes to itself: nothing is lost, nothing is added."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from apiserver.schema.decode import decode
from apiserver.schema.registry import Schemas

GOLDEN = Path(__file__).parent.parent / "conformance" / "golden"
SCHEMAS = Schemas.for_minor(36)
MICRO = {"eventTime", "renewTime", "acquireTime", "lastObservedTime"}


def concrete(value: Any, key: str = "") -> Any:
    """Placeholders replaced by values of the type that the field has."""
    if isinstance(value, dict):
        return {name: concrete(item, name) for name, item in value.items()}
    if isinstance(value, list):
        return [concrete(item, key) for item in value]
    if isinstance(value, str) and key in MICRO:
        return "2026-01-01T00:00:00.000000Z"
    if isinstance(value, str) and value == "<time>":
        return "2026-01-01T00:00:00Z"
    if isinstance(value, str) and key in ("nodePort", "healthCheckNodePort") and re.fullmatch(r"<.*>", value):
        return 30000
    return value


def whole(value: Any) -> Iterator[dict[str, Any]]:
    """The complete objects in an answer, items of lists and objects of events included; not what was cut down."""
    if isinstance(value, dict):
        if (
            value.get("apiVersion")
            and value.get("kind")
            and "metadata" in value
            and not any("." in key for key in value)
        ):
            if "items" not in value:
                yield value
            for item in value.get("items") or ():
                if "spec" in item or "data" in item:
                    yield {"apiVersion": value["apiVersion"], "kind": value["kind"].removesuffix("List"), **item}
            return
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from whole(item)


@pytest.mark.parametrize("area", ["core", "protocol", "service", "write", "controller"])
def test_recorded_objects_decode_to_themselves(area: str) -> None:
    checked = 0
    for name, answers in json.loads((GOLDEN / f"{area}.json").read_text()).items():
        for obj in whole(answers):
            group, _, version = obj["apiVersion"].rpartition("/")
            kind = SCHEMAS.type(group, version, obj["kind"])
            if kind is None or obj["kind"] == "Status":
                continue
            expected = concrete(obj)
            assert decode(expected, kind) == expected, (name, obj["kind"])
            checked += 1
    assert checked > 10
