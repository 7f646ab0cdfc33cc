"""What a Job's spec says about its pods, as pure functions: indexes, failure policy (KEP-3329), success policy
(KEP-3998), failures of each index (KEP-3850)."""

from __future__ import annotations

from controllers import pods
from miniplane.client.api import Object

INDEX = "batch.kubernetes.io/job-completion-index"
FAILURES = "batch.kubernetes.io/job-index-failure-count"
IGNORED_FAILURES = "batch.kubernetes.io/job-index-ignored-failure-count"


def is_indexed(job: Object) -> bool:
    return bool(job["spec"].get("completionMode") == "Indexed")


def is_limited_per_index(job: Object) -> bool:
    return is_indexed(job) and job["spec"].get("backoffLimitPerIndex") is not None


def _annotation(pod: Object, name: str) -> int | None:
    text = (pod["metadata"].get("annotations") or {}).get(name, "")
    return int(text) if text.isdigit() else None


def index_of(pod: Object) -> int | None:
    return _annotation(pod, INDEX)


def parse_indexes(text: str) -> set[int]:
    """`1,3-5` -> {1, 3, 4, 5}."""
    found: set[int] = set()
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return found


def format_indexes(indexes: set[int]) -> str:
    """{1, 3, 4, 5} -> `1,3-5`."""
    parts: list[list[int]] = []
    for index in sorted(indexes):
        if parts and parts[-1][1] == index - 1:
            parts[-1][1] = index
        else:
            parts.append([index, index])
    shown = (str(a) if a == b else f"{a},{b}" if b == a + 1 else f"{a}-{b}" for a, b in parts)
    return ",".join(shown)


# failures


def replaces_only_failed(job: Object) -> bool:
    """Whether a pod is replaced only when it has ended, not when it begins to (KEP-3939)."""
    return job["spec"].get("podReplacementPolicy") == "Failed" or bool(job["spec"].get("podFailurePolicy"))


def is_failed(job: Object, pod: Object) -> bool:
    """A pod that is deleted counts as failed, unless only those that ended do."""
    if pods.phase(pod) == "Failed":
        return True
    return not replaces_only_failed(job) and pods.is_terminating(pod) and pods.phase(pod) != "Succeeded"


def _container(pod: Object, requirement: Object) -> Object | None:
    """The first ended container, then init container, whose exit code the requirement means."""
    status = pod.get("status") or {}
    for one in (*(status.get("containerStatuses") or ()), *(status.get("initContainerStatuses") or ())):
        ended = (one.get("state") or {}).get("terminated")
        if ended is None or not ended.get("exitCode"):
            continue
        if requirement.get("containerName") not in (None, one["name"]):
            continue
        if (ended["exitCode"] in (requirement.get("values") or ())) == (requirement.get("operator") == "In"):
            return dict(one)
    return None


def _condition(pod: Object, patterns: list[Object]) -> Object | None:
    for one in (pod.get("status") or {}).get("conditions") or ():
        if any((one["type"], one["status"]) == (p.get("type"), p.get("status", "True")) for p in patterns):
            return dict(one)
    return None


def failure_action(job: Object, pod: Object) -> tuple[str, str]:
    """(action, message) of the first rule of the failure policy that the failed pod matches: `Ignore`, `Count`,
    `FailIndex` or `FailJob`; `Count` where none does."""
    name = f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
    for number, rule in enumerate((job["spec"].get("podFailurePolicy") or {}).get("rules") or ()):
        action = str(rule["action"])
        suffix = f"matching {action} rule at index {number}"
        if rule.get("onExitCodes"):
            status = _container(pod, rule["onExitCodes"])
            if status is not None:
                code = status["state"]["terminated"]["exitCode"]
                return action, f"Container {status['name']} for pod {name} failed with exit code {code} {suffix}"
        elif rule.get("onPodConditions"):
            found = _condition(pod, rule["onPodConditions"])
            if found is not None:
                return action, f"Pod {name} has condition {found['type']} {suffix}"
    return "Count", ""


def failures_of(pod: Object) -> int:
    """Failures of its index before this pod."""
    return _annotation(pod, FAILURES) or 0


def failures_with(job: Object, pod: Object) -> tuple[int, int]:
    """(failures, ignored failures) of the index of a failed pod, that pod included."""
    counted, ignored = failures_of(pod), _annotation(pod, IGNORED_FAILURES) or 0
    return (counted, ignored + 1) if failure_action(job, pod)[0] == "Ignore" else (counted + 1, ignored)


def fails_index(job: Object, pod: Object) -> bool:
    """Whether a failed pod is the last one that its index gets."""
    action, _ = failure_action(job, pod)
    if action == "FailIndex":
        return True
    return action != "Ignore" and failures_of(pod) >= int(job["spec"]["backoffLimitPerIndex"])


# success


def success(job: Object, succeeded: set[int]) -> str | None:
    """The message of the first rule of the success policy that is met; None for none."""
    for number, rule in enumerate((job["spec"].get("successPolicy") or {}).get("rules") or ()):
        count, wanted = rule.get("succeededCount"), rule.get("succeededIndexes")
        counted = succeeded
        if wanted is not None:
            counted = succeeded & parse_indexes(wanted)
            if counted == parse_indexes(wanted) and succeeded:
                return f"Matched rules at index {number}"
        if count is not None and succeeded and len(counted) >= count:
            return f"Matched rules at index {number}"
    return None
