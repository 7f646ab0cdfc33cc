"""Deployments: a ReplicaSet for each template, the newest scaled up while the others are scaled down."""

from __future__ import annotations

from controllers import ownership, pods, rollout, workpods
from controllers.controller import Controller, Loop, Retry, own_key
from controllers.ownership import BY_CONTROLLER, BY_NAMESPACE
from controllers.podtemplate import template_hash
from controllers.rollout import DESIRED, HASH, MAX_REPLICAS, REVISION, View, replicas
from miniplane.apimachinery.status import StatusError
from miniplane.client.api import Object
from miniplane.client.resources import DEPLOYMENTS, PODS, REPLICA_SETS

HISTORY = "deployment.kubernetes.io/revision-history"
NOT_COPIED = frozenset(
    (
        "kubectl.kubernetes.io/last-applied-configuration",
        "deprecated.deployment.rollback.to",
        REVISION,
        HISTORY,
        DESIRED,
        MAX_REPLICAS,
    )
)

# the new ReplicaSet


def _annotations(deployment: Object, current: Object | None, revision: int) -> dict[str, str]:
    """A set carries the Deployment's annotations and its own bookkeeping."""
    given = (current or {"metadata": {}})["metadata"].get("annotations") or {}
    copied = {k: v for k, v in (deployment["metadata"].get("annotations") or {}).items() if k not in NOT_COPIED}
    found = {**given, **copied}
    old = int(given.get(REVISION) or 0)
    if old < revision:
        found[REVISION] = str(revision)
        if old:
            past = given.get(HISTORY)
            found[HISTORY] = f"{past},{old}" if past else str(old)
    found[DESIRED] = str(replicas(deployment))
    found[MAX_REPLICAS] = str(replicas(deployment) + rollout.max_surge(deployment))
    return found


def new_set(view: View, revision: int) -> Object:
    """The ReplicaSet of the Deployment's template."""
    deployment = view.deployment
    spec, meta = deployment["spec"], deployment["metadata"]
    code = template_hash(spec["template"], (deployment.get("status") or {}).get("collisionCount"))
    template_meta = spec["template"].get("metadata") or {}
    labels = {**(template_meta.get("labels") or {}), HASH: code}
    selector = {**spec["selector"], "matchLabels": {**(spec["selector"].get("matchLabels") or {}), HASH: code}}
    body: Object = {
        "replicas": rollout.new_set_replicas(deployment, view.all, None),
        "selector": selector,
        "template": {**spec["template"], "metadata": {**template_meta, "labels": labels}},
    }
    if spec.get("minReadySeconds"):
        body["minReadySeconds"] = spec["minReadySeconds"]
    return {
        "metadata": {
            "name": f"{meta['name']}-{code}",
            "namespace": meta["namespace"],
            "labels": labels,
            "annotations": _annotations(deployment, None, revision),
            "ownerReferences": [ownership.reference(deployment, DEPLOYMENTS)],
        },
        "spec": body,
    }


async def sync_revision(loop: Loop, view: View, *, create: bool) -> None:
    """Find or create the new set; number it; tell the Deployment its revision, with its status as upstream does."""
    revision = max((rollout.revision(one) for one in view.old), default=0) + 1
    if view.new is not None:
        await _update_new(loop, view, revision)
    elif create:
        await _create_new(loop, view, revision)
    if view.new is not None:
        shown = view.new["metadata"]["annotations"][REVISION]
        annotations = view.deployment["metadata"].get("annotations") or {}
        if annotations.get(REVISION) != shown or view.noted:
            meta = {**view.deployment["metadata"], "annotations": {**annotations, REVISION: shown}}
            told = {**view.deployment, "metadata": meta, "status": view.take_notes()}
            view.deployment = await loop.update(DEPLOYMENTS, told, "status")


