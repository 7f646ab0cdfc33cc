"""What may change in a pod: its spec, its ephemeral containers, its resources (core validation's update rules)."""

from __future__ import annotations

from typing import Any

from apiserver.field import FieldError, forbidden, invalid, required
from apiserver.kinds.kind import Object
from apiserver.kinds.pods import pod_annotations
from apiserver.kinds.pods.checks import MAX_INT32, in_range
from apiserver.kinds.pods.internal import diff, internal, internal_spec
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
    restore(new, old)
    if wanted:
        new["spec"]["ephemeralContainers"] = wanted
    else:
        new["spec"].pop("ephemeralContainers", None)


def restore(new: Object, old: Object) -> None:
    """The pod is as it was, whatever the client wrote."""
    new["metadata"] = {**old["metadata"], "resourceVersion": new["metadata"].get("resourceVersion", "")}
    new["spec"] = dict(old["spec"])
    new["status"] = old.get("status") or {}
