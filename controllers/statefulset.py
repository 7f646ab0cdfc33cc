"""StatefulSets: pods with names of their own, made and unmade in order, each with its claims."""

from __future__ import annotations

from typing import Any

import orjson

from controllers import ownership, pods, statefulclaims, workpods
from controllers.controller import Controller, Loop, own_key
from controllers.godump import fnv32, safe_encode
from controllers.ownership import BY_CONTROLLER, BY_NAMESPACE
from miniplane.apimachinery.status import StatusError
from miniplane.client.api import Object
from miniplane.client.resources import CONTROLLER_REVISIONS, PODS, STATEFUL_SETS, VOLUME_CLAIMS

REVISION_HASH, HISTORY_HASH = "controller-revision-hash", "controller.kubernetes.io/hash"
LONGEST_PREFIX = 223
GO_ESCAPES = ((b"<", b"\\u003c"), (b">", b"\\u003e"), (b"&", b"\\u0026"))
POD_NAME, POD_INDEX = "statefulset.kubernetes.io/pod-name", "apps.kubernetes.io/pod-index"


def _replicas(owner: Object) -> int:
    given = owner["spec"].get("replicas")
    return 1 if given is None else int(given)


def _first(owner: Object) -> int:
    return int((owner["spec"].get("ordinals") or {}).get("start") or 0)


def ordinal(owner: Object, pod: Object) -> int | None:
    """The number in the pod's name; None for a pod that is not named after the set."""
    parent, _, number = str(pod["metadata"]["name"]).rpartition("-")
    return int(number) if parent == owner["metadata"]["name"] and number.isdigit() else None


# revisions


def revision_data(template: Object) -> Object:
    """What a revision keeps: the template, as a patch that replaces it."""
    return {"spec": {"template": {**template, "$patch": "replace"}}}


def revision_hash(data: Object, collisions: int) -> str:
    """The hash that names the revision of this data: of its text as Go writes it (`HashControllerRevision`)."""
    text = orjson.dumps(data, option=orjson.OPT_SORT_KEYS)
    for plain, escaped in GO_ESCAPES:
        text = text.replace(plain, escaped)
    return safe_encode(str(fnv32(text + str(collisions).encode())))


async def current_revision(loop: Loop, resource: Any, owner: Object, label: str, code: str) -> Object:
    """The ControllerRevision of the owner's template, created or renumbered where needed; a new one is named after
    the hash `code`, which is also its `label`."""
    data = revision_data(owner["spec"]["template"])
    known = loop[CONTROLLER_REVISIONS].store.by_index(BY_CONTROLLER, owner["metadata"]["uid"])
    newest = max((int(one.get("revision") or 0) for one in known), default=0)
    for one in known:
        if one.get("data") == data:
            if int(one.get("revision") or 0) < newest:
                return await loop.update(CONTROLLER_REVISIONS, {**one, "revision": newest + 1})
            return one
    name = f"{owner['metadata']['name'][:LONGEST_PREFIX]}-{code}"
    labels = (owner["spec"]["template"].get("metadata") or {}).get("labels") or {}
    body = {
        "metadata": {
            "name": name,
            "namespace": owner["metadata"]["namespace"],
            "labels": {**labels, label: code},
            "annotations": owner["metadata"].get("annotations") or {},
            "ownerReferences": [ownership.reference(owner, resource)],
        },
        "data": data,
        "revision": newest + 1,
    }
    try:
        return await loop.create(CONTROLLER_REVISIONS, body)
    except StatusError as error:
        if error.code != 409:
            raise
        found = await loop.client.get(CONTROLLER_REVISIONS, name, owner["metadata"]["namespace"])
        loop.informers.observe(CONTROLLER_REVISIONS, found)
        return found


async def trim_history(loop: Loop, owner: Object, used: set[str]) -> None:
    """Revisions that no pod uses, beyond the limit, oldest first."""
    known = loop[CONTROLLER_REVISIONS].store.by_index(BY_CONTROLLER, owner["metadata"]["uid"])
    unused = sorted((one for one in known if one["metadata"]["name"] not in used), key=lambda one: one["revision"])
    limit = owner["spec"].get("revisionHistoryLimit")
    for one in unused[: max(0, len(unused) - (10 if limit is None else int(limit)))]:
        await loop.delete(CONTROLLER_REVISIONS, one)


# pods


def _template_of(revision: Object) -> Object:
    return {key: value for key, value in revision["data"]["spec"]["template"].items() if key != "$patch"}


