"""Path and query -> what is asked (pure). The rules are kube-apiserver's RequestInfoFactory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import parse_qs, unquote

VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete", "GET": "get"}
READ_ONLY = frozenset({"GET", "HEAD", "OPTIONS"})
Labels = tuple[str, str, str, str, str, str, str]
NAMESPACE_SUBRESOURCES = frozenset({"status", "finalize"})
"""Below /namespaces/NAME these are subresources of the namespace, anything else a resource inside it."""
RECALLED, LARGEST = 2048, 512
"""How many requests are recalled, and how long path and query of those may be: clients ask for the same things."""


def is_true(text: str) -> bool:
    """A boolean query parameter: only `0` and `false` are false (apimachinery's string to bool conversion)."""
    return text.lower() not in ("0", "false")


@dataclass(slots=True, frozen=True)
class RequestInfo:
    """What is asked; equal requests share one.

    verb: get, list, watch, create, update, patch, delete, deletecollection; the lower-case method for non-resources.
    query: decoded parameters, every value in order.
    labels: how metrics name such requests: verb, group, version, resource, subresource, scope, dry_run.
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
    query: Mapping[str, list[str]] = field(default_factory=dict)
    labels: Labels = field(default=("", "", "", "", "", "", ""), compare=False)

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
    if len(raw_path) + len(query_string) > LARGEST:
        return _parsed(method, raw_path, query_string)
    return _recalled(method, raw_path, query_string)


def _parsed(method: str, raw_path: str, query_string: str) -> RequestInfo:
    query = parse_qs(query_string, keep_blank_values=True) if query_string else {}
    path = unquote(raw_path) if "%" in raw_path else raw_path
    parts = path.strip("/").split("/")
    if parts[0] == "api" and len(parts) >= 3:
        group, version, rest = "", parts[1], parts[2:]
    elif parts[0] == "apis" and len(parts) >= 4:
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        labels = (method if method in READ_ONLY else "other", "", "", "", "", "", "")
        return RequestInfo(method, path, method.lower(), query=query, labels=labels)
    verb = VERBS.get(method) or method.lower()
    if rest[0] in ("watch", "proxy") and len(rest) > 1:
        verb, *rest = rest
    namespace, rest = _namespace(rest)
    resource, name, subresource = (*rest, "", "")[:3]
    if resource == "namespaces" and name:
        namespace = name
    if not name:
        verb = _collection_verb(verb, query)
    what = (group, version, resource, subresource)
    labels = (_VERB_LABELS.get(verb, verb.upper()), *what, _scope(namespace, name), _dry_run(query))
    return RequestInfo(
        method, path, verb, True, group, version, namespace, resource, name, subresource, tuple(rest), query, labels
    )


_recalled = lru_cache(maxsize=RECALLED)(_parsed)


_VERB_LABELS = {"create": "POST", "update": "PUT"}


def _scope(namespace: str, name: str) -> str:
    return "resource" if name else "namespace" if namespace else "cluster"


def _dry_run(query: Mapping[str, list[str]]) -> str:
    asked = query.get("dryRun")
    return "" if not asked else "All" if set(asked) == {"All"} else "invalid"


def _namespace(rest: list[str]) -> tuple[str, list[str]]:
    """The namespace of a path, and what it names in there."""
    if rest[0] != "namespaces" or len(rest) < 2:
        return "", rest
    inside = len(rest) > 2 and rest[2] not in NAMESPACE_SUBRESOURCES
    return rest[1], rest[2:] if inside else rest


def _collection_verb(verb: str, query: Mapping[str, list[str]]) -> str:
    if verb == "get":
        return "watch" if "watch" in query and is_true(query["watch"][0]) else "list"
    return "deletecollection" if verb == "delete" else verb
