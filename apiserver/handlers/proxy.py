"""The proxy subresources of pods and Services: where a request would go, as far as it can be told without a network."""

from __future__ import annotations

import ipaddress

from apiserver import errors
from apiserver.kinds.kind import Object
from apiserver.request import Request

SCHEMES = ("", "http", "https")


def check(request: Request) -> None:
    """Raises what the real server says before it sends anything: 400, 404 or 503. Nothing where it would send."""
    if request.kind.resource == "pods":
        _check_pod(request)
    elif request.kind.resource == "services":
        _check_service(request)


def _target(request: Request, what: str) -> tuple[str, str]:
    """`name`, `name:port` or `scheme:name:port` as (name, port) (net.SplitSchemeNamePort)."""
    parts = request.info.name.split(":")
    scheme = parts.pop(0) if len(parts) > 2 else ""
    name, port = (*parts, "")[:2]
    if len(parts) > 2 or not name or scheme not in SCHEMES:
        raise errors.bad_request(f'invalid {what} request "{request.info.name}"')
    return name, port


def _find(request: Request, resource: str, name: str) -> Object:
    found = request.server.cluster.get(resource, request.info.namespace, name)
    if found is None:
        details = {"name": name, "kind": resource}
        raise errors.StatusError(404, "NotFound", f'{resource} "{name}" not found', details=details)
    return found


def _check_pod(request: Request) -> None:
    name, _ = _target(request, "pod")
    address = (_find(request, "pods", name).get("status") or {}).get("podIP", "")
    if not _is_global(address):
        raise errors.bad_request("address not allowed")


def _is_global(address: str) -> bool:
    """Go's IP.IsGlobalUnicast: private networks count."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    return not (found.is_unspecified or found.is_loopback or found.is_multicast or found.is_link_local)


def _check_service(request: Request) -> None:
    name, port = _target(request, "service")
    if port.isascii() and port.isdecimal() and len(port) < 19:  # an int64; else it is a name
        ports = _find(request, "services", name)["spec"].get("ports") or ()
        names = [item.get("name", "") for item in ports if item.get("port") == int(port)]
        if not names:
            raise _unavailable(f'no service port {int(port)} found for service "{name}"')
        port = names[0]
    subsets = _find(request, "endpoints", name).get("subsets") or ()
    if not subsets:
        raise _unavailable(f'no endpoints available for service "{name}"')
    if not any(
        subset.get("addresses") and any(item.get("name", "") == port for item in subset.get("ports") or ())
        for subset in subsets
    ):
        raise _unavailable(f'no endpoints available for service "{request.info.name}"')


def _unavailable(message: str) -> errors.StatusError:
    return errors.StatusError(503, "ServiceUnavailable", message)
