"""What `kubectl get pods` shows (printers' printPod)."""

from __future__ import annotations

from typing import Any

from apiserver.kinds.kind import Column, Object
from apiserver.table import AGE, since


def _state(status: Object) -> tuple[str, Object]:
    for name in ("terminated", "waiting", "running"):
        found = (status.get("state") or {}).get(name)
        if found is not None:
            return name, found
    return "", {}


def _ended(state: Object) -> str:
    if state.get("reason"):
        return str(state["reason"])
    if state.get("signal"):
        return f"Signal:{state['signal']}"
    return f"ExitCode:{state.get('exitCode', 0)}"


def _restartable(spec: Object) -> set[str]:
    return {c["name"] for c in spec.get("initContainers") or () if c.get("restartPolicy") == "Always"}


def _initializing(spec: Object, status: Object) -> str:
    """The reason while init containers run; "" once they are done."""
    sidecars = _restartable(spec)
    total = len(spec.get("initContainers") or ())
    for index, container in enumerate(status.get("initContainerStatuses") or ()):
        name, state = _state(container)
        if name == "terminated" and state.get("exitCode", 0) == 0:
            continue
        if container.get("name") in sidecars and container.get("started"):
            continue
        if name == "terminated":
            return f"Init:{_ended(state)}"
        if name == "waiting" and state.get("reason") and state["reason"] != "PodInitializing":
            return f"Init:{state['reason']}"
        return f"Init:{index}/{total}"
    return ""


def _running(status: Object, reason: str) -> str:
    has_running = False
    for container in reversed(status.get("containerStatuses") or ()):
        name, state = _state(container)
        if name == "waiting" and state.get("reason"):
            reason = state["reason"]
        elif name == "terminated":
            reason = _ended(state)
        elif container.get("ready") and name == "running":
            has_running = True
    if reason == "Completed" and has_running:
        return "Running" if _condition(status, "Ready") else "NotReady"
    return reason


def _condition(status: Object, name: str) -> bool:
    return any(c.get("type") == name and c.get("status") == "True" for c in status.get("conditions") or ())


def reason(obj: Object) -> str:
    """The STATUS cell."""
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    text = status.get("reason") or status.get("phase") or ""
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("reason") == "SchedulingGated":
            text = "SchedulingGated"
    initializing = _initializing(spec, status)
    initialized = _condition(status, "Initialized")
    if initializing and not initialized:
        text = initializing
    else:
        text = _running(status, text)
    if obj["metadata"].get("deletionTimestamp"):
        if status.get("reason") == "NodeLost":
            return "Unknown"
        if status.get("phase") not in ("Succeeded", "Failed"):
            return "Terminating"
    return str(text)


def _ready(obj: Object) -> str:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    sidecars = _restartable(spec)
    total = len(spec.get("containers") or ()) + len(sidecars)
    ready = sum(1 for c in status.get("containerStatuses") or () if c.get("ready") and _state(c)[0] == "running")
    ready += sum(
        1
        for c in status.get("initContainerStatuses") or ()
        if c.get("name") in sidecars and c.get("started") and c.get("ready")
    )
    return f"{ready}/{total}"


def _restarts(obj: Object) -> str:
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    sidecars = _restartable(spec)
    statuses = list(status.get("containerStatuses") or ())
    statuses += [c for c in status.get("initContainerStatuses") or () if c.get("name") in sidecars]
    if _initializing(spec, status) and not _condition(status, "Initialized"):
        statuses = list(status.get("initContainerStatuses") or ())
    count = sum(c.get("restartCount", 0) for c in statuses)
    times = [((c.get("lastState") or {}).get("terminated") or {}).get("finishedAt") for c in statuses]
    known = [when for when in times if when]
    return f"{count} ({since(max(known))} ago)" if count and known else str(count)


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