def new_pod(owner: Object, number: int, revision: Object) -> Object:
    """The pod of that number."""
    template, name = _template_of(revision), f"{owner['metadata']['name']}-{number}"
    pod = workpods.from_template(owner, STATEFUL_SETS, template)
    labels = {**(pod["metadata"].get("labels") or {}), POD_NAME: name, POD_INDEX: str(number)}
    labels[REVISION_HASH] = revision["metadata"]["name"]
    pod["metadata"].update(name=name, labels=labels)
    claims = set(map(statefulclaims.name_of, owner["spec"].get("volumeClaimTemplates") or ()))
    volumes = [{"name": claim, "persistentVolumeClaim": {"claimName": f"{claim}-{name}"}} for claim in sorted(claims)]
    volumes += [one for one in pod["spec"].get("volumes") or () if one["name"] not in claims]
    pod["spec"] = {**pod["spec"], "hostname": name, "subdomain": owner["spec"].get("serviceName") or ""}
    if volumes:
        pod["spec"]["volumes"] = volumes
    return pod


async def _create(loop: Loop, owner: Object, number: int, revision: Object) -> None:
    pod = new_pod(owner, number, revision)
    await statefulclaims.create(loop, owner, pod)
    try:
        found = await loop.create(PODS, pod)
    except StatusError as error:
        if error.code != 409:
            text = f"create Pod {pod['metadata']['name']} in StatefulSet {owner['metadata']['name']} failed error: "
            loop.event(owner, "Warning", "FailedCreate", text + error.message)
        raise
    await statefulclaims.retain(loop, owner, found, condemned=False)
    text = f"create Pod {found['metadata']['name']} in StatefulSet {owner['metadata']['name']} successful"
    loop.event(owner, "Normal", "SuccessfulCreate", text)


async def _delete(loop: Loop, owner: Object, pod: Object) -> None:
    await loop.delete(PODS, pod)
    text = f"delete Pod {pod['metadata']['name']} in StatefulSet {owner['metadata']['name']} successful"
    loop.event(owner, "Normal", "SuccessfulDelete", text)


# what to do next


def _is_running(pod: Object) -> bool:
    """Ready in a phase that says so, too."""
    return pods.phase(pod) == "Running" and pods.is_ready(pod)


class _Set:
    """A StatefulSet with its pods by number."""

    def __init__(self, owner: Object, found: list[Object], current: Object, update: Object) -> None:
        self.owner, self.current, self.update = owner, current, update
        self.min_ready = int(owner["spec"].get("minReadySeconds") or 0)
        self.ordered = owner["spec"].get("podManagementPolicy", "OrderedReady") != "Parallel"
        self.wanted = range(_first(owner), _first(owner) + _replicas(owner))
        numbered = {number: pod for pod in found if (number := ordinal(owner, pod)) is not None}
        self.replicas = {number: numbered[number] for number in self.wanted if number in numbered}
        self.condemned = [numbered[number] for number in sorted(numbered, reverse=True) if number not in self.wanted]

    def healthy(self, pod: Object) -> bool:
        return _is_running(pod) and not pods.is_terminating(pod) and workpods.is_available(pod, self.min_ready)

    def may_go(self, pod: Object) -> bool:
        """Ordered sets take a healthy pod away, or the first one that is not: what else ails is waited for."""
        everybody = [*(self.replicas[number] for number in sorted(self.replicas)), *reversed(self.condemned)]
        return self.healthy(pod) or next(one for one in everybody if not self.healthy(one)) is pod

    def partition(self) -> int:
        rolling = (self.owner["spec"].get("updateStrategy") or {}).get("rollingUpdate") or {}
        return int(rolling.get("partition") or 0)

    def revision_for(self, number: int) -> Object:
        """New pods below the partition get the current revision; all others the one to update to."""
        rolling = (self.owner["spec"].get("updateStrategy") or {}).get("type", "RollingUpdate") == "RollingUpdate"
        return self.current if rolling and number < self.partition() + _first(self.owner) else self.update


