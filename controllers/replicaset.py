"""ReplicaSets and ReplicationControllers: as many pods as asked for."""

from __future__ import annotations

from functools import partial

from controllers import ownership, pods, workpods
from controllers.controller import Controller, Loop, own_key
from controllers.ownership import BY_CONTROLLER, BY_NAMESPACE
from miniplane.apimachinery.status import StatusError
from miniplane.client.api import Object
from miniplane.client.resources import PODS, REPLICA_SETS, REPLICATION_CONTROLLERS, Resource


def _replicas(owner: Object) -> int:
    given = owner["spec"].get("replicas")
    return 1 if given is None else int(given)


async def _manage(loop: Loop, resource: Resource, owner: Object, active: list[Object]) -> StatusError | None:
    """Create what is missing, delete what is too much; answers what went wrong."""
    missing = _replicas(owner) - len(active)
    if missing > 0:
        make = partial(workpods.from_template, owner, resource, owner["spec"].get("template") or {})
        return await workpods.create_many(loop, owner, missing, make)
    if missing < 0:
        doomed = workpods.by_deletion_cost(active, _related(loop, owner, active))[:-missing]
        try:
            await workpods.delete_many(loop, owner, doomed)
        except StatusError as error:
            return error
    return None


def _related(loop: Loop, owner: Object, active: list[Object]) -> list[Object]:
    """The pods of all sets of the same Deployment: nodes that hold many of them are relieved first."""
    parent = ownership.controller_of(owner)
    if parent is None or REPLICA_SETS not in loop.informers:
        return active
    siblings = loop[REPLICA_SETS].store.by_index(BY_CONTROLLER, parent["uid"])
    found = [pod for one in siblings for pod in loop[PODS].store.by_index(BY_CONTROLLER, one["metadata"]["uid"])]
    return [pod for pod in found if workpods.is_active(pod)] or active


def _status(owner: Object, active: list[Object], ending: int, error: StatusError | None) -> Object:
    min_ready = int(owner["spec"].get("minReadySeconds") or 0)
    labels = ((owner["spec"].get("template") or {}).get("metadata") or {}).get("labels") or {}
    old = owner.get("status") or {}
    conditions = [one for one in old.get("conditions") or () if one["type"] != "ReplicaFailure"]
    if error is not None:
        reason = "FailedCreate" if len(active) < _replicas(owner) else "FailedDelete"
        conditions = workpods.set_condition(
            old.get("conditions") or [], "ReplicaFailure", "True", reason, error.message
        )
    status: Object = {
        "replicas": len(active),
        "fullyLabeledReplicas": sum(labels.items() <= pods.labels_of(pod).items() for pod in active),
        "readyReplicas": sum(map(pods.is_ready, active)),
        "availableReplicas": sum(workpods.is_available(pod, min_ready) for pod in active),
        "observedGeneration": owner["metadata"].get("generation") or 0,
    }
    if owner.get("kind") == "ReplicaSet":
        status["terminatingReplicas"] = ending
    return {**status, "conditions": conditions} if conditions else status


async def _reconcile(resource: Resource, loop: Loop, key: str) -> float | None:
    owner = loop[resource].get(key)
    if owner is None:
        return None
    claimed = await ownership.claim(loop, resource, owner, PODS, ownership.selector_of(owner))
    active = [pod for pod in claimed if workpods.is_active(pod)]
    error = None if pods.is_terminating(owner) else await _manage(loop, resource, owner, active)
    # what we just created counts, so that one sync settles the numbers
    uid, selector = owner["metadata"]["uid"], ownership.selector_of(owner)
    mine = [pod for pod in loop[PODS].store.by_index(BY_CONTROLLER, uid) if selector.matches(pods.labels_of(pod))]
    active = [pod for pod in mine if workpods.is_active(pod)]
    ending = sum(pods.is_terminating(pod) and not pods.is_finished(pod) for pod in mine)
    again = workpods.soonest(active, int(owner["spec"].get("minReadySeconds") or 0))
    current = loop[resource].get(key)
    if current is not None:
        await workpods.write_status(loop, resource, current, _status(owner, active, ending, error))
    if error is not None:
        raise error
    return again


def _controller(name: str, component: str, resource: Resource) -> Controller:
    return Controller(
        name=name,
        component=component,
        watches={resource: own_key, PODS: ownership.dependents_keys(PODS, resource)},
        reconcile=partial(_reconcile, resource),
        indexes={
            **ownership.INDEXES,
            (resource, BY_NAMESPACE): ownership.namespace_values,
            (resource, BY_CONTROLLER): ownership.controller_values,
        },
        workers=10,
    )


CONTROLLER = _controller("replicaset", "replicaset-controller", REPLICA_SETS)
REPLICATION = _controller("replicationcontroller", "replication-controller", REPLICATION_CONTROLLERS)
