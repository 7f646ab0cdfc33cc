"""The arithmetic of a rollout: how many replicas each ReplicaSet of a Deployment should have, and what to report.

Pure functions over a Deployment and its sets (upstream: pkg/controller/deployment/util).
"""

from __future__ import annotations

import math
from typing import Any

from controllers import workpods
from controllers.pods import condition
from miniplane.client import clock
from miniplane.client.api import Object

HASH = "pod-template-hash"
REVISION = "deployment.kubernetes.io/revision"
DESIRED, MAX_REPLICAS = "deployment.kubernetes.io/desired-replicas", "deployment.kubernetes.io/max-replicas"


def replicas(obj: Object) -> int:
    given = obj["spec"].get("replicas")
    return 1 if given is None else int(given)


def available(one: Object) -> int:
    return int((one.get("status") or {}).get("availableReplicas") or 0)


def revision(one: Object) -> int:
    given = (one["metadata"].get("annotations") or {}).get(REVISION) or "0"
    return int(given) if given.isdigit() else 0


def _created(one: Object) -> tuple[str, str]:
    return str(one["metadata"].get("creationTimestamp") or ""), str(one["metadata"]["name"])


def same_template(one: Object, deployment: Object) -> bool:
    """Equal templates, the hash label apart."""
    return bool(_bare(one["spec"].get("template") or {}) == _bare(deployment["spec"]["template"]))


def _bare(template: Object) -> Object:
    meta = template.get("metadata") or {}
    labels = {key: value for key, value in (meta.get("labels") or {}).items() if key != HASH}
    kept = {key: value for key, value in meta.items() if key not in ("labels", "creationTimestamp") and value}
    return {"metadata": {**kept, "labels": labels}, "spec": template.get("spec") or {}}


class View:
    """A Deployment, its sets, and the conditions noted on the way."""

    def __init__(self, deployment: Object, sets: list[Object]) -> None:
        self.deployment = deployment
        self.all = sorted(sets, key=_created)
        self.new = next((one for one in self.all if same_template(one, deployment)), None)
        self.noted: list[tuple[str, str, str, str]] = []

    @property
    def old(self) -> list[Object]:
        return [one for one in self.all if one is not self.new]

    def replace(self, before: Object, after: Object) -> None:
        self.all = [after if one is before else one for one in self.all]
        if self.new is before:
            self.new = after

    def add_new(self, created: Object) -> None:
        self.all.append(created)
        self.new = created

    def note(self, kind: str, value: str, reason: str, message: str) -> None:
        self.noted.append((kind, value, reason, message))

    def take_notes(self) -> Object:
        """The Deployment's status with the conditions noted so far, which are no notes any more."""
        status = self.deployment.get("status") or {}
        conditions = list(status.get("conditions") or ())
        for noted in self.noted:
            conditions = _set(conditions, *noted)
        self.noted.clear()
        return {**status, "conditions": conditions}

    def note_paused(self) -> None:
        """Pausing and resuming show in the condition Progressing, unless the deadline passed before."""
        if self.deployment["spec"].get("progressDeadlineSeconds") is None:
            return
        reason = (condition(self.deployment, "Progressing") or {}).get("reason")
        paused = bool(self.deployment["spec"].get("paused"))
        if reason == "ProgressDeadlineExceeded":
            return
        if paused and reason != "DeploymentPaused":
            self.note("Progressing", "Unknown", "DeploymentPaused", "Deployment is paused")
        elif not paused and reason == "DeploymentPaused":
            self.note("Progressing", "Unknown", "DeploymentResumed", "Deployment is resumed")


# bounds


def is_rolling(deployment: Object) -> bool:
    strategy = deployment["spec"].get("strategy") or {}
    return bool(strategy.get("type", "RollingUpdate") == "RollingUpdate")


def _scaled(value: Any, total: int, *, up: bool) -> int:
    """A number, or a percentage of the total."""
    if isinstance(value, str) and value.endswith("%"):
        exact = total * int(value[:-1]) / 100
        return math.ceil(exact) if up else math.floor(exact)
    return int(value or 0)


def _bounds(deployment: Object) -> tuple[int, int]:
    """(surge, unavailable); both zero would never move, so one may be unavailable then."""
    given = (deployment["spec"].get("strategy") or {}).get("rollingUpdate") or {}
    surge = _scaled(given.get("maxSurge"), replicas(deployment), up=True)
    unavailable = _scaled(given.get("maxUnavailable"), replicas(deployment), up=False)
    return (surge, unavailable) if surge or unavailable else (0, 1)


def max_surge(deployment: Object) -> int:
    return _bounds(deployment)[0] if is_rolling(deployment) else 0


