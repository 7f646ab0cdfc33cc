"""How a pod is to behave: the annotations `kubelet.miniplane.dev/...` (docs/kubelet.md) as one record."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]
PREFIX = "kubelet.miniplane.dev/"
JOB_RUN_TIME = 1.0
"""Seconds that a Job's pod runs where no annotation says otherwise."""
UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(slots=True, frozen=True)
class Behaviour:
    """`never_start` is the reason that a waiting container shows, "" for one that starts. `run_time` None runs on."""

    ready: bool = True
    never_start: str = ""
    start_delay: float = 0.0
    run_time: float | None = None
    exit_code: int = 0
    stop_delay: float | None = None
    pod_ip: str = ""


def seconds(text: str) -> float:
    """A Go duration of one or more parts ("1m30s"), or a plain number of seconds. Raises ValueError."""
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h)", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"{text!r} is no duration such as 500ms, 2s or 1m30s")
    return sum(float(number) * UNITS[unit] for number, unit in parts)


def _is_true(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError(f"{text!r} is neither true nor false")
    return text == "true"


def of(pod: Mapping[str, Any]) -> Behaviour:
    """What the pod's annotations ask for. Raises ValueError that names the annotation which does not parse."""
    given = {
        key.removeprefix(PREFIX): value
        for key, value in (pod["metadata"].get("annotations") or {}).items()
        if key.startswith(PREFIX)
    }
    found: dict[str, Any] = {}
    for name, value in given.items():
        if name not in READERS:
            raise ValueError(f"annotation {PREFIX}{name} is not known; there are {', '.join(sorted(READERS))}")
        try:
            field, read = READERS[name]
            found[field] = read(value)
        except ValueError as error:
            raise ValueError(f"annotation {PREFIX}{name}: {error}") from error
    if found.pop("fails", False):
        found.setdefault("exit_code", 1)
        found.setdefault("run_time", 0.0)
    if "run_time" not in found and _is_of_job(pod):
        found["run_time"] = JOB_RUN_TIME
    return Behaviour(**found)


def _reason(text: str) -> str:
    """ "true" waits as a container whose volumes do not come; another reason (ImagePullBackOff) is shown as said."""
    if text in ("true", "false"):
        return "ContainerCreating" if text == "true" else ""
    if not re.fullmatch(r"[A-Z][A-Za-z]+", text):
        raise ValueError(f"{text!r} is neither true, false nor a reason such as ImagePullBackOff")
    return text


READERS: dict[str, tuple[str, Any]] = {
    "ready": ("ready", _is_true),
    "never-start": ("never_start", _reason),
    "start-delay": ("start_delay", seconds),
    "run-time": ("run_time", seconds),
    "exit-code": ("exit_code", int),
    "fail": ("fails", _is_true),
    "stop-delay": ("stop_delay", seconds),
    "pod-ip": ("pod_ip", str),
}
"""Annotation -> field of Behaviour and how its value is read."""


def _is_of_job(pod: Mapping[str, Any]) -> bool:
    owners = pod["metadata"].get("ownerReferences") or ()
    return any(owner.get("kind") == "Job" and owner.get("controller") for owner in owners)
