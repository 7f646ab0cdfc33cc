"""An object that a webhook or policy changed, taken over: typed, defaulted, with an identity that stays."""

from __future__ import annotations

import orjson

from apiserver import errors
from apiserver.dynamicadmission.attributes import Attributes
from apiserver.kinds.kind import Kind, Object
from apiserver.schema.decode import decode
from apiserver.schema.scalars import DecodeError

KEPT = ("resourceVersion", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink")
"""Metadata that no admission may change."""


def adopt(attributes: Attributes, shown: Kind, obj: Object, new: object) -> bool:
    """Make `obj` what admission made of it, defaults filled in again; whether it is another object now.

    Raises 500 for what is no object of the kind, 400 for another name or namespace.
    """
    if not isinstance(new, dict):
        raise errors.internal("the patched document is not an object")
    part = attributes.request.subresource
    if part is not None and part.projection is not None:
        return _adopt_view(attributes, obj, new)
    served = attributes.served
    if attributes.call is not None:
        return _replace(obj, _typed(attributes, attributes.call, new))
    if shown is not served and served.convert is not None:
        new = served.convert(new, served.api_version)
    typed = _typed(attributes, served, new)
    _check_identity(attributes, typed, obj)
    served.strategy.default(typed)
    return _replace(obj, typed)


def _typed(attributes: Attributes, kind: Kind, new: Object) -> Object:
    schema = attributes.request.server.registry.type_of(kind)
    if (new.get("apiVersion"), new.get("kind")) != (kind.api_version, kind.kind):
        raise errors.internal(f"the patched document is no {kind.kind}")
    if schema is None:
        return new
    try:
        found = decode(new, schema)
    except DecodeError as error:
        raise errors.internal(str(error)) from None
    return {**found, "apiVersion": new["apiVersion"], "kind": new["kind"]}


def _check_identity(attributes: Attributes, new: Object, before: Object) -> None:
    metadata, was = new.setdefault("metadata", {}), before["metadata"]
    for name in KEPT:
        if name in was:
            metadata[name] = was[name]
        else:
            metadata.pop(name, None)
    if metadata.get("namespace", "") != was.get("namespace", ""):
        raise errors.bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )
    if attributes.old is not None and metadata.get("name") != was.get("name"):
        raise errors.bad_request(
            f"the name of the object ({metadata.get('name')}) does not match the name on the URL ({was.get('name')})"
        )


def _adopt_view(attributes: Attributes, obj: Object, view: Object) -> bool:
    part = attributes.request.subresource
    assert part is not None
    assert part.projection is not None
    before = orjson.dumps(obj)
    faults = part.projection.write(obj, view, attributes.context)
    if faults:
        raise errors.invalid(attributes.kind.group, attributes.kind.kind, attributes.name, faults)
    return orjson.dumps(obj) != before


def _replace(obj: Object, new: Object) -> bool:
    if obj == new:
        return False
    obj.clear()
    obj.update(new)
    return True
