"""Validation of a Job's status: what a finished Job may look like (KEP-3998, KEP-4368)."""

from __future__ import annotations

from apiserver.field import OMIT, FieldError, duplicate, invalid, required
from apiserver.kinds.job_validation import count_indexes
from apiserver.kinds.kind import Object
from apiserver.kinds.pods.checks import not_negative

CONDITIONS = "status.conditions"


def _is(obj: Object, name: str) -> bool:
    conditions = (obj.get("status") or {}).get("conditions") or ()
    return any(item.get("type") == name and item.get("status") == "True" for item in conditions)


def job_status(obj: Object, old: Object) -> list[FieldError]:
    """Causes for a status by itself. What was wrong already, and is left alone, is let through."""
    status = obj.get("status") or {}
    names = ("active", "succeeded", "failed", "ready", "terminating")
    found = [fault for name in names for fault in not_negative(f"status.{name}", status.get(name))]
    found += _uncounted(status.get("uncountedTerminatedPods") or {})
    if _is(obj, "Complete") and _is(obj, "Failed"):
        found.append(invalid(CONDITIONS, OMIT, "cannot set Complete=True and Failed=true conditions"))
    if _is(obj, "Complete") and _is(obj, "FailureTarget"):
        found.append(invalid(CONDITIONS, OMIT, "cannot set Complete=True and FailureTarget=true conditions"))
    found += _times(obj, status)
    for done, before in (("Failed", "FailureTarget"), ("Complete", "SuccessCriteriaMet")):
        if _is(obj, done) and not _is(obj, before) and not _is(old, done):
            why = f"cannot set {done}=True condition without the {before}=true condition"
            found.append(invalid(CONDITIONS, OMIT, why))
    finished = _is(obj, "Complete") or _is(obj, "Failed")
    found += (_finished(obj, status) if finished else []) + _indexes(obj, status)
    if finished and status.get("terminating", 0) > 0:
        found.append(invalid("status.terminating", status["terminating"], "terminating>0 is invalid for finished job"))
    if status.get("ready") is not None and status["ready"] > status.get("active", 0):
        found.append(invalid("status.ready", status["ready"], "cannot set more ready pods than active"))
    for other in ("Failed", "FailureTarget"):
        if _is(obj, "SuccessCriteriaMet") and _is(obj, other):
            found.append(invalid(CONDITIONS, OMIT, f"cannot set SuccessCriteriaMet=True and {other}=true conditions"))
    return found


def _uncounted(pods: Object) -> list[FieldError]:
    found: list[FieldError] = []
    seen: set[str] = set()
    for name in ("succeeded", "failed"):
        for index, uid in enumerate(pods.get(name) or ()):
            path = f"status.uncountedTerminatedPods.{name}[{index}]"
            if not uid:
                found.append(invalid(path, uid, "must not be empty"))
            elif uid in seen:
                found.append(duplicate(path, uid))
            seen.add(uid)
    return found


def _times(obj: Object, status: Object) -> list[FieldError]:
    start, end, path = status.get("startTime"), status.get("completionTime"), "status.completionTime"
    found: list[FieldError] = []
    if end is not None and not _is(obj, "Complete"):
        found.append(invalid(path, end, "cannot set completionTime when there is no Complete=True condition"))
    if end is None and _is(obj, "Complete"):
        found.append(required(path, "completionTime is required for Complete jobs"))
    if start is not None and end is not None and end < start:
        found.append(invalid(path, end, "completionTime cannot be set before startTime"))
    return found


def _finished(obj: Object, status: Object) -> list[FieldError]:
    found: list[FieldError] = []
    if status.get("active", 0) > 0:
        found.append(invalid("status.active", status["active"], "active>0 is invalid for finished job"))
    if status.get("startTime") is None:
        found.append(required("status.startTime", "startTime is required for finished job"))
    pods = status.get("uncountedTerminatedPods") or {}
    if pods.get("succeeded") or pods.get("failed"):
        shown = {"Succeeded": pods.get("succeeded"), "Failed": pods.get("failed")}
        why = "uncountedTerminatedPods needs to be empty for finished job"
        found.append(invalid("status.uncountedTerminatedPods", shown, why))
    return found


def _indexes(obj: Object, status: Object) -> list[FieldError]:
    spec, found = obj["spec"], []
    completed, failed = status.get("completedIndexes", ""), status.get("failedIndexes")
    per_index, path = spec.get("backoffLimitPerIndex") is not None, "status.failedIndexes"
    if spec.get("completions") is not None:
        fault = count_indexes(completed, spec["completions"])[1]
        if fault:
            found.append(invalid("status.completedIndexes", completed, f"error parsing completedIndexes: {fault}"))
        fault = count_indexes(failed or "", spec["completions"])[1]
        if fault and per_index:
            found.append(invalid(path, failed, f"error parsing failedIndexes: {fault}"))
    if completed and spec.get("completionMode") != "Indexed":
        why = "cannot set non-empty completedIndexes when non-indexed completion mode"
        found.append(invalid("status.completedIndexes", completed, why))
    if failed is not None and not per_index:
        found.append(invalid(path, failed, "cannot set non-null failedIndexes when backoffLimitPerIndex is null"))
    return found


def job_status_update(obj: Object, old: Object) -> list[FieldError]:
    """What of a status may not change."""
    new, before = obj.get("status") or {}, old.get("status") or {}
    found = [
        invalid(CONDITIONS, OMIT, f"cannot disable the terminal {name}=True condition")
        for name in ("Failed", "Complete", "FailureTarget")
        if _is(old, name) and not _is(obj, name)
    ]
    for name in ("failed", "succeeded"):
        if new.get(name, 0) < before.get(name, 0):
            found.append(invalid(f"status.{name}", new.get(name, 0), f"cannot decrease the {name} counter"))
    end, ended = new.get("completionTime"), before.get("completionTime")
    if end is not None and ended is not None and end != ended:
        found.append(invalid("status.completionTime", end, "completionTime cannot be mutated"))
    started = before.get("startTime")
    if started is not None and new.get("startTime") != started and not obj["spec"].get("suspend"):
        found.append(required("status.startTime", "startTime cannot be removed for unsuspended job"))
    if _is(old, "SuccessCriteriaMet") and not _is(obj, "SuccessCriteriaMet"):
        found.append(invalid(CONDITIONS, OMIT, "cannot disable the SuccessCriteriaMet=True condition"))
    if _is(old, "Complete") and not _is(old, "SuccessCriteriaMet") and _is(obj, "SuccessCriteriaMet"):
        why = "cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions"
        found.append(invalid(CONDITIONS, OMIT, why))
    return found