async def _sync(loop: Loop, state: _Set) -> None:
    """One step forward; ordered sets do one thing at a time."""
    owner = state.owner
    for there in state.replicas.values():
        await statefulclaims.retain(loop, owner, there, condemned=False)
    for leaving in state.condemned:
        await statefulclaims.retain(loop, owner, leaving, condemned=True)
    for number in state.wanted:
        pod = state.replicas.get(number)
        if pod is None:
            await _create(loop, owner, number, state.revision_for(number))
            if state.ordered:
                return
        elif pods.is_finished(pod) and not pods.is_terminating(pod):
            await _delete(loop, owner, pod)
            if state.ordered:
                return
        elif state.ordered and not state.healthy(pod):
            return
    for pod in state.condemned:
        if state.ordered and pods.is_terminating(pod):
            return
        if not pods.is_terminating(pod) and (not state.ordered or state.may_go(pod)):
            await _delete(loop, owner, pod)
        if state.ordered:
            return
    await _roll(loop, state)


async def _roll(loop: Loop, state: _Set) -> None:
    """Replace the pod of the highest number that has another revision, once those above it are healthy."""
    strategy = state.owner["spec"].get("updateStrategy") or {}
    if strategy.get("type", "RollingUpdate") != "RollingUpdate" or state.condemned:
        return
    wanted = state.update["metadata"]["name"]
    for number in sorted(state.replicas, reverse=True):
        if number < state.partition() + _first(state.owner):
            return
        pod = state.replicas[number]
        if pods.labels_of(pod).get(REVISION_HASH) != wanted:
            if not pods.is_terminating(pod):
                await _delete(loop, state.owner, pod)
            return
        if not state.healthy(pod):
            return


def _status(state: _Set, found: list[Object]) -> Object:
    current, update = state.current["metadata"]["name"], state.update["metadata"]["name"]
    alive = [pod for pod in found if ordinal(state.owner, pod) is not None]
    counted = [pod for pod in alive if not pods.is_terminating(pod)]

    def of(revision: str) -> int:
        return sum(pods.labels_of(pod).get(REVISION_HASH) == revision for pod in counted)

    status: Object = {
        "observedGeneration": state.owner["metadata"].get("generation") or 0,
        "replicas": len(alive),
        "readyReplicas": sum(map(_is_running, alive)),
        "availableReplicas": sum(_is_running(pod) and workpods.is_available(pod, state.min_ready) for pod in alive),
        "currentReplicas": of(current),
        "updatedReplicas": of(update),
        "currentRevision": current,
        "updateRevision": update,
        "collisionCount": (state.owner.get("status") or {}).get("collisionCount") or 0,
    }
    complete = status["updatedReplicas"] == status["replicas"] == status["readyReplicas"] == _replicas(state.owner)
    if complete and (state.owner["spec"].get("updateStrategy") or {}).get("type", "RollingUpdate") == "RollingUpdate":
        status.update(currentReplicas=status["updatedReplicas"], currentRevision=update)
    return status


async def reconcile(loop: Loop, key: str) -> float | None:
    owner = loop[STATEFUL_SETS].get(key)
    if owner is None:
        return None
    found = await ownership.claim(loop, STATEFUL_SETS, owner, PODS, ownership.selector_of(owner))
    collisions = int((owner.get("status") or {}).get("collisionCount") or 0)
    code = revision_hash(revision_data(owner["spec"]["template"]), collisions)
    update = await current_revision(loop, STATEFUL_SETS, owner, HISTORY_HASH, code)
    known = loop[CONTROLLER_REVISIONS].store.by_index(BY_CONTROLLER, owner["metadata"]["uid"])
    name = (owner.get("status") or {}).get("currentRevision")
    current = next((one for one in known if one["metadata"]["name"] == name), update)
    state = _Set(owner, found, current, update)
    if not pods.is_terminating(owner):
        await _sync(loop, state)
    mine = loop[PODS].store.by_index(BY_CONTROLLER, owner["metadata"]["uid"])
    again = workpods.soonest(mine, state.min_ready)
    await workpods.write_status(loop, STATEFUL_SETS, owner, _status(state, mine))
    used = {pods.labels_of(pod).get(REVISION_HASH, "") for pod in mine}
    await trim_history(loop, owner, used | {current["metadata"]["name"], update["metadata"]["name"]})
    return again


CONTROLLER = Controller(
    name="statefulset",
    component="statefulset-controller",
    watches={
        STATEFUL_SETS: own_key,
        PODS: ownership.dependents_keys(PODS, STATEFUL_SETS),
        VOLUME_CLAIMS: lambda loop, old, new: (),
        CONTROLLER_REVISIONS: lambda loop, old, new: (),
    },
    reconcile=reconcile,
    indexes={
        **ownership.INDEXES,
        (STATEFUL_SETS, BY_NAMESPACE): ownership.namespace_values,
        (CONTROLLER_REVISIONS, BY_CONTROLLER): ownership.controller_values,
    },
)