async def _update_new(loop: Loop, view: View, revision: int) -> None:
    new = view.new
    assert new is not None
    annotations = _annotations(view.deployment, new, revision)
    # the bookkeeping of scaling belongs to scaling
    for name in (DESIRED, MAX_REPLICAS):
        kept = (new["metadata"].get("annotations") or {}).get(name)
        if kept is not None:
            annotations[name] = kept
    min_ready = view.deployment["spec"].get("minReadySeconds") or 0
    if annotations != new["metadata"].get("annotations") or min_ready != (new["spec"].get("minReadySeconds") or 0):
        meta = {**new["metadata"], "annotations": annotations}
        spec = {**new["spec"], "minReadySeconds": min_ready}
        view.replace(new, await loop.update(REPLICA_SETS, {**new, "metadata": meta, "spec": spec}))
    if pods.condition(view.deployment, "Progressing") is None and _deadline(view.deployment) is not None:
        message = f'Found new replica set "{new["metadata"]["name"]}"'
        view.note("Progressing", "True", "FoundNewReplicaSet", message)


def _deadline(deployment: Object) -> int | None:
    given = deployment["spec"].get("progressDeadlineSeconds")
    return None if given is None or given == 2**31 - 1 else int(given)


async def _create_new(loop: Loop, view: View, revision: int) -> None:
    wanted = new_set(view, revision)
    name = wanted["metadata"]["name"]
    try:
        created = await loop.create(REPLICA_SETS, wanted)
    except StatusError as error:
        if error.code == 409 and error.reason == "AlreadyExists":
            await _collision(loop, view, name)
        if not workpods.namespace_goes(error):
            await _creation_failed(loop, view, f'Failed to create new replica set "{name}": {error.message}')
        raise
    view.add_new(created)
    if replicas(created) > 0:
        text = f"Scaled up replica set {name} from 0 to {replicas(created)}"
        loop.event(view.deployment, "Normal", "ScalingReplicaSet", text)
    if _deadline(view.deployment) is not None:
        view.note("Progressing", "True", "NewReplicaSetCreated", f'Created new replica set "{name}"')


async def _creation_failed(loop: Loop, view: View, message: str) -> None:
    """Say that the rollout cannot go on, as a condition where there is a deadline for it."""
    loop.event(view.deployment, "Warning", "ReplicaSetCreateError", message)
    if _deadline(view.deployment) is not None:
        view.note("Progressing", "False", "ReplicaSetCreateError", message)
        told = {**view.deployment, "status": view.take_notes()}
        view.deployment = await loop.update(DEPLOYMENTS, told, "status")


async def _collision(loop: Loop, view: View, name: str) -> None:
    """Another template has this hash: count it, and hash again with the count. Ours, seen late: just try again."""
    deployment = view.deployment
    found = await loop.client.get(REPLICA_SETS, name, deployment["metadata"]["namespace"])
    loop.informers.observe(REPLICA_SETS, found)
    owner = ownership.controller_of(found)
    if owner is None or owner["uid"] != deployment["metadata"]["uid"] or not rollout.same_template(found, deployment):
        status = deployment.get("status") or {}
        count = int(status.get("collisionCount") or 0) + 1
        await loop.update(DEPLOYMENTS, {**deployment, "status": {**status, "collisionCount": count}}, "status")
    raise Retry(f"replica set {name} exists")


# scaling


async def scale(loop: Loop, view: View, one: Object, count: int) -> Object:
    """Give a set this many replicas; answers it as it is then."""
    before, deployment = replicas(one), view.deployment
    annotations = {
        **(one["metadata"].get("annotations") or {}),
        DESIRED: str(replicas(deployment)),
        MAX_REPLICAS: str(replicas(deployment) + rollout.max_surge(deployment)),
    }
    if count == before and annotations == one["metadata"].get("annotations"):
        return one
    meta = {**one["metadata"], "annotations": annotations}
    found = await loop.update(REPLICA_SETS, {**one, "metadata": meta, "spec": {**one["spec"], "replicas": count}})
    view.replace(one, found)
    if count != before:
        verb = "up" if count > before else "down"
        text = f"Scaled {verb} replica set {one['metadata']['name']} from {before} to {count}"
        loop.event(deployment, "Normal", "ScalingReplicaSet", text)
    return found


async def _scale_all(loop: Loop, view: View, wanted: dict[str, int]) -> bool:
    """Scale sets by name; whether anything changed in number."""
    changed = False
    for one in list(view.all):
        count = wanted.get(one["metadata"]["name"])
        if count is not None:
            changed = changed or count != replicas(one)
            await scale(loop, view, one, count)
    return changed


