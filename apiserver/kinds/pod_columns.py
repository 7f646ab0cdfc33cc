"""What `kubectl get pods` shows (printers' printPod)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from apiserver.kinds.kind import Column, Object
from apiserver.table import AGE, since

FINISHED = ("Succeeded", "Failed")


@dataclass(slots=True)
class _Summary:
    """What the statuses of a pod's containers add up to."""

    reason: str
    ready: int = 0
    restarts: int = 0
    restarted: str = ""

    def count(self, container: Object) -> None:
        """Add a container's restarts."""
        self.restarts += container.get("restartCount", 0)
        ended = (container.get("lastState") or {}).get("terminated") or {}
        self.restarted = max(self.restarted, ended.get("finishedAt") or "")


def _state(container: Object, name: str) -> Any:
    return (container.get("state") or {}).get(name)


def _ended(state: Object) -> str:
    if state.get("reason"):
        return str(state["reason"])
    if state.get("signal"):
        return f"Signal:{state['signal']}"
    return f"ExitCode:{state.get('exitCode', 0)}"


def _sidecars(spec: Object) -> set[str]:
    return {c.get("name", "") for c in spec.get("initContainers") or () if c.get("restartPolicy") == "Always"}


def _condition(status: Object, name: str) -> bool:
    return any(c.get("type") == name and c.get("status") == "True" for c in status.get("conditions") or ())


def _phase(status: Object) -> str:
    text = status.get("reason") or status.get("phase") or ""
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("reason") == "SchedulingGated":
            text = "SchedulingGated"
    return str(text)


def _init_reason(container: Object, index: int, total: int) -> str:
    """Why the pod waits at this init container."""
    terminated, waiting = _state(container, "terminated"), _state(container, "waiting") or {}
    if terminated is not None:
        return f"Init:{_ended(terminated)}"
    if waiting.get("reason") and waiting["reason"] != "PodInitializing":
        return f"Init:{waiting['reason']}"
    return f"Init:{index}/{total}"


def _summary(obj: Object) -> _Summary:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    found, beside = _Summary(_phase(status)), _Summary("")
    sidecars, initializing = _sidecars(spec), False
    for index, container in enumerate(status.get("initContainerStatuses") or ()):
        found.count(container)
        sidecar = container.get("name") in sidecars
        if sidecar:
            beside.count(container)
        terminated = _state(container, "terminated")
        if terminated is not None and terminated.get("exitCode", 0) == 0:
            continue
        if sidecar and container.get("started"):
            found.ready += bool(container.get("ready"))
            continue
        found.reason = _init_reason(container, index, len(spec.get("initContainers") or ()))
        initializing = True
        break
    if not initializing or _condition(status, "Initialized"):
        found.restarts, found.restarted = beside.restarts, beside.restarted
        _add_containers(found, status)
    return found


def _add_containers(found: _Summary, status: Object) -> None:
    running = False
    for container in reversed(status.get("containerStatuses") or ()):
        found.count(container)
        terminated, waiting = _state(container, "terminated"), _state(container, "waiting") or {}
        if waiting.get("reason"):
            found.reason = str(waiting["reason"])
        elif terminated is not None:
            found.reason = _ended(terminated)
        elif container.get("ready") and _state(container, "running") is not None:
            running = True
            found.ready += 1
    if found.reason == "Completed" and running:
        found.reason = "Running" if _condition(status, "Ready") else "NotReady"


def reason(obj: Object) -> str:
    """The STATUS cell."""
    status = obj.get("status") or {}
    if obj["metadata"].get("deletionTimestamp"):
        if status.get("reason") == "NodeLost":
            return "Unknown"
        if status.get("phase") not in FINISHED:
            return "Terminating"
    return _summary(obj).reason


def _ready(obj: Object) -> str:
    spec = obj.get("spec") or {}
    return f"{_summary(obj).ready}/{len(spec.get('containers') or ()) + len(_sidecars(spec))}"


def _restarts(obj: Object) -> str:
    found = _summary(obj)
    if found.restarts and found.restarted:
        return f"{found.restarts} ({since(found.restarted)} ago)"
    return str(found.restarts)


_OUTCOMES = {
    "Succeeded": "The pod has completed successfully.",
    "Failed": "The pod failed.",
}


def row_conditions(obj: Object) -> list[Object]:
    """Conditions of the Table row: kubectl leaves finished pods out of some views."""
    phase = (obj.get("status") or {}).get("phase", "")
    if phase not in _OUTCOMES:
        return []
    return [{"type": "Completed", "status": "True", "reason": phase, "message": _OUTCOMES[phase]}]


def _ip(obj: Object) -> str:
    status = obj.get("status") or {}
    several = status.get("podIPs") or []
    return (several[0].get("ip") if several else status.get("podIP")) or "<none>"


def _gates(obj: Object) -> str:
    gates = (obj.get("spec") or {}).get("readinessGates") or []
    if not gates:
        return "<none>"
    status = obj.get("status") or {}
    return f"{sum(_condition(status, gate.get('conditionType', '')) for gate in gates)}/{len(gates)}"


def _of(*path: str) -> Any:
    def value(obj: Object) -> Any:
        found: Any = obj
        for part in path:
            found = (found or {}).get(part)
        return found or "<none>"

    return value


COLUMNS = (
    Column("Ready", _ready),
    Column("Status", reason),
    Column("Restarts", _restarts),
    AGE,
    Column("IP", _ip, priority=1),
    Column("Node", _of("spec", "nodeName"), priority=1),
    Column("Nominated Node", _of("status", "nominatedNodeName"), priority=1),
    Column("Readiness Gates", _gates, priority=1),
)
