"""Probes and lifecycle hooks of containers."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from apiserver.field import FieldError, forbidden, invalid, not_supported, required
from apiserver.kinds.kind import Object
from apiserver.kinds.pods.checks import Scope, not_negative, port_or_name

SCHEMES = ("HTTP", "HTTPS")
_HEADER = "[-A-Za-z0-9]+"
_HEADER_TEXT = (
    "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used for "
    f"validation is '{_HEADER}')"
)
NOT_FOR_INIT = "may not be set for init containers without restartPolicy=Always"
PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
Handler = Callable[[Object, str, Scope], list[FieldError]]


def _exec(action: Object, path: str, scope: Scope) -> list[FieldError]:
    return [] if action.get("command") else [required(f"{path}.command")]


def _http(action: Object, path: str, scope: Scope) -> list[FieldError]:
    found = [] if action.get("path") else [required(f"{path}.path")]
    found += port_or_name(f"{path}.port", action.get("port"))
    if action.get("scheme") not in SCHEMES:
        found.append(not_supported(f"{path}.scheme", action.get("scheme", ""), SCHEMES))
    for header in action.get("httpHeaders") or ():
        if not re.fullmatch(_HEADER, header.get("name", "")):
            found.append(invalid(f"{path}.httpHeaders", header.get("name", ""), _HEADER_TEXT))
    return found


def _port(action: Object, path: str, scope: Scope) -> list[FieldError]:
    return port_or_name(f"{path}.port", action.get("port"))


def _sleep(action: Object, path: str, scope: Scope) -> list[FieldError]:
    seconds = action.get("seconds", 0)
    if scope.grace is None or 0 <= seconds <= scope.grace:
        return []
    why = f"must be non-negative and less than terminationGracePeriodSeconds ({scope.grace})"
    return [invalid(path, seconds, why)]


HANDLERS: dict[str, Handler] = {"exec": _exec, "httpGet": _http, "tcpSocket": _port, "grpc": _port, "sleep": _sleep}


def handler(value: Object, path: str, scope: Scope) -> list[FieldError]:
    """Exactly one way to do it."""
    found: list[FieldError] = []
    given = [name for name in HANDLERS if value.get(name) is not None]
    for index, name in enumerate(given):
        if index:
            found.append(forbidden(f"{path}.{name}", "may not specify more than 1 handler type"))
        else:
            found += HANDLERS[name](value[name], f"{path}.{name}", scope)
    return found if given else [required(path, "must specify a handler type")]


_COUNTS = ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold")


def probe(value: Object, path: str, scope: Scope, name: str) -> list[FieldError]:
    """One probe; `name` tells which."""
    found = handler(value, path, scope)
    for count in _COUNTS:
        found += not_negative(f"{path}.{count}", value.get(count, 0))
    grace = value.get("terminationGracePeriodSeconds")
    if grace is not None and grace <= 0:
        found.append(invalid(f"{path}.terminationGracePeriodSeconds", grace, "must be greater than 0"))
    if name == "readinessProbe":
        if grace is not None:
            why = "must not be set for readinessProbes"
            found.append(invalid(f"{path}.terminationGracePeriodSeconds", grace, why))
    elif value.get("successThreshold", 0) != 1:
        found.append(invalid(f"{path}.successThreshold", value.get("successThreshold", 0), "must be 1"))
    return found


def hooks_and_probes(container: Object, path: str, scope: Scope) -> list[FieldError]:
    """Lifecycle and probes of a container that keeps running."""
    found: list[FieldError] = []
    for name in ("postStart", "preStop"):
        hook: Any = (container.get("lifecycle") or {}).get(name)
        if hook is not None:
            found += handler(hook, f"{path}.lifecycle.{name}", scope)
    for name in PROBES:
        if container.get(name) is not None:
            found += probe(container[name], f"{path}.{name}", scope, name)
    return found


def no_hooks_or_probes(container: Object, path: str) -> list[FieldError]:
    """A plain init container has none."""
    names = ("lifecycle", *PROBES)
    return [forbidden(f"{path}.{name}", NOT_FOR_INIT) for name in names if container.get(name) is not None]
