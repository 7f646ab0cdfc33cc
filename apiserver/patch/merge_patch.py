"""JSON merge patch (RFC 7386), as kube-apiserver applies it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import orjson

from apiserver import errors, gojson
from apiserver.patch.gotext import JSON_SHAPES

if TYPE_CHECKING:
    from apiserver.kinds.kind import Object

MAX_DEPTH = 240
"""Levels of nesting that the walkers of a patch stand, and below what the encoder takes (254)."""
_BRACKETS = re.compile(rb'"(?:[^"\\]|\\.)*"|[{}\[\]]', re.DOTALL)
_TARGET = "map[string]interface {}"


def apply_merge(doc: Object, patch: bytes) -> Object:
    """`doc` with the merge patch applied; `doc` stays as it is. Raises 400 for a body that is no JSON object."""
    merged: Object = merged_with(doc, read_merge(patch))
    return merged


def read_merge(patch: bytes) -> Object:
    """A patch body. Raises 400 for one that is no JSON object."""
    try:
        value = load_patch(patch)
    except ValueError as error:
        raise errors.bad_request(f"error decoding patch: {error}") from None
    if value is None:
        raise errors.bad_request("Invalid JSON Patch")
    return value


def load_patch(data: bytes) -> Object | None:
    """A patch body that must be a JSON object or null. Raises ValueError with encoding/json's words."""
    value = load_json(data)
    if value is not None and not isinstance(value, dict):
        raise ValueError(f"json: cannot unmarshal {JSON_SHAPES[type(value)]} into Go value of type {_TARGET}")
    return value


def load_json(data: bytes) -> Any:
    """Any JSON up to MAX_DEPTH. Raises ValueError with encoding/json's words."""
    if data.count(b"{") + data.count(b"[") > MAX_DEPTH and _depth(data) > MAX_DEPTH:
        raise ValueError("exceeded max depth")
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        why = gojson.explain(data)
    if why:
        raise ValueError(why)
    value = gojson.lenient_loads(data)
    try:
        orjson.dumps(value)  # what cannot be encoded again could not be stored
    except TypeError as error:
        raise ValueError(str(error)) from None
    return value


def _depth(data: bytes) -> int:
    """How deep brackets nest; those inside strings do not count."""
    deepest = depth = 0
    for token in _BRACKETS.findall(data):
        if token in b"{[":
            depth += 1
            deepest = max(deepest, depth)
        elif token in b"}]":
            depth -= 1
    return deepest


def merged_with(target: Any, patch: Any) -> Any:
    """A value with a merge patch applied: what the patch leaves alone is in the new one as it is."""
    if not isinstance(patch, dict):
        return patch
    out = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            out.pop(key, None)
        else:
            out[key] = merged_with(out.get(key), value)
    return out
