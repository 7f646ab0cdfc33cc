"""Path and query -> what is asked (pure). The rules are kube-apiserver's RequestInfoFactory."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote

VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete", "GET": "get"}
NAMESPACE_SUBRESOURCES = frozenset({"status", "finalize"})
"""Below /namespaces/NAME these are subresources of the namespace, anything else a resource inside it."""


def is_true(text: str) -> bool:
    """A boolean query parameter: only `0` and `false` are false (apimachinery's string to bool conversion)."""
    return text.lower() not in ("0", "false")


@dataclass(slots=True)
class RequestInfo:
    """verb: get, list, watch, create, update, patch, delete, deletecollection; the lower-case method for non-resources.

    query: decoded parameters, every value in order.
    """

    method: str
    path: str
    verb: str
    is_resource: bool = False
    group: str = ""
    version: str = ""
    namespace: str = ""
    resource: str = ""
    name: str = ""
    subresource: str = ""
    parts: tuple[str, ...] = ()
    query: dict[str, list[str]] = field(default_factory=dict)

    def param(self, name: str) -> str:
        """The first value of a query parameter, "" where there is none."""
        values = self.query.get(name)
        return values[0] if values else ""

    def flag(self, name: str) -> bool:
        """A boolean parameter; absent is false."""
        values = self.query.get(name)
        return is_true(values[0]) if values else False


def parse(method: str, raw_path: str, query_string: str) -> RequestInfo:
    """Split a request line. `raw_path` is still percent-encoded; a slash that was encoded separates like any other."""
    query = parse_qs(query_string, keep_blank_values=True) if query_string else {}
    path = unquote(raw_path) if "%" in raw_path else raw_path
    parts = path.strip("/").split("/")
    if parts[0] == "api" and len(parts) >= 3:
        group, version, rest = "", parts[1], parts[2:]
    elif parts[0] == "apis" and len(parts) >= 4:
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return RequestInfo(method, path, method.lower(), query=query)
    info = RequestInfo(method, path, VERBS.get(method) or method.lower(), True, group, version, query=query)
    if rest[0] in ("watch", "proxy") and len(rest) > 1:
        info.verb = rest[0]
        rest = rest[1:]
    _place(info, rest)
    if not info.name:
        info.verb = _collection_verb(info)
    return info


def _place(info: RequestInfo, rest: list[str]) -> None:
    if rest[0] == "namespaces" and len(rest) > 1:
        info.namespace = rest[1]
        if len(rest) > 2 and rest[2] not in NAMESPACE_SUBRESOURCES:
            rest = rest[2:]
    info.parts = tuple(rest)
    info.resource = rest[0]
    if len(rest) > 1:
        info.name = rest[1]
    if len(rest) > 2:
        info.subresource = rest[2]
    if info.resource == "namespaces" and info.name:
        info.namespace = info.name


def _collection_verb(info: RequestInfo) -> str:
    if info.verb == "get":
        return "watch" if info.flag("watch") else "list"
    return "deletecollection" if info.verb == "delete" else info.verb
