"""Sets of field paths, kept in the very form in which objects carry them: the nested dicts of FieldsV1.

A key is one path element: `f:name` a field, `k:{"name":"x"}` a list item by its keys, `v:"x"` an item of a set,
`i:0` an index. `{}` below a key says that this path is in the set; a path that is in the set and has further paths
below it says so with the key `.`. The root is no path: `{}` there is the empty set. (Structured merge diff, KEP-555.)
All functions leave their arguments alone and may share parts with them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any

import orjson

FieldSet = dict[str, Any]
Path = tuple[str, ...]

SELF = "."
_ONLY_SELF: FieldSet = {SELF: {}}
MAX_DEPTH = 120
"""Levels of a set that a client may write: more than any schema has, less than the encoder stands."""
_HTML = re.compile("[<>&\u2028\u2029]")


def has_self(node: FieldSet) -> bool:
    """Whether the path of this node is itself in the set."""
    return not node or SELF in node


def with_self(node: FieldSet | None) -> FieldSet:
    """The node with its own path in the set."""
    if not node:
        return {}
    return node if SELF in node else {SELF: {}, **node}


def _closed(children: FieldSet) -> FieldSet | None:
    """A node left with these keys, or None where nothing is left of it."""
    if len(children) == 1 and SELF in children:
        return {}
    return children or None


def union(left: FieldSet, right: FieldSet) -> FieldSet:
    """Paths of either set; `left` itself where it has them all. Not ordered: see `ordered`."""
    out = left
    for key, node in right.items():
        present = left.get(key)
        both = node if present is None else _union_node(present, node)
        if both is not present:
            out = dict(left) if out is left else out
            out[key] = both
    return out


def _union_node(left: FieldSet, right: FieldSet) -> FieldSet:
    if left and right:
        return union(left, right)
    if right:
        return with_self(right)
    return left if has_self(left) else with_self(left)


def difference(left: FieldSet, right: FieldSet) -> FieldSet:
    """Paths of `left` that are not in `right`; `left` itself where nothing goes."""
    return _reduced(left, right, _difference_node)


def _reduced(left: FieldSet, right: FieldSet, remains: Callable[[FieldSet, FieldSet], FieldSet | None]) -> FieldSet:
    """`left` with `remains` of what both sets have a node for (None: nothing); `left` itself where all of it does."""
    out = left
    for key, node in right.items():
        present = left.get(key)
        if present is None:
            continue
        rest = remains(present, node)
        if rest is present:
            continue
        out = dict(left) if out is left else out
        if rest is None:
            del out[key]
        else:
            out[key] = rest
    return out


def _difference_node(left: FieldSet, right: FieldSet) -> FieldSet | None:
    if not left:
        return None if has_self(right) else left
    out = difference(left, right or _ONLY_SELF)
    return left if out is left else _closed(out)


def intersection(left: FieldSet, right: FieldSet) -> FieldSet:
    """Paths of both sets."""
    out: FieldSet = {}
    for key, node in left.items():
        other = right.get(key)
        shared = None if other is None else _intersection_node(node, other)
        if shared is not None:
            out[key] = shared
    return out


def _intersection_node(left: FieldSet, right: FieldSet) -> FieldSet | None:
    if not left or not right:
        return {} if has_self(left) and has_self(right) else None
    return _closed(intersection(left, right))


def without(left: FieldSet, right: FieldSet) -> FieldSet:
    """`left` without the paths of `right` and everything below them."""
    return _reduced(left, right, _without_node)


def _without_node(left: FieldSet, right: FieldSet) -> FieldSet | None:
    if has_self(right):
        return None
    out = without(left, right)
    return left if out is left else _closed(out)


def leaves(fields: FieldSet) -> FieldSet:
    """Only the paths that have none below them."""
    return {key: leaves(node) if node else {} for key, node in fields.items() if key != SELF or len(fields) == 1}


def contains(fields: FieldSet, path: Path) -> bool:
    """Whether `path` is in the set."""
    node = fields
    for element in path:
        found = node.get(element)
        if found is None:
            return False
        node = found
    return bool(path) and has_self(node)


def from_paths(paths: Iterable[Path]) -> FieldSet:
    """The set of these paths, each a tuple of path elements."""
    out: FieldSet = {}
    for path in paths:
        single: FieldSet = {}
        for element in reversed(path):
            single = {element: single}
        out = union(out, single)
    return out


def paths(fields: FieldSet, prefix: Path = ()) -> Iterator[Path]:
    """Every path of the set, those of one level before those below it, as the real server lists conflicts."""
    elements = sorted((key for key in fields if key != SELF), key=rank)
    for element in elements:
        if has_self(fields[element]):
            yield (*prefix, element)
    for element in elements:
        if fields[element]:
            yield from paths(fields[element], (*prefix, element))


_RANKS = {float: 0, int: 0, str: 1, bool: 2, list: 3, dict: 4, type(None): 5}


def value_rank(value: Any) -> tuple[int, Any]:
    """Values in the order of structured merge diff: numbers, texts, booleans, the rest."""
    order = _RANKS[type(value)]
    return order, value if order < 3 else orjson.dumps(value)


@lru_cache(maxsize=16384)
def rank(element: str) -> tuple[int, Any]:
    """The sort key of a path element: itself first, then fields, keys, values, indices."""
    kind, text = element[:2], element[2:]
    if kind == "f:":
        return 1, text
    if kind == "k:":
        return 2, tuple((name, value_rank(value)) for name, value in sorted(orjson.loads(text).items()))
    if kind == "v:":
        return 3, value_rank(orjson.loads(text))
    return (4, int(text)) if kind == "i:" else (0, "")


def ordered(fields: FieldSet) -> FieldSet:
    """The same set with its keys in the order in which the real server writes them."""
    if len(fields) < 2:
        return {key: ordered(node) if node else node for key, node in fields.items()}
    return {key: ordered(fields[key]) if fields[key] else {} for key in sorted(fields, key=rank)}


def json_text(value: Any) -> str:
    """A scalar or key as Go's encoder writes it: compact, keys sorted, HTML characters escaped."""
    text = orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
    return _HTML.sub(lambda match: f"\\u{ord(match[0]):04x}", text) if _HTML.search(text) else text


