"""A strategic merge patch that only states values, merged and decoded in one walk over what it states.

Status reports are such patches. What is made of the live object is what `strategic.merge_strategic` and then
`schema.decode` would make of it. A patch with nulls, directives or unknown fields, or one that does not fit, is left to
these, which also have the words for it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from apiserver.patch.strategic import places, without_directives
from apiserver.patch.strategic_rules import ELEMENT_ORDER, rule_of
from apiserver.schema.decode import UNDECODABLE, Member, left_out, member_of
from apiserver.schema.types import Type

if TYPE_CHECKING:
    from collections.abc import Collection

    from apiserver.kinds.kind import Object


class _MoreThanValues(Exception):
    """The patch needs the general way."""


def merge_stated(live: Object, patch: Object, kind: Type, without: Collection[str]) -> Object | None:
    """The patched object, decoded, sharing with `live` what does not change; None for a patch that does more than state
    values, or that has a field of `without`. `live` is an object of `kind`, decoded."""
    if kind.recursive or kind.published is not None or not patch.keys().isdisjoint(without):
        return None
    before = left_out()
    try:
        new = _struct(live, patch, kind)
    except (_MoreThanValues, *UNDECODABLE):
        return None
    return new if left_out() == before + 1 else None


class _Merging(NamedTuple):
    """How a stated value meets a live one: how it is decoded, the struct into which it merges (None: it takes the
    place of what was there), the type and the key of the items of a list that merges."""

    member: Member
    struct: Type | None
    item: Type | None
    key: str


@lru_cache(maxsize=4096)
def _merging(kind: Type, name: str) -> _Merging:
    field = kind.fields.get(name)
    if field is None:
        raise _MoreThanValues
    rule, inner = rule_of(kind, name), field.type
    if rule.strategy == "merge" and inner.shape == "list" and rule.key:
        return _Merging(member_of(field), None, inner.element, rule.key)
    if rule.strategy == "merge" or inner.shape in ("map", "any"):
        raise _MoreThanValues
    struct = inner if inner.shape == "struct" and rule.strategy != "replace" else None
    return _Merging(member_of(field), struct, None, "")


def _struct(live: Object, patch: Object, kind: Type) -> Object:
    out = live.copy()
    for name, value in patch.items():
        if name[:1] == "$":
            _keep_order(live, name, value, kind)
            continue
        (plain, decoder, stays, written), struct, item, key = _merging(kind, name)
        shape = type(value)
        present: Any = out.get(name)
        if type(present) is not shape:
            out.pop(name, None)
        if shape is plain:
            pass
        elif value is None:
            raise _MoreThanValues
        elif type(present) is not shape:
            value = decoder(without_directives(value))
        elif struct is not None and shape is dict:
            value = _struct(present, value, struct)
        elif item is not None and shape is list:
            value = _items(present, value, item, key)
        else:
            value = decoder(value)
        if value or stays:
            out[name] = value
        elif written:
            raise _MoreThanValues
        else:
            out.pop(name, None)
    return out


def _items(live: list[Any], patch: list[Any], kind: Type, key: str) -> list[Any]:
    """A list whose items are patched where they are."""
    at = places(live, patch, key)
    if not at or kind.shape != "struct":
        raise _MoreThanValues
    out = live.copy()
    for place, change in zip(at, patch, strict=True):
        out[place] = _struct(out[place], change, kind)
    return out


def _keep_order(live: Object, directive: str, order: Any, kind: Type) -> None:
    """Go on where `$setElementOrder/x` names the live items in their order."""
    prefix, _, name = directive.partition("/")
    key, present = _merging(kind, name).key, live.get(name)
    if prefix != ELEMENT_ORDER or not key or type(order) is not list or type(present) is not list:
        raise _MoreThanValues
    if not order or places(present, order, key) != list(range(len(present))):
        raise _MoreThanValues
