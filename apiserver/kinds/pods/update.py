"""What may change in a pod: its spec, its ephemeral containers, its resources (core validation's update rules)."""

from __future__ import annotations

from typing import Any

from apiserver.field import FieldError, forbidden, invalid, required
from apiserver.kinds.kind import Object
from apiserver.kinds.pods import pod_annotations
from apiserver.kinds.pods.checks import MAX_INT32, in_range
from apiserver.kinds.pods.internal import diff, internal, internal_spec
from apiserver.kinds.pods.qos import qos_class
from apiserver.kinds.pods.scheduling import tolerations
from apiserver.kinds.pods.spec import pod

UPDATABLE = (
    "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only "
    "additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was "
    "previously negative)"
)


def _notes(obj: Object) -> Object:
    return obj["metadata"].get("annotations") or {}


def validate_update(new: Object, old: Object) -> list[FieldError]:
    """A write through the main resource."""
    if new["spec"] == old["spec"] and _notes(new) == _notes(old):
        return []  # valid when it was stored; most updates change labels or finalizers
    found = pod(new) + pod_annotations.validate_update(_notes(new), _notes(old), new["spec"])
    wanted, live = new["spec"], old["spec"]
    for group in ("containers", "initContainers"):
        faults, stop = _images(wanted.get(group) or (), live.get(group) or (), f"spec.{group}")
        found += faults
        if stop:
            return found
    faults, stop = _deadline(wanted.get("activeDeadlineSeconds"), live.get("activeDeadlineSeconds"))
    found += faults
    if stop:
        return found
    found += _only_added(wanted.get("tolerations") or [], live.get("tolerations") or [])
    found += _only_removed(wanted.get("schedulingGates") or (), live.get("schedulingGates") or ())
    return found if wanted == live else found + _rest(wanted, live)


def _images(new: Any, old: Any, path: str) -> tuple[list[FieldError], bool]:
    if len(new) != len(old):
        return [forbidden(path, "pod updates may not add or remove containers")], True
    found: list[FieldError] = []
    for index, container in enumerate(new):
        image, at = container.get("image", ""), f"{path}[{index}].image"
        if not image:
            found.append(required(at))
        if image != image.strip():
            found.append(invalid(at, image, "must not have leading or trailing whitespace"))
    return found, False


def _deadline(new: int | None, old: int | None) -> tuple[list[FieldError], bool]:
    path = "spec.activeDeadlineSeconds"
    if new is None:
        why = "must not update from a positive integer to nil value"
        return ([] if old is None else [invalid(path, None, why)]), False
    found = in_range(path, new, 0, MAX_INT32)
    if not found and old is not None and old < new:
        found = [invalid(path, new, "must be less than or equal to previous value")]
    return found, bool(found)


def _only_added(new: list[Object], old: list[Object]) -> list[FieldError]:
    def without_time(item: Object) -> Object:
        return {key: value for key, value in item.items() if key != "tolerationSeconds"}

    kept = [without_time(item) for item in new]
    if any(without_time(item) not in kept for item in old):
        why = "existing toleration can not be modified except its tolerationSeconds"
        return [forbidden("spec.tolerations", why)]
    return tolerations(new, "spec.tolerations")


def _only_removed(new: Any, old: Any) -> list[FieldError]:
    known = {gate.get("name") for gate in old}
    return [
        forbidden(
            f"spec.schedulingGates[{index}].name",
            f"only deletion is allowed, but found new scheduling gate '{gate.get('name', '')}'",
        )
        for index, gate in enumerate(new)
        if gate.get("name") not in known
    ]


def _put_back(spec: Object, live: Object, *names: str) -> None:
    for name in names:
        if name in live:
            spec[name] = live[name]
        else:
            spec.pop(name, None)


def _rest(wanted: Object, live: Object) -> list[FieldError]:
    """With everything that may change put back, the specs must be the same."""
    munged = dict(wanted)
    for group in ("containers", "initContainers"):
        if munged.get(group):
            pairs = zip(munged[group], live[group], strict=True)
            munged[group] = [{**container, "image": before.get("image", "")} for container, before in pairs]
    _put_back(munged, live, "activeDeadlineSeconds", "schedulingGates", "tolerations")
    if (live.get("terminationGracePeriodSeconds") or 0) < 0 and munged.get("terminationGracePeriodSeconds") == 1:
        _put_back(munged, live, "terminationGracePeriodSeconds")
    found = _gated(munged, live) if live.get("schedulingGates") else []
    if munged == live:
        return found
    before, after = internal_spec(live), internal_spec(munged)
    if before != after:
        changes = diff(before, after)
        found.append(forbidden("spec", f"pod updates may not change fields other than {UPDATABLE}\n{changes}"))
    return found


