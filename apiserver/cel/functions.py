"""Functions that Kubernetes adds to CEL: lists, sets, and (in files of their own) quantities, semantic versions,
addresses and URLs. Values of types that CEL does not know are maps with a mark.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from apiserver.cel import formats, network, numbers, regex
from apiserver.cel.values import Failed, plain, spend


class Function(NamedTuple):
    """One overload: `takes` and `gives` name types ("list", "map", "string", "int", "bool", "any")."""

    name: str
    gives: str
    takes: Sequence[str]
    call: Callable[..., Any]
    member: bool = True


def _is_sorted(items: Any) -> bool:
    values = plain(items)
    return all(left <= right for left, right in pairwise(values))


def _sum(items: Any) -> Any:
    return sum(plain(items))


def _extreme(choose: Callable[[Any], Any], name: str) -> Callable[[Any], Any]:
    def call(items: Any) -> Any:
        values = plain(items)
        if not values:
            raise Failed(f"{name} called on empty list")
        return choose(values)

    return call


def _index_of(items: Any, wanted: Any) -> int:
    values = plain(items)
    return values.index(plain(wanted)) if plain(wanted) in values else -1


def _last_index_of(items: Any, wanted: Any) -> int:
    values = plain(items)[::-1]
    return len(values) - 1 - values.index(plain(wanted)) if plain(wanted) in values else -1


def _contains_all(items: Any, wanted: Any) -> bool:
    values = plain(items)
    return all(item in values for item in plain(wanted))


def _slice(items: Any, first: int, last: int) -> Any:
    values = plain(items)
    if not 0 <= first <= last <= len(values):
        raise Failed(f"cannot slice({first}, {last}), list length is {len(values)}")
    return values[first:last]


def _flatten(items: Any, depth: int = 1) -> list[Any]:
    found: list[Any] = []
    for item in plain(items):
        found += _flatten(item, depth - 1) if isinstance(item, list) and depth > 0 else [item]
    return found


def _distinct(items: Any) -> list[Any]:
    found: list[Any] = []
    for item in plain(items):
        if item not in found:
            found.append(item)
    return found


def _sorted_by(items: Any, keys: Any) -> list[Any]:
    """What sortBy() makes: `keys` are those of the items."""
    pairs = sorted(zip(plain(keys), plain(items), strict=True), key=lambda pair: pair[0])
    return [item for _, item in pairs]


def _range(count: int) -> list[int]:
    spend(max(count, 0))
    return list(range(count))


def _with_entry(entries: Any, key: Any, value: Any) -> Any:
    """What transformMap() collects."""
    found = plain(entries)
    if plain(key) in found:
        raise Failed(f"insert failed: key {plain(key)} already exists")
    return {**found, plain(key): plain(value)}


def _with_entries(entries: Any, more: Any) -> Any:
    for key, value in plain(more).items():
        entries = _with_entry(entries, key, value)
    return entries


def _escape_key(key: str) -> str:
    """A key in a JSON pointer (RFC 6901)."""
    return key.replace("~", "~0").replace("/", "~1")


TABLE: tuple[Function, ...] = (
    Function("isSorted", "bool", ("list",), _is_sorted),
    Function("sum", "any", ("list",), _sum),
    Function("min", "any", ("list",), _extreme(min, "min")),
    Function("max", "any", ("list",), _extreme(max, "max")),
    Function("indexOf", "int", ("list", "any"), _index_of),
    Function("lastIndexOf", "int", ("list", "any"), _last_index_of),
    Function("slice", "list", ("list", "int", "int"), _slice),
    Function("flatten", "list", ("list",), _flatten),
    Function("flatten", "list", ("list", "int"), _flatten),
    Function("distinct", "list", ("list",), _distinct),
    Function("sort", "list", ("list",), lambda items: sorted(plain(items))),
    Function("@sortByAssociatedKeys", "list", ("list", "list"), _sorted_by),
    Function("reverse", "list", ("list",), lambda items: plain(items)[::-1]),
    Function("lists.range", "list", ("int",), _range, member=False),
    Function("sets.contains", "bool", ("list", "list"), _contains_all, member=False),
    Function(
        "sets.equivalent",
        "bool",
        ("list", "list"),
        lambda left, right: _contains_all(left, right) and _contains_all(right, left),
        member=False,
    ),
    Function(
        "sets.intersects",
        "bool",
        ("list", "list"),
        lambda left, right: any(item in plain(left) for item in plain(right)),
        member=False,
    ),
    Function("cel.@mapInsert", "any", ("any", "any"), _with_entries, member=False),
    Function("cel.@mapInsert", "any", ("any", "any", "any"), _with_entry, member=False),
    Function("find", "string", ("string", "string"), regex.find),
    Function("findAll", "list", ("string", "string"), regex.find_all),
    Function("findAll", "list", ("string", "string", "int"), regex.find_all),
    Function("jsonpatch.escapeKey", "string", ("string",), _escape_key, member=False),
    *(Function(*row) for row in numbers.TABLE),
    *(Function(*row) for row in network.TABLE),
    *(Function(*row) for row in formats.TABLE),
)


def functions(cel: Any) -> Any:
    """The extension that holds them. `cel`: the module of that name in cel_expr_python."""
    return cel.CelExtension("kubernetes", declared(cel, TABLE))


def declared(cel: Any, table: Sequence[Function]) -> list[Any]:
    """Declarations for the CEL package, overloads of one name together."""
    kinds: Mapping[str, Any] = {
        "any": cel.Type.DYN,
        "bool": cel.Type.BOOL,
        "int": cel.Type.INT,
        "double": cel.Type.DOUBLE,
        "string": cel.Type.STRING,
        "list": cel.Type.List(cel.Type.DYN),
        "map": cel.Type.Map(cel.Type.DYN, cel.Type.DYN),
    }
    overloads: dict[str, list[Any]] = {}
    for name, gives, takes, call, member in table:
        stated = overloads.setdefault(name, [])
        identity = "_".join((name.replace(".", "_"), *takes, "member" if member else "global"))
        takes_kinds = [kinds[one] for one in takes]
        stated.append(
            cel.Overload(identity, return_type=kinds[gives], parameters=takes_kinds, is_member=member, impl=call)
        )
    return [cel.FunctionDecl(name, found) for name, found in overloads.items()]