def element_text(element: str) -> str:
    """A path element as messages print it: `.name`, `[port=80,protocol="TCP"]`, `[="x"]`, `[0]`."""
    kind, text = element[:2], element[2:]
    if kind == "f:":
        return f".{text}"
    if kind == "k:":
        keys = ",".join(f"{name}={json_text(value)}" for name, value in sorted(orjson.loads(text).items()))
        return f"[{keys}]"
    return f"[={text}]" if kind == "v:" else f"[{text}]"


def path_text(path: Path) -> str:
    """A path as messages print it: `.spec.ports[port=80,protocol="TCP"].name`."""
    return "".join(element_text(element) for element in path)


def parse(wire: Any, depth: int = 0) -> FieldSet:
    """A FieldsV1 that a client wrote, checked and in order. Raises ValueError where it is none."""
    if not isinstance(wire, dict) or depth > MAX_DEPTH:
        raise ValueError("fieldsV1 is not a set of fields")
    out: FieldSet = {}
    for key, node in wire.items():
        element = _element(key)
        if element is not None:
            out[element] = parse(node, depth + 1)
    if depth and len(out) == 1 and SELF in out:
        return {}
    return {key: out[key] for key in sorted(out, key=rank)}


def _element(key: str) -> str | None:
    """A checked path element; None for kinds of a later version, which are skipped."""
    kind, text = key[:2], key[2:]
    if key == SELF or kind == "f:":
        return key
    if kind == "i:":
        return f"i:{int(text)}"
    if kind not in ("k:", "v:"):
        return None
    value = orjson.loads(text)
    if kind == "k:" and (not isinstance(value, dict) or not value):
        raise ValueError(f"{key} names no keys")
    return f"{kind}{json_text(value)}"