def _gated(munged: Object, live: Object) -> list[FieldError]:
    """Pods that wait at scheduling gates may narrow where they run (KEP-3838)."""
    found: list[FieldError] = []
    selector, before = munged.get("nodeSelector") or {}, live.get("nodeSelector") or {}
    if selector != before:
        if any(selector.get(key) != value for key, value in before.items()):
            found.append(
                invalid(
                    "spec.nodeSelector",
                    selector,
                    "only additions to spec.nodeSelector are allowed (no mutations or deletions)",
                )
            )
        _put_back(munged, live, "nodeSelector")
    new = (munged.get("affinity") or {}).get("nodeAffinity")
    old = (live.get("affinity") or {}).get("nodeAffinity")
    if new != old:
        found += _narrowed(new or {}, old or {})
        affinity = {k: v for k, v in (munged.get("affinity") or {}).items() if k != "nodeAffinity"}
        if old is not None:
            affinity["nodeAffinity"] = old
        munged["affinity"] = affinity
        if not affinity and live.get("affinity") is None:
            del munged["affinity"]
    return found


_TERMS = "requiredDuringSchedulingIgnoredDuringExecution"


def _narrowed(new: Object, old: Object) -> list[FieldError]:
    path = f"spec.affinity.nodeAffinity.{_TERMS}.nodeSelectorTerms"
    before = (old.get(_TERMS) or {}).get("nodeSelectorTerms")
    after = (new.get(_TERMS) or {}).get("nodeSelectorTerms") or []
    if before is None:
        return []
    if len(after) != len(before):
        shown = [internal(term, "NodeSelectorTerm") for term in after]
        return [invalid(path, shown, "no additions/deletions to non-empty NodeSelectorTerms list are allowed")]
    found: list[FieldError] = []
    for index, (term, live) in enumerate(zip(after, before, strict=True)):
        if not _only_adds(term, live):
            why = "only additions are allowed (no mutations or deletions)"
            found.append(invalid(f"{path}[{index}]", internal(term, "NodeSelectorTerm"), why))
    return found


def _only_adds(term: Object, live: Object) -> bool:
    names = ("matchExpressions", "matchFields")
    if not any(live.get(name) for name in names):
        return not any(term.get(name) for name in names)  # an empty term matches nothing, and goes on to
    return all(item in (term.get(name) or ()) for name in names for item in live.get(name) or ())


def validate_ephemeral(new: Object, old: Object) -> list[FieldError]:
    """A write through ephemeralcontainers: they come, but neither change nor go."""
    if pod_annotations.MIRROR in _notes(old):
        return [forbidden("", "static pods do not support ephemeral containers")]
    found = pod(new) + pod_annotations.validate_update(_notes(new), _notes(old), new["spec"])
    path = "spec.ephemeralContainers"
    named = {container.get("name"): container for container in new["spec"].get("ephemeralContainers") or ()}
    for container in old["spec"].get("ephemeralContainers") or ():
        name = container.get("name", "")
        if name not in named:
            found.append(forbidden(path, f'existing ephemeral containers "{name}" may not be removed\n'))
        elif named[name] != container:
            changes = diff(internal(container, "EphemeralContainer"), internal(named[name], "EphemeralContainer"))
            found.append(forbidden(path, f'existing ephemeral containers "{name}" may not be changed\n{changes}'))
    return found


def keep_only_ephemeral(new: Object, old: Object) -> None:
    """A write through ephemeralcontainers changes nothing else."""
    wanted = (new.get("spec") or {}).get("ephemeralContainers")
    _restore(new, old)
    if wanted:
        new["spec"]["ephemeralContainers"] = wanted
    else:
        new["spec"].pop("ephemeralContainers", None)


def _restore(new: Object, old: Object) -> None:
    new["metadata"] = {**old["metadata"], "resourceVersion": new["metadata"].get("resourceVersion", "")}
    new["spec"] = dict(old["spec"])
    new["status"] = old.get("status") or {}


RESIZED = ("resources", "resizePolicy")


def keep_only_resources(new: Object, old: Object) -> None:
    """A write through resize changes the resources of containers and of the pod as a whole (KEP-5419), and resize
    policies, alone."""
    wanted = new.get("spec") or {}
    _restore(new, old)
    new["spec"].pop("resources", None)
    if wanted.get("resources") is not None:
        new["spec"]["resources"] = wanted["resources"]
    for group in ("containers", "initContainers"):
        given = {container.get("name"): container for container in wanted.get(group) or ()}
        if not old["spec"].get(group):
            continue
        new["spec"][group] = [_resized(container, given.get(container.get("name"))) for container in old["spec"][group]]


def _resized(container: Object, wanted: Object | None) -> Object:
    if wanted is None:
        return container
    kept = {key: value for key, value in container.items() if key not in RESIZED}
    return kept | {key: wanted[key] for key in RESIZED if key in wanted}


def validate_resize(new: Object, old: Object) -> list[FieldError]:
    """In-place resize (KEP-1287): cpu and memory only, and the same QoS class."""
    found = pod(new)
    if pod_annotations.MIRROR in _notes(old):
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
    for group in ("initContainers", "containers"):
        pairs = zip(new["spec"].get(group) or (), old["spec"].get(group) or (), strict=True)
        for index, (container, before) in enumerate(pairs):
            if group == "containers" or before.get("restartPolicy") == "Always":
                found += _removed(container, before, f"spec.{group}[{index}].resources")
    return found + _only_compute(new["spec"], old["spec"])


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
