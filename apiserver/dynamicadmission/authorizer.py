"""CEL's `authorizer`: checks of the requesting user's permissions, as a value and functions on it.

The values are plain maps, which is all that CEL functions here can pass on; the check itself needs the request that is
being admitted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from typing import Any

from apiserver.auth.authorization import Attributes as Wanted
from apiserver.dynamicadmission.attributes import Attributes
from apiserver.kinds.kind import User

Value = dict[str, Any]
_current: ContextVar[Attributes | None] = ContextVar("admitted", default=None)
MARK = "authorizer.k8s.io"


@contextmanager
def admitting(attributes: Attributes) -> Iterator[None]:
    """The request that checks inside the block are about."""
    token = _current.set(attributes)
    try:
        yield
    finally:
        _current.reset(token)


def variable(attributes: Attributes) -> Value:
    """The value of `authorizer`; `requestResource` is the resource of the request."""
    resource = attributes.resource
    own = {
        "group": resource.group,
        "resource": resource.resource,
        "subresource": attributes.subresource,
        "namespace": attributes.namespace,
        "name": attributes.name,
    }
    return {MARK: "authorizer", "requestResource": {MARK: "resource", **own}}


def _with(key: str) -> Callable[[Any, Any], Value]:
    return lambda value, given: {**dict(value), key: given}


def _resource(value: Any, name: Any) -> Value:
    return {**dict(value), MARK: "resource", "resource": name}


def _service_account(value: Any, namespace: Any, name: Any) -> Value:
    return {**dict(value), "user": f"system:serviceaccount:{namespace}:{name}"}


def _check(value: Any, verb: Any) -> Value:
    found, attributes = dict(value), _current.get()
    if attributes is None:
        return {MARK: "decision", "allowed": False, "reason": "", "error": "no request is being admitted"}
    user = attributes.context.user
    if found.get("user"):
        _, _, namespace, name = str(found["user"]).split(":", 3)
        groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated")
        user = User(f"system:serviceaccount:{namespace}:{name}", groups=groups)
    wanted = _wanted(found, str(verb))
    allowed = attributes.request.server.authorizer.allowed(user, wanted)
    return {MARK: "decision", "allowed": allowed, "reason": "", "error": ""}


def _wanted(value: Value, verb: str) -> Wanted:
    if value.get("path"):
        return Wanted(verb=verb, path=str(value["path"]))
    return replace(
        Wanted(verb=verb),
        group=str(value.get("group") or ""),
        resource=str(value.get("resource") or ""),
        subresource=str(value.get("subresource") or ""),
        namespace=str(value.get("namespace") or ""),
        name=str(value.get("name") or ""),
    )


def functions(cel: Any) -> Any:
    """The CEL extension. `cel`: the module of that name in cel_expr_python."""
    kind = cel.Type
    table = [
        ("path", kind.DYN, [kind.DYN, kind.STRING], _with("path")),
        ("group", kind.DYN, [kind.DYN, kind.STRING], _with("group")),
        ("serviceAccount", kind.DYN, [kind.DYN, kind.STRING, kind.STRING], _service_account),
        ("resource", kind.DYN, [kind.DYN, kind.STRING], _resource),
        ("subresource", kind.DYN, [kind.DYN, kind.STRING], _with("subresource")),
        ("namespace", kind.DYN, [kind.DYN, kind.STRING], _with("namespace")),
        ("name", kind.DYN, [kind.DYN, kind.STRING], _with("name")),
        ("check", kind.DYN, [kind.DYN, kind.STRING], _check),
        ("allowed", kind.BOOL, [kind.DYN], lambda value: bool(dict(value).get("allowed"))),
        ("reason", kind.STRING, [kind.DYN], lambda value: str(dict(value).get("reason", ""))),
        ("errored", kind.BOOL, [kind.DYN], lambda value: bool(dict(value).get("error"))),
        ("error", kind.STRING, [kind.DYN], lambda value: str(dict(value).get("error", ""))),
    ]
    declared = [
        cel.FunctionDecl(
            name,
            [cel.Overload(f"authorizer_{name}", return_type=answer, parameters=takes, is_member=True, impl=function)],
        )
        for name, answer, takes, function in table
    ]
    return cel.CelExtension("authorizer", declared)
