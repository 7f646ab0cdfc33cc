"""What becomes of a pod on its node: a pure function of the pod, its behaviour and the time.

Everything is read off the pod's own status, so that a kubelet which starts anew goes on where the last one stopped. All
containers of a pod start, fail and end together.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from miniplane.agents.kubelet.behaviour import Behaviour

Object = dict[str, Any]
Stage = Literal["waiting", "running", "backoff", "ended"]
BACKOFF = 10.0
LONGEST_BACKOFF = 300.0
"""The kubelet restarts a container at once the first time, then after 10 s, 20 s, 40 s... up to five minutes."""


@dataclass(slots=True)
class State:
    """Where the pod's containers are, since when (seconds since 1970), after how many restarts."""

    stage: Stage
    since: float
    restarts: int = 0
    exit_code: int = 0
    last_started: float = 0.0


@dataclass(slots=True)
class Step:
    """The next state, which events happened on the way, and when (in seconds) to look again."""

    state: State
    events: list[tuple[str, str, str]] = field(default_factory=list)
    """(type, reason, message with {name} for the container)"""
    again: float | None = None


PULLED = ("Normal", "Pulled", 'Container image "{image}" already present on machine')
CREATED = ("Normal", "Created", "Created container: {name}")
STARTED = ("Normal", "Started", "Started container {name}")
BACK_OFF = ("Warning", "BackOff", "Back-off restarting failed container {name} in pod {pod}_{namespace}({uid})")


def stamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parsed(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def state_of(pod: Object, now: float) -> State:
    """The state that the pod's status tells."""
    status = pod.get("status") or {}
    if status.get("phase") in ("Succeeded", "Failed"):
        return State("ended", now)
    containers = status.get("containerStatuses") or ()
    if not containers:
        return State("waiting", parsed(status["startTime"]) if status.get("startTime") else now)
    first = containers[0]
    restarts = first.get("restartCount", 0)
    current, last = first.get("state") or {}, (first.get("lastState") or {}).get("terminated") or {}
    if "running" in current:
        return State("running", parsed(current["running"]["startedAt"]), restarts)
    if (current.get("waiting") or {}).get("reason") == "CrashLoopBackOff" and last:
        began = parsed(last["startedAt"])
        return State("backoff", parsed(last["finishedAt"]), restarts, last.get("exitCode", 0), began)
    return State("waiting", parsed(status["startTime"]) if status.get("startTime") else now, restarts)


def advance(pod: Object, behaviour: Behaviour, state: State, now: float) -> Step:
    """Follow the pod as far as it has come by now."""
    step = Step(state)
    while True:
        before = step.state
        step.again = None
        ADVANCES[before.stage](pod, behaviour, step, now)
        if step.state is before:
            return step


def _waiting(pod: Object, behaviour: Behaviour, step: Step, now: float) -> None:
    if behaviour.never_start:
        return
    due = step.state.since + behaviour.start_delay
    if now < due:
        step.again = due - now
        return
    step.events += [PULLED, CREATED, STARTED]
    step.state = State("running", now)


def _running(pod: Object, behaviour: Behaviour, step: Step, now: float) -> None:
    if behaviour.run_time is None:
        return
    state = step.state
    due = state.since + behaviour.run_time
    if now < due:
        step.again = due - now
        return
    policy = pod["spec"].get("restartPolicy", "Always")
    stage: Stage = "ended"
    if policy == "Always" or (policy == "OnFailure" and behaviour.exit_code):
        stage = "backoff"
        if state.restarts:
            step.events.append(BACK_OFF)
    step.state = State(stage, now, state.restarts, behaviour.exit_code, state.since)


def _backoff(pod: Object, behaviour: Behaviour, step: Step, now: float) -> None:
    state = step.state
    pause = min(BACKOFF * 2 ** (state.restarts - 1), LONGEST_BACKOFF) if state.restarts else 0.0
    if now < state.since + pause:
        step.again = state.since + pause - now
        return
    if state.restarts == 0 and state.since == now:  # shown as crashed at least for the blink of an eye
        step.again = 0.5
        return
    step.events += [PULLED, CREATED, STARTED]
    step.state = State("running", now, state.restarts + 1, state.exit_code, state.since)


def _ended(pod: Object, behaviour: Behaviour, step: Step, now: float) -> None:
    return


ADVANCES = {"waiting": _waiting, "running": _running, "backoff": _backoff, "ended": _ended}


def container_id(pod: Object, name: str, restarts: int) -> str:
    """The same for the same start of the same container."""
    return "simulated://" + hashlib.sha256(f"{pod['metadata']['uid']}/{name}/{restarts}".encode()).hexdigest()


def container_status(pod: Object, container: Object, behaviour: Behaviour, state: State) -> Object:
    """One entry of status.containerStatuses."""
    name, image = container["name"], container.get("image", "")
    running = state.stage == "running"
    found: Object = {
        "name": name,
        "image": image,
        "imageID": "" if state.stage == "waiting" else f"simulated://{image}",
        "ready": running and behaviour.ready,
        "started": running,
        "restartCount": state.restarts,
        "state": _container_state(pod, name, behaviour, state),
        "lastState": {},
    }
    if state.stage != "waiting":
        found["containerID"] = container_id(pod, name, state.restarts)
    if state.stage == "backoff":
        found["lastState"] = {"terminated": _terminated(pod, name, state, state.restarts)}
    return found


def _container_state(pod: Object, name: str, behaviour: Behaviour, state: State) -> Object:
    if state.stage == "running":
        return {"running": {"startedAt": stamp(state.since)}}
    if state.stage == "ended":
        return {"terminated": _terminated(pod, name, state, state.restarts)}
    if state.stage == "backoff":
        message = f"back-off restarting failed container={name} pod={pod['metadata']['name']}"
        return {"waiting": {"reason": "CrashLoopBackOff", "message": message}}
    return {"waiting": {"reason": behaviour.never_start or "ContainerCreating"}}


def _terminated(pod: Object, name: str, state: State, restarts: int) -> Object:
    return {
        "exitCode": state.exit_code,
        "reason": "Error" if state.exit_code else "Completed",
        "startedAt": stamp(state.last_started or state.since),
        "finishedAt": stamp(state.since),
        "containerID": container_id(pod, name, restarts),
    }


def init_status(pod: Object, container: Object, state: State, started: float) -> Object:
    """One entry of status.initContainerStatuses: a sidecar runs with the others, the rest are done once those start."""
    if container.get("restartPolicy") == "Always":
        return container_status(pod, container, Behaviour(), state)
    done = State("ended" if state.stage != "waiting" else "waiting", started, 0, 0, started)
    if state.stage == "waiting":
        found = container_status(pod, container, Behaviour(never_start="PodInitializing"), done)
    else:
        found = container_status(pod, container, Behaviour(), done)
        found["ready"] = True
    return found


def pod_status(
    pod: Object, behaviour: Behaviour, state: State, *, host_ips: list[str], pod_ips: list[str], now: float
) -> Object:
    """The status to write. Conditions keep their transition times where nothing changed."""
    spec, old = pod["spec"], pod.get("status") or {}
    started = old.get("startTime") or stamp(min(state.since, now))
    found: Object = {
        "phase": _phase(state),
        "hostIP": host_ips[0],
        "hostIPs": [{"ip": address} for address in host_ips],
        "startTime": started,
        "containerStatuses": [container_status(pod, c, behaviour, state) for c in spec.get("containers") or ()],
    }
    if pod["metadata"].get("generation"):
        found["observedGeneration"] = pod["metadata"]["generation"]
    if state.stage != "waiting" and pod_ips:
        found["podIP"], found["podIPs"] = pod_ips[0], [{"ip": address} for address in pod_ips]
    if spec.get("initContainers"):
        found["initContainerStatuses"] = [init_status(pod, c, state, parsed(started)) for c in spec["initContainers"]]
    found["conditions"] = _conditions(pod, behaviour, state, stamp(now))
    return found


def _phase(state: State) -> str:
    if state.stage == "ended":
        return "Failed" if state.exit_code else "Succeeded"
    return "Pending" if state.stage == "waiting" else "Running"


def _conditions(pod: Object, behaviour: Behaviour, state: State, now: str) -> list[Object]:
    old = {condition["type"]: condition for condition in (pod.get("status") or {}).get("conditions") or ()}
    names = [container["name"] for container in pod["spec"].get("containers") or ()]
    containers = _containers_ready(behaviour, state, names)
    ready = containers
    missing = [
        gate["conditionType"]
        for gate in pod["spec"].get("readinessGates") or ()
        if old.get(gate["conditionType"], {}).get("status") != "True"
    ]
    if containers[0] == "True" and missing:
        message = "; ".join(
            f'corresponding condition of pod readiness gate "{name}" does not exist.' for name in missing
        )
        ready = ("False", "ReadinessGatesNotReady", message)
    sandbox = "True" if state.stage in ("running", "backoff") else "False"
    initialized = ("True", "PodCompleted" if state.stage == "ended" and not state.exit_code else "", "")
    if state.stage == "waiting" and pod["spec"].get("initContainers"):
        initialized = ("False", "ContainersNotInitialized", "containers with incomplete status")
    wanted = {
        "PodReadyToStartContainers": (sandbox, "", ""),
        "Initialized": initialized,
        "Ready": ready,
        "ContainersReady": containers,
        "PodScheduled": ("True", "", ""),
    }
    generation = pod["metadata"].get("generation")
    return [_condition(kind, *value, old.get(kind, {}), generation, now) for kind, value in wanted.items()]


def _containers_ready(behaviour: Behaviour, state: State, names: list[str]) -> tuple[str, str, str]:
    if state.stage == "ended":
        return ("False", "PodFailed" if state.exit_code else "PodCompleted", "")
    if state.stage == "running" and behaviour.ready:
        return ("True", "", "")
    return ("False", "ContainersNotReady", f"containers with unready status: [{' '.join(names)}]")


def _condition(
    kind: str, status: str, reason: str, message: str, old: Object, generation: int | None, now: str
) -> Object:
    since = old.get("lastTransitionTime") if old.get("status") == status else None
    found: Object = {"type": kind, "status": status, "lastProbeTime": None, "lastTransitionTime": since or now}
    if generation:
        found["observedGeneration"] = generation
    if reason or old.get("reason"):
        found["reason"] = reason or None
    if message or old.get("message"):
        found["message"] = message or None
    return found


def differs(pod: Object, status: Object) -> bool:
    """Whether the pod's status is to be written."""
    old = pod.get("status") or {}
    plain = {key: value for key, value in status.items() if key != "conditions"}
    if any(old.get(key) != value for key, value in plain.items()):
        return True
    shown = {condition["type"]: condition for condition in old.get("conditions") or ()}
    return any(
        {key: value for key, value in condition.items() if value is not None}
        != {key: value for key, value in shown.get(condition["type"], {}).items() if value is not None}
        for condition in status["conditions"]
    )
