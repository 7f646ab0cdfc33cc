"""/healthz, /livez, /readyz: named checks, all of them or one, in the words of the real server's healthz."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

Check = Callable[[], bool | Awaitable[bool]]


@dataclass(slots=True, frozen=True)
class Verdict:
    """Whether all is well, and the text that says so."""

    good: bool
    text: str


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


async def combined(root: str, checks: Mapping[str, Check], excluded: set[str], verbose: bool) -> Verdict:
    """All checks in order but the excluded ones; failures are told in full, success in a word unless `verbose`."""
    lines, failed = [], False
    for name, check in checks.items():
        if name in excluded:
            lines.append(f"[+]{name} excluded: ok")
            continue
        good = await passed(check)
        failed = failed or not good
        lines.append(f"[+]{name} ok" if good else f"[-]{name} failed: reason withheld")
    unknown = sorted(excluded - set(checks))
    if unknown:
        quoted = ", ".join(f'"{name}"' for name in unknown)
        lines.append(f"warn: some health checks cannot be excluded: no matches for {quoted}")
    lines.append(f"{root} check {'failed' if failed else 'passed'}\n")
    return Verdict(not failed, "\n".join(lines) if failed or verbose else "ok")
