"""Functions that Kubernetes adds to CEL: those of lists."""

from __future__ import annotations

from itertools import pairwise
from typing import Any


def _plain(value: Any) -> Any:
    return value.plain_value() if hasattr(value, "plain_value") else value


def _is_sorted(items: Any) -> bool:
    values = [_plain(item) for item in items]
    return all(left <= right for left, right in pairwise(values))


def _sum(items: Any) -> Any:
    return sum(_plain(item) for item in items)


def _min(items: Any) -> Any:
    return min(_plain(item) for item in items)


def _max(items: Any) -> Any:
    return max(_plain(item) for item in items)


def _index_of(items: Any, wanted: Any) -> int:
    values = [_plain(item) for item in items]
    return values.index(_plain(wanted)) if _plain(wanted) in values else -1


def _last_index_of(items: Any, wanted: Any) -> int:
    values = [_plain(item) for item in items][::-1]
    return len(values) - 1 - values.index(_plain(wanted)) if _plain(wanted) in values else -1


def functions(cel: Any) -> Any:
    """The extension that holds them. `cel`: the module of that name in cel_expr_python."""
    kind = cel.Type
    anything, items = kind.DYN, kind.List(kind.DYN)
    table = [
        ("isSorted", kind.BOOL, [items], _is_sorted),
        ("sum", anything, [items], _sum),
        ("min", anything, [items], _min),
        ("max", anything, [items], _max),
        ("indexOf", kind.INT, [items, anything], _index_of),
        ("lastIndexOf", kind.INT, [items, anything], _last_index_of),
    ]
    declared = [
        cel.FunctionDecl(
            name,
            [cel.Overload(f"list_{name}", return_type=answer, parameters=takes, is_member=True, impl=implementation)],
        )
        for name, answer, takes, implementation in table
    ]
    return cel.CelExtension("kubernetes", declared)
