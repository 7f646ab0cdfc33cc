"""Strategic merge patch: a merge patch that knows merge keys, with directives.

The rules are those of Kubernetes' "Strategic Merge Patch" document: `$patch`, `$retainKeys`, `$setElementOrder/x`,
`$deleteFromPrimitiveList/x`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from apiserver import errors
from apiserver.patch.merge_patch import load_patch
from apiserver.patch.strategic_order import Items, check_order, element_type, ordered, ranks, token
from apiserver.patch.strategic_rules import (
    BAD_ELEMENT_ORDER,
    BAD_PRIMITIVE_LIST,
    BAD_RETAIN_KEYS,
    DELETE_FROM_LIST,
    DIRECTIVE,
    ELEMENT_ORDER,
    RETAIN_KEYS,
    Rule,
    Unmergeable,
    directive_target,
    no_merge_key,
    rule_of,
    unknown_directive,
    wrong_type,
)
from apiserver.schema.types import Type

if TYPE_CHECKING:
    from apiserver.kinds.kind import Object

_NOTHING = object()
_BEHIND_DIRECTIVES = "%"
"""Comes after every name that begins with `$`, and before those of fields."""


def apply_strategic(doc: Object, patch: bytes, kind: Type) -> Object:
    """`merge_strategic` of a patch as it was sent. Raises 400, 422, or the real server's 500."""
    return merge_strategic(doc, read_strategic(patch), kind)


def read_strategic(patch: bytes) -> Object:
    """A patch body. Raises 400 for one that is no JSON object."""
    try:
        return load_patch(patch) or {}
    except ValueError as error:
        raise errors.bad_request(str(error)) from None


def merge_strategic(doc: Object, patch: Object, kind: Type) -> Object:
    """`doc` of type `kind` with the patch applied; both stay as they are, and what does not change of `doc` is in the
    new object as it is. Raises 400, 422, or the real server's 500."""
    try:
        return _merge_map(doc, patch, kind)
    except Unmergeable as error:
        raise error.status() from None


def _merge_map(original: Object | None, patch: Object, kind: Type | None) -> Object:
    """A patch of an object merged into it: a new object that shares what did not change."""
    if DIRECTIVE in patch:
        return _by_directive(patch)
    out, rest = dict(original or {}), patch
    if patch and min(patch) < _BEHIND_DIRECTIVES:
        rest = dict(patch)
        _retain_keys(out, rest)
        _merge_ordered_lists(out, rest, kind)
    for name, value in rest.items():
        present = out.get(name)
        if present is not None and type(present) is type(value) and type(value) is not dict and type(value) is not list:
            out[name] = value
        else:
            _merge_field(out, name, value, kind)
    return out


def _by_directive(patch: Object) -> Object:
    directive = patch[DIRECTIVE]
    if directive == "replace":
        return {name: value for name, value in patch.items() if name != DIRECTIVE}
    if directive == "delete":
        return {}
    raise unknown_directive(directive, patch)


def _retain_keys(out: Object, patch: Object) -> None:
    """`$retainKeys` lists all keys that stay; the patch may set no other."""
    if RETAIN_KEYS not in patch:
        return
    kept = patch.pop(RETAIN_KEYS)
    if not isinstance(kept, list):
        raise Unmergeable(BAD_RETAIN_KEYS, bad_request=True)
    for name, value in patch.items():
        if value is not None and not name.startswith((DELETE_FROM_LIST, ELEMENT_ORDER)) and name not in kept:
            raise Unmergeable(BAD_RETAIN_KEYS, bad_request=True)
    for name in list(out):
        if name not in kept:
            del out[name]


def _merge_field(out: Object, name: str, value: Any, kind: Type | None) -> None:
    deleting = name.startswith(DELETE_FROM_LIST)
    if deleting:
        name = directive_target(name, DELETE_FROM_LIST, BAD_PRIMITIVE_LIST)
    if value is None:
        out.pop(name, None)
        return
    present: Any = out.get(name)
    if name not in out or type(present) is not type(value):
        if not deleting:
            out.pop(name, None)
            if not _directed(value):
                out[name] = without_directives(value)
        return
    if isinstance(value, dict):
        rule = rule_of(kind, name)
        out[name] = value if rule.strategy == "replace" else _merge_map(present, value, rule.type)
    elif isinstance(value, list):
        out[name] = _merge_list(present, value, rule_of(kind, name), deleting=deleting)
    else:
        out[name] = value


def _directed(value: Any) -> bool:
    return isinstance(value, dict) and DIRECTIVE in value


def without_directives(value: Any) -> Any:
    """A patch value that meets nothing to merge with: its nulls and whatever holds a `$patch` act on nothing and
    vanish."""
    if isinstance(value, dict):
        return {
            name: without_directives(item) for name, item in value.items() if item is not None and not _directed(item)
        }
    if isinstance(value, list):
        return [without_directives(item) for item in value if not _directed(item)]
    return value


