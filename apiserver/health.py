"""/healthz, /livez, /readyz: named checks, all of them or one, in the words of the real server's healthz."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

Check = Callable[[], bool | Awaitable[bool]]

HOOKS = (
    "start-apiserver-admission-initializer",
    "generic-apiserver-start-informers",
    "priority-and-fairness-config-consumer",
    "priority-and-fairness-filter",
    "storage-object-count-tracker-hook",
    "start-apiextensions-informers",
    "start-apiextensions-controllers",
    "crd-informer-synced",
    "start-system-namespaces-controller",
    "start-service-ip-repair-controllers",
    "rbac/bootstrap-roles",
    "scheduling/bootstrap-system-priority-classes",
    "priority-and-fairness-config-producer",
    "bootstrap-controller",
    "start-kubernetes-service-cidr-controller",
    "start-kube-aggregator-informers",
    "apiservice-status-local-available-controller",
    "apiservice-status-remote-available-controller",
    "apiservice-registration-controller",
    "apiservice-discovery-controller",
    "kube-apiserver-autoregistration",
    "apiservice-openapi-controller",
    "apiservice-openapiv3-controller",
)
"""The post-start hooks of kube-apiserver 1.36 that have a counterpart here, in its order. What they set up here is
in place before the first connection is taken: whoever can ask finds them done."""


def all_checks(root: str, storage: Check, draining: Callable[[], bool]) -> dict[str, Check]:
    """The checks of one root by name, in the order of the real server. `etcd` is the storage, whatever it is."""
    checks: dict[str, Check] = {"ping": _done, "log": _done, "etcd": storage}
    if root == "readyz":
        checks |= {"etcd-readiness": storage, "informer-sync": _done}
    for hook in HOOKS:
        checks[f"poststarthook/{hook}"] = _done
        if hook == "kube-apiserver-autoregistration":
            checks["autoregister-completion"] = _done
    if root == "readyz":
        checks["shutdown"] = lambda: not draining()
    return checks


def _done() -> bool:
    return True


@dataclass(slots=True, frozen=True)
class Verdict:
    """Whether all is well, and the text that says so."""

    good: bool
    text: str


class Observed:
    """What came of the checks, for /metrics/slis: the last result of each, and how often there was which."""

    def __init__(self) -> None:
        self.last: dict[tuple[str, str], bool] = {}
        self.results: Counter[tuple[str, str, str]] = Counter()

    def note(self, root: str, name: str, good: bool) -> None:
        """A check has been made as one of a root's."""
        self.last[name, root] = good
        self.results[name, "success" if good else "error", root] += 1

    def forget(self) -> None:
        """Begin again."""
        self.last.clear()
        self.results.clear()


async def passed(check: Check) -> bool:
    """Run one check; one that raises has failed."""
    try:
        result = check()
        return bool(await result) if inspect.isawaitable(result) else bool(result)
    except Exception:
        return False


async def single(check: Check) -> Verdict:
    """One check by its own path."""
    if await passed(check):
        return Verdict(True, "ok")
    return Verdict(False, "internal server error: the check failed\n")


async def combined(
    root: str, checks: Mapping[str, Check], excluded: set[str], verbose: bool, observed: Observed
) -> Verdict:
    """All checks in order but the excluded ones; failures are told in full, success in a word unless `verbose`."""
    lines, failed = [], False
    for name, check in checks.items():
        if name in excluded:
            lines.append(f"[+]{name} excluded: ok")
            continue
        good = await passed(check)
        observed.note(root, name, good)
        failed = failed or not good
        lines.append(f"[+]{name} ok" if good else f"[-]{name} failed: reason withheld")
    unknown = sorted(excluded - set(checks))
    if unknown:
        quoted = ", ".join(f'"{name}"' for name in unknown)
        lines.append(f"warn: some health checks cannot be excluded: no matches for {quoted}")
    lines.append(f"{root} check {'failed' if failed else 'passed'}\n")
    return Verdict(not failed, "\n".join(lines) if failed or verbose else "ok")
