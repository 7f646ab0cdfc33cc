"""Table cells that the workload kinds share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apiserver.kinds.kind import CellValue, Column, Object
from apiserver.table import AGE


def at(*path: str, default: Any = None) -> CellValue:
    """A cell that shows the field at `path`."""

    def value(obj: Object) -> Any:
        found: Any = obj
        for part in path:
            found = found.get(part) if isinstance(found, dict) else None
        return default if found is None else found

    return value


def count(*path: str) -> CellValue:
    """A number; absent is zero."""
    return at(*path, default=0)


def yes(*path: str) -> CellValue:
    """A boolean; absent is false."""
    return lambda obj: bool(at(*path)(obj))


def ratio(first: CellValue, second: CellValue) -> CellValue:
    """`first/second`."""
    return lambda obj: f"{first(obj)}/{second(obj)}"


def _containers(obj: Object) -> list[Mapping[str, Any]]:
    spec: Any = obj.get("spec") or {}
    template = (spec.get("jobTemplate") or {}).get("spec", {}).get("template") or spec.get("template") or {}
    found: list[Mapping[str, Any]] = (template.get("spec") or {}).get("containers") or []
    return found


def container_names(obj: Object) -> str:
    return ",".join(container.get("name", "") for container in _containers(obj))


def images(obj: Object) -> str:
    return ",".join(container.get("image", "") for container in _containers(obj))


_OPERATORS = {"In": "in", "NotIn": "notin"}


def format_selector(selector: Mapping[str, Any] | None) -> str:
    """A LabelSelector as `metav1.FormatLabelSelector` prints it."""
    if selector is None:
        return "<none>"
    parts = [(key, f"{key}={value}") for key, value in (selector.get("matchLabels") or {}).items()]
    for item in selector.get("matchExpressions") or ():
        key, operator = item["key"], item["operator"]
        if operator in _OPERATORS:
            parts.append((key, f"{key} {_OPERATORS[operator]} ({','.join(sorted(item.get('values') or ()))})"))
        else:
            parts.append((key, key if operator == "Exists" else f"!{key}"))
    return ",".join(text for _, text in sorted(parts)) or "<none>"


def format_labels(labels: Mapping[str, str] | None) -> str:
    """A plain map as `a=b,c=d`."""
    return ",".join(f"{key}={labels[key]}" for key in sorted(labels)) if labels else "<none>"


def selector_text(obj: Object) -> str:
    return format_selector((obj.get("spec") or {}).get("selector"))


CONTAINERS = Column("Containers", container_names, priority=1)
IMAGES = Column("Images", images, priority=1)
SELECTOR = Column("Selector", selector_text, priority=1)
REPLICAS = (
    Column("Desired", count("spec", "replicas"), type="integer"),
    Column("Current", count("status", "replicas"), type="integer"),
    Column("Ready", count("status", "readyReplicas"), type="integer"),
    AGE,
    CONTAINERS,
    IMAGES,
)