def max_unavailable(deployment: Object) -> int:
    if not is_rolling(deployment) or not replicas(deployment):
        return 0
    return min(_bounds(deployment)[1], replicas(deployment))


# numbers of replicas


def new_set_replicas(deployment: Object, sets: list[Object], new: Object | None) -> int:
    """How many the new set may have now (None: it is yet to be created)."""
    wanted, current = replicas(deployment), replicas(new) if new is not None else 0
    if not is_rolling(deployment) or current >= wanted:
        return wanted
    room = wanted + max_surge(deployment) - sum(map(replicas, sets))
    return current + min(room, wanted - current) if room > 0 else current


def old_set_replicas(view: View) -> dict[str, int]:
    """The old sets by name, as small as availability allows: unhealthy replicas go first."""
    deployment, new = view.deployment, view.new
    assert new is not None
    least = replicas(deployment) - max_unavailable(deployment)
    unready = replicas(new) - available(new)
    room = sum(map(replicas, view.all)) - least - unready
    counts = {one["metadata"]["name"]: replicas(one) for one in view.old}
    if room <= 0 or not any(counts.values()):
        return {}
    for one in view.old:
        name = one["metadata"]["name"]
        unhealthy = min(room, counts[name] - min(available(one), counts[name]))
        counts[name] -= unhealthy
        room -= unhealthy
    spare = sum(map(available, view.all)) - least
    for one in view.old:
        name = one["metadata"]["name"]
        taken = max(0, min(spare, counts[name]))
        counts[name] -= taken
        spare -= taken
    return {one["metadata"]["name"]: counts[one["metadata"]["name"]] for one in view.old if replicas(one)}


def is_scaling(view: View) -> bool:
    """The number of replicas asked for changed since the active sets were scaled."""
    wanted = str(replicas(view.deployment))
    active = [one for one in view.all if replicas(one) > 0]
    given = ((one["metadata"].get("annotations") or {}).get(DESIRED) for one in active)
    return any(value is not None and value != wanted for value in given)


def proportional(view: View) -> dict[str, int]:
    """All sets scaled in proportion, so that a resize in mid-rollout changes no ratio."""
    deployment = view.deployment
    active = [one for one in view.all if replicas(one) > 0]
    if len(active) <= 1:
        one = active[0] if active else view.new or (view.all[-1] if view.all else None)
        return {one["metadata"]["name"]: replicas(deployment)} if one is not None else {}
    if view.new is not None and _is_saturated(deployment, view.new):
        return {one["metadata"]["name"]: 0 for one in view.old if replicas(one)}
    if not is_rolling(deployment):
        return {}
    allowed = replicas(deployment) + max_surge(deployment) if replicas(deployment) else 0
    return _shares(deployment, active, allowed - sum(map(replicas, active)))


def _shares(deployment: Object, active: list[Object], difference: int) -> dict[str, int]:
    """Each set's share of the difference, largest first; what rounding leaves goes to the first."""
    newest_first = sorted(active, key=_created, reverse=difference > 0)
    ordered = sorted(newest_first, key=replicas, reverse=True)
    counts, left = {}, difference
    for one in ordered:
        share = _share(deployment, one, left) if difference else 0
        counts[one["metadata"]["name"]] = replicas(one) + share
        left -= share
    first = ordered[0]["metadata"]["name"]
    counts[first] = max(0, counts[first] + left)
    return counts


def _share(deployment: Object, one: Object, left: int) -> int:
    """What this set gets of the difference: in proportion to its part of the Deployment when it was scaled last."""
    given = (one["metadata"].get("annotations") or {}).get(MAX_REPLICAS)
    total = int(given) if given and given.isdigit() and given != "0" else replicas(deployment)
    wanted = replicas(deployment) + max_surge(deployment)
    exact = replicas(one) * wanted / total if total else 0.0
    share = math.floor(exact + 0.5) - replicas(one)
    return max(share, left) if left < 0 else min(share, left)


def _is_saturated(deployment: Object, one: Object) -> bool:
    desired = (one["metadata"].get("annotations") or {}).get(DESIRED)
    wanted = replicas(deployment)
    return replicas(one) == wanted == available(one) and desired == str(wanted)


# reporting


def is_complete(deployment: Object, status: Object) -> bool:
    wanted = replicas(deployment)
    names = ("updatedReplicas", "replicas", "availableReplicas")
    return all(status.get(name, 0) == wanted for name in names)


