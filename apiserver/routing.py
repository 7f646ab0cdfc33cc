"""What answers a request: the handler of its path and method, and the representation that its client accepts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import lru_cache

from apiserver import errors
from apiserver.handlers import HANDLERS
from apiserver.kinds.kind import Kind, subresource
from apiserver.negotiation import PLAIN, Output, for_people, negotiate
from apiserver.request import Request, Response
from apiserver.requestinfo import RequestInfo

COLLECTION_VERBS = frozenset({"list", "watch", "create", "deletecollection"})
ALL_NAMESPACES_VERBS = frozenset({"list", "watch"})
KNOWN_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})

Handler = Callable[[Request], Awaitable[Response]]


def served_in(kind: Kind, info: RequestInfo) -> bool:
    """Whether a custom resource has paths in this scope; for others `route` knows (apiextensions-apiserver's handler
    leaves them to whoever comes next, and nobody does)."""
    if info.namespace:
        return kind.namespaced
    return not kind.namespaced or info.verb in ALL_NAMESPACES_VERBS


def route(request: Request) -> Handler:
    """The handler of a request: 404 where there is no such path, 405 where the path has no such method."""
    info, kind = request.info, request.kind
    scoped = kind.namespaced == bool(info.namespace) or (kind.resource == "namespaces" and bool(info.name))
    if not info.name:
        if len(info.parts) > 1:
            raise errors.not_found_plain()
        if not scoped and not (kind.namespaced and not info.namespace):
            raise errors.not_found_plain()
        allowed = _collection_verbs(kind.verbs, scoped)
        if not allowed:
            raise errors.not_found_plain()
        return _handler(request, allowed, kind.handler)
    if not scoped or (len(info.parts) > (3 if info.subresource else 2) and info.subresource != "proxy"):
        raise errors.not_found_plain()
    if not info.subresource:
        allowed = _object_verbs(kind.verbs, info.verb == "watch")
        if not allowed:
            raise errors.not_found_plain()
        return _handler(request, allowed, kind.handler)
    found = subresource(kind, info.subresource)
    if found is None:
        raise errors.not_found(kind, info.name) if kind.custom else errors.not_found_plain()
    request.subresource = found
    return _handler(request, found.verbs, found.handler or ("projection" if found.projection else ""))


@lru_cache(maxsize=256)
def _collection_verbs(verbs: tuple[str, ...], scoped: bool) -> tuple[str, ...]:
    """What a collection answers to, in its own scope or over all namespaces."""
    served = COLLECTION_VERBS if scoped else ALL_NAMESPACES_VERBS
    return tuple(verb for verb in verbs if verb in served)


@lru_cache(maxsize=256)
def _object_verbs(verbs: tuple[str, ...], watched: bool) -> tuple[str, ...]:
    """What one object answers to. A watch of it (the old /watch/ paths) counts where it is what is asked for."""
    return tuple(verb for verb in verbs if verb not in COLLECTION_VERBS or (watched and verb == "watch"))


def _handler(request: Request, allowed: tuple[str, ...], special: str) -> Handler:
    info = request.info
    verb = info.verb
    if verb == "proxy":
        raise errors.not_found_plain()
    if info.method not in KNOWN_METHODS or verb not in allowed or (verb == "watch" and info.method != "GET"):
        raise errors.method_not_allowed()
    return HANDLERS[f"{special}:{verb}" if special else verb]


def negotiated(request: Request) -> Output:
    """The representation of the answer, indented for people (a watch never is). Raises 406."""
    output, info = _negotiated(request), request.info
    asked = info.param("pretty") if info.query else ""
    if not for_people(request.headers.get(b"user-agent", b""), asked) or output.pretty or info.verb == "watch":
        return output
    return replace(output, pretty=True)


def _negotiated(request: Request) -> Output:
    accept = request.headers.get(b"accept")
    if accept is None or accept == b"application/json":
        return PLAIN
    offered = ("application/json", "application/yaml") if _unpublished(request.kind, accept) else None
    is_list = request.info.verb in ("list", "watch")
    text = accept.decode("latin-1")
    return negotiate(text, is_list, offered) if offered else negotiate(text, is_list)


def _unpublished(kind: Kind, accept: bytes) -> bool:
    """Whether the kind has no protobuf form; looked up only for clients that ask for one."""
    if kind.custom or b"protobuf" not in accept:
        return kind.custom
    from apiserver.protobuf.codec import supported

    return not supported(kind.api_version, kind.kind)
