"""The order of lists in strategic merge patches ("Preserve Order in Strategic Merge Patch").

`$setElementOrder` decides, then the patch's own order, then the live order. Items of the patch come before those that
only the server has, unless the live order knows both and says otherwise.
"""

from __future__ import annotations

from typing import Any

from apiserver.patch.gotext import plain
from apiserver.patch.strategic_rules import DIRECTIVE, ELEMENT_ORDER, Unmergeable, no_merge_key, wrong_type

Items = list[Any]


def element_type(*lists: Items) -> type:
    """The one type of all items. Raises Unmergeable."""
    found: type | None = None
    for item in (item for items in lists for item in items):
        if found is None:
            found = type(item)
            if found is list:
                raise Unmergeable("lists of lists are not supported", unprocessable=True)
        elif type(item) is not found:
            raise Unmergeable(f"list element types are not identical: {plain(list(lists))}")
    if found is None:
        raise Unmergeable("no elements in any given slices")
    return found


def token(value: Any) -> Any:
    """Something hashable that is equal for equal JSON values of one type only (1 is not true)."""
    return (type(value), value if value.__hash__ is not None else plain(value))


def ranks(items: Items, key: str, *, lenient: bool = False) -> dict[Any, int]:
    """Where each item is first, by its merge key (without one: by itself). `lenient` skips items that lack the key."""
    found: dict[Any, int] = {}
    for at, item in enumerate(items):
        if lenient and key not in item:
            continue
        found.setdefault(token(_identity(item, key)), at)
    return found


def check_order(changes: Items | None, order: Items, key: str) -> None:
    """The patch's items must appear in the order list, in its order; deletions are free."""
    if not order or not changes:
        return
    kept = [item for item in changes if not (isinstance(item, dict) and DIRECTIVE in item)] if key else changes
    wanted, at = 0, 0
    while wanted < len(kept) and at < len(order):
        if _same(kept[wanted], order[at], key):
            wanted += 1
        at += 1
    if wanted < len(kept):
        raise Unmergeable(
            f"The order in patch list:\n{plain(changes)}\n doesn't match {ELEMENT_ORDER} list:\n{plain(order)}\n"
        )


def _same(left: Any, right: Any, key: str) -> bool:
    if not key:
        return bool(left == right)
    for item in (left, right):
        if not isinstance(item, dict):
            raise wrong_type(dict, item)
        if key not in item:
            raise no_merge_key(item, key)
    return bool(left[key] == right[key])


def ordered(merged: Items, members: Items, order: Items, live: Items, key: str) -> Items:
    """`merged` with the items named in `members` sorted by `order`, the others by `live`, both parts interleaved."""
    named, in_order, in_live = ranks(members, key), ranks(order, key), ranks(live, key)
    ours: list[tuple[Any, Any]] = []
    others: list[tuple[Any, Any]] = []
    for item in merged:
        mark = token(_identity(item, key))
        (ours if mark in named else others).append((mark, item))
    ours.sort(key=lambda pair: in_order.get(pair[0], -1))
    others.sort(key=lambda pair: in_live.get(pair[0], -1))
    return [item for _, item in _interleaved(others, ours, in_live)]


def _identity(item: Any, key: str) -> Any:
    if not key:
        return item
    if not isinstance(item, dict):
        raise wrong_type(dict, item)
    if key not in item:
        raise no_merge_key(item, key)
    return item[key]


def _interleaved(others: list[tuple[Any, Any]], ours: list[tuple[Any, Any]], rank: dict[Any, int]) -> Items:
    """Both lists keep their order; one of `others` goes first only where the live order has both, and so says."""
    out: Items = []
    left = right = 0
    while left < len(others) and right < len(ours):
        first, second = rank.get(others[left][0], -1), rank.get(ours[right][0], -1)
        if first >= 0 and second >= 0 and first < second:
            out.append(others[left])
            left += 1
        else:
            out.append(ours[right])
            right += 1
    return out + others[left:] + ours[right:]