def status(view: View, ending: int) -> Object:
    """The status of the Deployment; the API server leaves out what is zero."""
    deployment, old = view.deployment, view.deployment.get("status") or {}

    def total(name: str) -> int:
        return sum(int((one.get("status") or {}).get(name) or 0) for one in view.all)

    updated = int((view.new.get("status") or {}).get("replicas") or 0) if view.new is not None else 0
    found: Object = {
        "observedGeneration": deployment["metadata"].get("generation") or 0,
        "replicas": total("replicas"),
        "updatedReplicas": updated,
        "readyReplicas": total("readyReplicas"),
        "availableReplicas": total("availableReplicas"),
        "unavailableReplicas": max(0, sum(map(replicas, view.all)) - total("availableReplicas")),
        "terminatingReplicas": ending,
    }
    if old.get("collisionCount") is not None:
        found["collisionCount"] = old["collisionCount"]
    found["conditions"] = _conditions(view, found)
    return found


def _conditions(view: View, found: Object) -> list[Object]:
    deployment = view.deployment
    conditions = list((deployment.get("status") or {}).get("conditions") or ())
    for noted in view.noted:
        conditions = _set(conditions, *noted)
    enough = found["availableReplicas"] >= replicas(deployment) - max_unavailable(deployment)
    if enough:
        minimum = ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    else:
        minimum = ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
    conditions = workpods.set_condition(conditions, "Available", *minimum)
    if deployment["spec"].get("progressDeadlineSeconds") is not None and not deployment["spec"].get("paused"):
        conditions = _progress(view, found, conditions)
    failure = next((c for one in view.all if (c := condition(one, "ReplicaFailure")) is not None), None)
    conditions = [one for one in conditions if one["type"] != "ReplicaFailure"]
    if failure is not None:
        conditions.append({key: failure[key] for key in failure if key != "lastUpdateTime"})
    return [{**one, "lastUpdateTime": one.get("lastUpdateTime", one["lastTransitionTime"])} for one in conditions]


def _set(conditions: list[Object], kind: str, value: str, reason: str, message: str) -> list[Object]:
    """As `set_condition`, and the time of the update is now."""
    found = [one for one in conditions if (one["type"], one["status"], one.get("reason")) == (kind, value, reason)]
    if found and found[0].get("message") == message:
        return conditions
    rest = [one if one not in found else {**one, "reason": ""} for one in conditions]
    changed = workpods.set_condition(rest, kind, value, reason, message)
    return [{**one, "lastUpdateTime": clock.text(clock.now())} if one["type"] == kind else one for one in changed]


def _progress(view: View, found: Object, conditions: list[Object]) -> list[Object]:
    deployment = view.deployment
    current = next((one for one in conditions if one["type"] == "Progressing"), None)
    name = (
        f'ReplicaSet "{view.new["metadata"]["name"]}"' if view.new else f'Deployment "{deployment["metadata"]["name"]}"'
    )
    reason = (current or {}).get("reason")
    if reason == "NewReplicaSetAvailable" and found["replicas"] == found["updatedReplicas"]:
        return conditions
    if is_complete(deployment, found):
        return _set(conditions, "Progressing", "True", "NewReplicaSetAvailable", f"{name} has successfully progressed.")
    if _moves(deployment.get("status") or {}, found):
        rest = [one for one in conditions if one["type"] != "Progressing" or one["status"] == "True"]
        fresh = [{**one, "reason": ""} if one["type"] == "Progressing" else one for one in rest]
        return _set(fresh, "Progressing", "True", "ReplicaSetUpdated", f"{name} is progressing.")
    left = deadline_in(deployment, {**found, "conditions": conditions})
    if left is not None and left <= 0:
        return _set(
            conditions, "Progressing", "False", "ProgressDeadlineExceeded", f"{name} has timed out progressing."
        )
    return conditions


def _moves(old: Object, new: Object) -> bool:
    def number(status: Object, name: str) -> int:
        return int(status.get(name) or 0)

    outdated = [number(one, "replicas") - number(one, "updatedReplicas") for one in (old, new)]
    grown = ("updatedReplicas", "readyReplicas", "availableReplicas")
    return outdated[1] < outdated[0] or any(number(new, name) > number(old, name) for name in grown)


def deadline_in(deployment: Object, found: Object) -> float | None:
    """Seconds until the rollout counts as stuck; None where there is nothing to wait for."""
    deadline = deployment["spec"].get("progressDeadlineSeconds")
    current = next((one for one in found.get("conditions") or () if one["type"] == "Progressing"), None)
    if deadline is None or deadline == 2**31 - 1 or current is None or deployment["spec"].get("paused"):
        return None
    if current.get("reason") in ("NewReplicaSetAvailable", "ProgressDeadlineExceeded"):
        return None
    since = clock.parse(current.get("lastUpdateTime") or current.get("lastTransitionTime"))
    return deadline - (clock.now() - since).total_seconds() if since is not None else None
