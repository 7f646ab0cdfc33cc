"""What may change in a pod through resize: cpu and memory, in place (KEP-1287)."""

from __future__ import annotations

from apiserver.field import FieldError, forbidden, invalid
from apiserver.kinds.kind import Object
from apiserver.kinds.pods import pod_annotations
from apiserver.kinds.pods.qos import qos_class
from apiserver.kinds.pods.spec import pod
from apiserver.kinds.pods.update import restore

RESIZED = ("resources", "resizePolicy")
GROUPS = ("containers", "initContainers")


def keep_only_resources(new: Object, old: Object) -> None:
    """A write through resize changes the resources of containers and of the pod as a whole (KEP-5419), and resize
    policies, alone. Other containers, or others' names, are left for the validation to refuse."""
    wanted = new.get("spec") or {}
    if any(len(wanted.get(group) or ()) != len(old["spec"].get(group) or ()) for group in GROUPS):
        return
    restore(new, old)
    new["spec"].pop("resources", None)
    if wanted.get("resources") is not None:
        new["spec"]["resources"] = wanted["resources"]
    for group in GROUPS:
        given, live = wanted.get(group) or [], old["spec"].get(group) or []
        if _names(given) != _names(live):
            new["spec"][group] = given
        elif live:
            new["spec"][group] = [_resized(*pair) for pair in zip(live, given, strict=True)]


def _names(containers: list[Object]) -> list[str]:
    return [container.get("name", "") for container in containers]


def _resized(container: Object, wanted: Object) -> Object:
    kept = {key: value for key, value in container.items() if key not in RESIZED}
    return kept | {key: wanted[key] for key in RESIZED if key in wanted}


def validate_resize(new: Object, old: Object) -> list[FieldError]:
    """In-place resize (KEP-1287): cpu and memory only, and the same QoS class."""
    found = pod(new)
    if pod_annotations.MIRROR in (old["metadata"].get("annotations") or {}):
        return [forbidden("", "static pods cannot be resized")]
    if (old["spec"].get("os") or {}).get("name") == "windows":
        return [forbidden("", "windows pods cannot be resized")]
    status = old.get("status") or {}
    current = status.get("qosClass") or qos_class(old["spec"])
    if current != qos_class(new["spec"]):
        shown = (new.get("status") or {}).get("qosClass", "")
        found.append(invalid("spec", shown, "Pod QOS Class may not change as a result of resizing"))
    if not _resizable(status):
        found.append(forbidden("spec", "Pod running on node without support for resize"))
    found += _whole(new["spec"].get("resources"), old["spec"].get("resources"))
    disorder = _disorder(new["spec"], old["spec"])
    if disorder:  # what follows compares containers by their place
        return found + disorder
    for group in ("initContainers", "containers"):
        pairs = zip(new["spec"].get(group) or (), old["spec"].get(group) or (), strict=True)
        for index, (container, before) in enumerate(pairs):
            if group == "containers" or before.get("restartPolicy") == "Always":
                found += _removed(container, before, f"spec.{group}[{index}].resources")
    return found + _only_compute(new["spec"], old["spec"])


def _disorder(new: Object, old: Object) -> list[FieldError]:
    found: list[FieldError] = []
    for group in GROUPS:
        names, before = _names(new.get(group) or []), _names(old.get(group) or [])
        if len(names) != len(before):
            found.append(forbidden(f"spec.{group}", f"{group} may not be added or removed on resize"))
            continue
        why = f"{group} may not be renamed or reordered on resize"
        moved = [index for index, (one, other) in enumerate(zip(names, before, strict=True)) if one != other]
        found += [forbidden(f"spec.{group}[{index}].name", why) for index in moved]
    return found


def _resizable(status: Object) -> bool:
    """A node that supports it reports the resources of running containers."""
    running = (c for c in status.get("containerStatuses") or () if (c.get("state") or {}).get("running") is not None)
    first = next(running, None)
    return first is None or first.get("resources") is not None


def _whole(new: Object | None, old: Object | None) -> list[FieldError]:
    """The resources of the pod as a whole."""
    if new is None:
        return [forbidden("spec.resources", "pod-level resources cannot be removed")] if old is not None else []
    found: list[FieldError] = []
    before = old or {}
    for name in ("requests", "limits"):
        if set(before.get(name) or {}) - set(new.get(name) or {}):
            found.append(forbidden(f"spec.resources.{name}", f"pod-level resource {name} cannot be removed"))
    if _others({"resources": new}) != _others({"resources": before}):
        found.append(forbidden("spec", "only cpu and memory resources are mutable at pod-level"))
    return found


def _removed(new: Object, old: Object, path: str) -> list[FieldError]:
    found: list[FieldError] = []
    for name in ("requests", "limits"):
        before, after = ((side.get("resources") or {}).get(name) or {} for side in (old, new))
        if set(before) - set(after):
            found.append(forbidden(f"{path}.{name}", f"resource {name} cannot be removed"))
    return found


def _only_compute(new: Object, old: Object) -> list[FieldError]:
    found: list[FieldError] = []
    for container, before in zip(new.get("containers") or (), old.get("containers") or (), strict=True):
        if _others(container) != _others(before):
            found.append(forbidden("spec", "only cpu and memory resources are mutable"))
    for container, before in zip(new.get("initContainers") or (), old.get("initContainers") or (), strict=True):
        if before.get("restartPolicy") == "Always":
            if _others(container) != _others(before):
                why = "only cpu and memory resources for sidecar containers are mutable"
                found.append(forbidden("spec", why))
        elif container != before:
            found.append(forbidden("spec", "resources for non-sidecar init containers are immutable"))
    return found


def _others(container: Object) -> Object:
    """Everything but cpu and memory."""
    kept = dict(container)
    resources = kept.pop("resources", None) or {}
    for name in ("limits", "requests"):
        kept[name] = {k: v for k, v in (resources.get(name) or {}).items() if k not in ("cpu", "memory")}
    kept["claims"] = resources.get("claims") or None
    return kept