async def _rolling(loop: Loop, view: View) -> None:
    await sync_revision(loop, view, create=True)
    new = view.new
    assert new is not None
    count = rollout.new_set_replicas(view.deployment, view.all, new)
    if count != replicas(new):
        await scale(loop, view, new, count)
        return
    await _scale_all(loop, view, rollout.old_set_replicas(view))


async def _recreate(loop: Loop, view: View) -> None:
    await sync_revision(loop, view, create=False)
    if await _scale_all(loop, view, {one["metadata"]["name"]: 0 for one in view.old if replicas(one)}):
        return
    for one in view.old:
        left = loop[PODS].store.by_index(BY_CONTROLLER, one["metadata"]["uid"])
        if any(not pods.is_finished(pod) for pod in left):
            return
    await sync_revision(loop, view, create=True)
    if view.new is not None:
        await scale(loop, view, view.new, replicas(view.deployment))


async def _cleanup(loop: Loop, view: View) -> None:
    """Old sets beyond the history limit go, oldest revision first."""
    limit = view.deployment["spec"].get("revisionHistoryLimit")
    candidates = [one for one in view.old if not pods.is_terminating(one)]
    if limit is None or len(candidates) <= limit:
        return
    for one in sorted(candidates, key=rollout.revision)[: len(candidates) - limit]:
        status = one.get("status") or {}
        observed = int(status.get("observedGeneration") or 0) >= int(one["metadata"].get("generation") or 0)
        if not status.get("replicas") and not replicas(one) and observed:
            await loop.delete(REPLICA_SETS, one)


# reconciling


async def reconcile(loop: Loop, key: str) -> float | None:
    deployment = loop[DEPLOYMENTS].get(key)
    if deployment is None:
        return None
    selector = ownership.selector_of(deployment)
    if selector.empty:
        loop.event(
            deployment,
            "Warning",
            "SelectingAll",
            "This deployment is selecting all pods. A non-empty selector is required.",
        )
        return None
    sets = await ownership.claim(loop, DEPLOYMENTS, deployment, REPLICA_SETS, selector)
    view = View(deployment, sets)
    if not pods.is_terminating(deployment):
        await _act(loop, view)
    return await _report(loop, view)


async def _act(loop: Loop, view: View) -> None:
    spec = view.deployment["spec"]
    view.note_paused()
    if spec.get("paused") or rollout.is_scaling(view):
        await sync_revision(loop, view, create=False)
        await _scale_all(loop, view, rollout.proportional(view))
        if spec.get("paused"):
            await _cleanup(loop, view)
    elif (spec.get("strategy") or {}).get("type") == "Recreate":
        await _recreate(loop, view)
    else:
        await _rolling(loop, view)


async def _report(loop: Loop, view: View) -> float | None:
    ending = sum(
        pods.is_terminating(pod) and not pods.is_finished(pod)
        for one in view.all
        for pod in loop[PODS].store.by_index(BY_CONTROLLER, one["metadata"]["uid"])
    )
    status = rollout.status(view, ending)
    if rollout.is_complete(view.deployment, status) and not pods.is_terminating(view.deployment):
        await _cleanup(loop, view)
    await workpods.write_status(loop, DEPLOYMENTS, view.deployment, status)
    return rollout.deadline_in(view.deployment, status)


def _pod_keys(loop: Loop, old: Object | None, new: Object | None) -> list[str]:
    """Recreate waits for the last old pod."""
    if old is None or new is not None:
        return []
    ref = ownership.controller_of(old)
    owner = loop[REPLICA_SETS].get(f"{old['metadata']['namespace']}/{ref['name']}") if ref else None
    parent = ownership.controller_of(owner) if owner else None
    return [f"{old['metadata']['namespace']}/{parent['name']}"] if parent else []


CONTROLLER = Controller(
    name="deployment",
    component="deployment-controller",
    watches={
        DEPLOYMENTS: own_key,
        REPLICA_SETS: ownership.dependents_keys(REPLICA_SETS, DEPLOYMENTS),
        PODS: _pod_keys,
    },
    reconcile=reconcile,
    indexes={
        **ownership.INDEXES,
        (DEPLOYMENTS, BY_NAMESPACE): ownership.namespace_values,
        (REPLICA_SETS, BY_CONTROLLER): ownership.controller_values,
    },
    workers=10,
)
