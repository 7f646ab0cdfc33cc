"""kubectl's client-side apply annotation, as server-side apply by kubectl treats it.

An object that was managed by client-side apply is taken over without conflicts for fields that still have the applied
value, and the annotation is kept up to date so that client-side apply could go on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from apiserver.patch.compare import changes, fields_of
from apiserver.patch.fieldset import FieldSet, difference, json_text
from apiserver.patch.nodes import Node, Untypable
from apiserver.patch.typecheck import faults

if TYPE_CHECKING:
    from apiserver.kinds.kind import Object

KUBECTL = "kubectl"
"""The only manager for which the annotation counts: other names opt out."""
ANNOTATION = "kubectl.kubernetes.io/last-applied-configuration"
MAX_ANNOTATIONS = 256 * 1024


def _annotations(obj: Object) -> dict[str, str]:
    return (obj.get("metadata") or {}).get("annotations") or {}


def allowed_conflicts(live: Object, node: Node, api_version: str) -> FieldSet:
    """The fields that client-side apply set and nobody changed since: kubectl may take them."""
    text = _annotations(live).get(ANNOTATION)
    if not text:
        return {}
    try:
        applied = orjson.loads(text)
        if not isinstance(applied, dict) or applied.get("apiVersion") != api_version or faults(applied, node):
            return {}
        gained, lost = changes(applied, live, node)
        return difference(difference(fields_of(applied, node), gained), lost)
    except (orjson.JSONDecodeError, Untypable, RecursionError):
        return {}


def refresh_last_applied(obj: Object, applied: Object) -> None:
    """Where `obj` carries the annotation, make it say what was applied now."""
    if not _annotations(obj).get(ANNOTATION):
        return
    metadata = {**(applied.get("metadata") or {})}
    if isinstance(metadata.get("annotations"), dict):
        kept = {name: value for name, value in metadata["annotations"].items() if name != ANNOTATION}
        metadata["annotations"] = kept
    text = json_text({**applied, "metadata": metadata}) + "\n"
    annotations = {**_annotations(obj), ANNOTATION: text}
    if sum(len(name) + len(value.encode()) for name, value in annotations.items()) > MAX_ANNOTATIONS:
        del annotations[ANNOTATION]
    obj["metadata"] = {**obj["metadata"], "annotations": annotations}
