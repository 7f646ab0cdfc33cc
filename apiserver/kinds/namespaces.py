"""v1 Namespace: its name label, its own finalizers, and the labels of Pod Security."""

from __future__ import annotations

import re
from collections.abc import Mapping

from apiserver import validation as rules
from apiserver.field import FieldError, invalid
from apiserver.kinds.kind import STATUS, Column, Context, Kind, Object, Strategy, Subresource
from apiserver.kinds.pods.checks import each
from apiserver.kinds.workload_columns import at
from apiserver.objectmeta import own_finalizer
from apiserver.table import AGE

NAME_LABEL = "kubernetes.io/metadata.name"
POD_SECURITY = "pod-security.kubernetes.io/"
LEVELS = ("privileged", "baseline", "restricted")
MODES = ("enforce", "audit", "warn")
_VERSION = re.compile(r"latest|v1\.(0|[1-9][0-9]*)")


class NamespaceStrategy(Strategy):
    """Namespace: it goes when its own finalizers are gone."""

    metadata_again = 1
    delete_answers_object = True
    marked_first = True

    def default(self, obj: Object) -> None:
        if obj["metadata"].get("name"):
            obj["metadata"].setdefault("labels", {})[NAME_LABEL] = obj["metadata"]["name"]

    def prepare_for_create(self, obj: Object, context: Context) -> None:
        obj["metadata"].setdefault("labels", {})[NAME_LABEL] = obj["metadata"].get("name", "")
        obj["status"] = {"phase": "Active"}
        finalizers = (obj.get("spec") or {}).get("finalizers") or []
        obj["spec"] = {"finalizers": finalizers if "kubernetes" in finalizers else [*finalizers, "kubernetes"]}

    def prepare_for_update(self, obj: Object, old: Object, context: Context) -> None:
        super().prepare_for_update(obj, old, context)
        obj.setdefault("spec", {})
        before = (old.get("spec") or {}).get("finalizers")
        if before is None:
            obj["spec"].pop("finalizers", None)
        else:
            obj["spec"]["finalizers"] = before

    def validate(self, obj: Object, context: Context) -> list[FieldError]:
        found: list[FieldError] = []
        for name in (obj.get("spec") or {}).get("finalizers") or ():
            found += _finalizer(name, "spec.finalizers")
        return found + pod_security(obj, {})

    def validate_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        return pod_security(obj, old["metadata"].get("labels") or {})

    def validate_status_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        phase = (obj.get("status") or {}).get("phase", "")
        deleting = bool(obj["metadata"].get("deletionTimestamp"))
        if phase == ("Terminating" if deleting else "Active"):
            return []
        wanted = "may only be 'Terminating' if `deletionTimestamp` is not empty"
        if not deleting:
            wanted = "may only be 'Active' if `deletionTimestamp` is empty"
        return [invalid("status.Phase", phase, wanted)]

    def validate_name(self, name: str, prefix: bool = False) -> list[str]:
        return rules.dns1123_label(name, prefix=prefix)

    def mark_deleted(self, obj: Object, finalizers: list[str], context: Context) -> None:
        obj.setdefault("status", {})["phase"] = "Terminating"
        if finalizers:
            obj["metadata"]["finalizers"] = finalizers
        else:
            obj["metadata"].pop("finalizers", None)

    def may_go(self, obj: Object) -> bool:
        return not (obj.get("spec") or {}).get("finalizers")

    def field_values(self, obj: Object) -> Mapping[str, str]:
        phase = (obj.get("status") or {}).get("phase", "")
        return {"status.phase": phase, "name": obj["metadata"]["name"]}


class FinalizeStrategy(NamespaceStrategy):
    """The finalize subresource changes spec.finalizers alone."""

    def prepare_for_update(self, obj: Object, old: Object, context: Context) -> None:
        obj["status"] = old.get("status") or {}

    def validate_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        found: list[FieldError] = []
        for index, name in enumerate((obj.get("spec") or {}).get("finalizers") or ()):
            found += _finalizer(name, f"spec.finalizers[{index}]")
        return found


def _finalizer(name: str, path: str) -> list[FieldError]:
    return each(path, name, rules.qualified_name(name)) + own_finalizer(name, path)


def pod_security(obj: Object, before: Mapping[str, str]) -> list[FieldError]:
    """Levels and versions of Pod Security that are new and unknown (KEP-2579)."""
    labels = obj["metadata"].get("labels") or {}
    found: list[FieldError] = []
    for mode in MODES:
        for key, known in ((f"{POD_SECURITY}{mode}", None), (f"{POD_SECURITY}{mode}-version", _VERSION)):
            value = labels.get(key)
            if value is None or value == before.get(key):
                continue
            if known is None and value not in LEVELS:
                why = f"must be one of {', '.join(LEVELS)}"
                found.append(invalid(f"metadata.labels[{key}]", value, why))
            elif known is not None and not known.fullmatch(value):
                found.append(invalid(f"metadata.labels[{key}]", value, 'must be "latest" or "v1.x"'))
    return found


KINDS: tuple[Kind, ...] = (
    Kind(
        "",
        "v1",
        "Namespace",
        "namespaces",
        False,
        NamespaceStrategy(),
        short_names=("ns",),
        verbs=("create", "delete", "get", "list", "patch", "update", "watch"),
        columns=(Column("Status", at("status", "phase", default="")), AGE),
        selectable_fields=("status.phase", "name"),
        subresources=(
            Subresource("finalize", ("update",), strategy=FinalizeStrategy()),
            Subresource("status", STATUS),
        ),
    ),
)