class _Live:
    """The live list during a merge.

    `seen` is what an observer sees who held the list from before: the real server shifts deleted items and appends new
    ones in place as long as they fit, then takes the live order from that memory. Clients see the order that results.
    """

    def __init__(self, items: Items, key: str) -> None:
        self.items, self.seen, self.key = list(items), list(items), key
        self.places = ranks(items, key, lenient=True)

    def delete(self, value: Any) -> None:
        gone = token(value)
        self.items = [item for item in self.items if token(item.get(self.key, _NOTHING)) != gone]
        self.seen[: len(self.items)] = self.items
        self.places = ranks(self.items, self.key, lenient=True)

    def merge(self, change: Object, element: Type | None) -> None:
        if self.key not in change:
            raise no_merge_key(change, self.key)
        value = token(change[self.key])
        at = self.places.get(value)
        if at is not None:
            self.items[at] = _merge_map(self.items[at], change, element)
            return
        self.places[value] = at = len(self.items)
        if at < len(self.seen):
            self.seen[at] = change
        self.items.append(change)


def _merge_list(present: Items, patch: Items, rule: Rule, *, deleting: bool = False) -> Items:
    """A patch of a list: merged where the field's strategy is merge, else the patch replaces the list."""
    return _merge(present, patch, rule, deleting)[0]


def _merge(present: Items, patch: Items, rule: Rule, deleting: bool) -> tuple[Items, Items]:
    """The merged list, and the live order as later steps see it."""
    if rule.strategy != "merge":
        return patch, present
    if not present and not patch:
        return present, present
    element = rule.type.element if rule.type is not None else None
    at = places(present, patch, rule.key)
    if at is not None:
        merged = list(present)
        for place, change in zip(at, patch, strict=True):
            merged[place] = _merge_map(merged[place], change, element)
        return merged, present
    if element_type(present, patch) is not dict:
        if deleting:
            gone = ranks(patch, "")
            return [item for item in present if token(item) not in gone], present
        distinct = list({token(item): item for item in reversed(present + patch)}.values())
        return ordered(distinct, patch, patch, present, ""), present
    if not rule.key:
        raise Unmergeable("cannot merge lists without merge key for type struct")
    live = _Live(present, rule.key)
    changes = _specials(live, patch, rule.key)
    order = list(live.items)
    for change in changes:
        live.merge(change, element)
    return ordered(live.items, changes, changes, order, rule.key), live.seen


def places(present: Items, patch: Items, key: str) -> list[int] | None:
    """Where the items of the patch are in the live list, if all of them are there and in this order, so that nothing
    moves; None also where an item has no key, no text there, or the same as another."""
    if not key:
        return None
    places: dict[str, int] = {}
    for index, item in enumerate(present):
        value = item.get(key) if type(item) is dict else None
        if type(value) is not str or value in places:
            return None
        places[value] = index
    at: list[int] = []
    for item in patch:
        value = item.get(key) if type(item) is dict and DIRECTIVE not in item else None
        place = places.get(value) if type(value) is str else None
        if place is None or (at and place <= at[-1]):
            return None
        at.append(place)
    return at


def _specials(live: _Live, patch: Items, key: str) -> Items:
    """Carry out the items with `$patch`; answers the others. With `replace` they become the list."""
    rest: Items = []
    replace = False
    for item in patch:
        directive = item.get(DIRECTIVE)
        if DIRECTIVE not in item:
            rest.append(item)
        elif directive == "delete":
            if key not in item:
                raise no_merge_key(item, key)
            live.delete(item[key])
        elif directive == "replace":
            replace = True
        elif directive == "merge":
            raise Unmergeable("merging lists cannot yet be specified in the patch")
        else:
            raise unknown_directive(directive, item)
    if replace:
        live.items = rest
        return []
    return rest


def _merge_ordered_lists(out: Object, patch: Object, kind: Type | None) -> None:
    """Carry out every `$setElementOrder/x` of `patch`, together with the list x it orders; both leave `patch`."""
    for name in [name for name in patch if name.startswith(ELEMENT_ORDER)]:
        order = patch.pop(name)
        if not isinstance(order, list):
            raise wrong_type(list, order)
        _merge_ordered(out, patch, directive_target(name, ELEMENT_ORDER, BAD_ELEMENT_ORDER), order, kind)


def _merge_ordered(out: Object, patch: Object, name: str, order: Items, kind: Type | None) -> None:
    for holder in (out, patch):
        if name in holder and not isinstance(holder[name], list):
            raise wrong_type(list, holder[name])
    rule = rule_of(kind, name)
    present, changes = out.get(name), patch.pop(name, None)
    check_order(changes, order, rule.key)
    if present is None and changes is None:
        return
    if present is not None and changes is not None:
        merged, live_order = _merge(present, changes, rule, False)
    else:
        merged, live_order = present or changes or [], present or []
    element_type(present or [], changes or [])
    out[name] = ordered(merged, order, order, live_order, rule.key)
