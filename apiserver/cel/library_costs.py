"""What functions of Kubernetes' CEL libraries cost.

Sources of the rules: `k8s.io/apiserver/pkg/cel/library/cost.go`, the estimators of cel-go's `ext/lists.go` and
`ext/sets.go`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from apiserver.cel.ast import Constant, Node
from apiserver.cel.sizes import (
    LIST_MADE,
    MOST,
    NOTHING,
    ONE,
    PATTERN,
    TRAVERSAL,
    Estimate,
    Range,
    exactly,
)
from apiserver.cel.types import Type


class Sized(Protocol):
    """An argument or the target of a call."""

    @property
    def type(self) -> Type: ...

    @property
    def node(self) -> Node | None: ...

    def size(self) -> Range: ...

    def element(self) -> Sized | None: ...


Estimator = Callable[[str, "Sized | None", Sequence["Sized"]], Estimate | None]
"""(overload, target, arguments) -> the cost without that of the arguments; None for what the language says."""

_AUTHORIZATION = "serviceAccount path group resource subresource namespace name allowed reason error errored"
_ACCESSORS = (
    "masked prefixLength family isUnspecified isLoopback isLinkLocalMulticast isLinkLocalUnicast isGlobalUnicast "
    "sign asInteger isInteger asApproximateFloat isGreaterThan isLessThan compareTo add sub major minor patch "
    "getScheme getHostname getHost getPort getEscapedPath getQuery format.named"
)
_CHECK = exactly(350_000)
"""An authorization check: two of them fit into an expression's budget at run time."""
_LONGEST_PATTERN = 128
"""Characters of the patterns behind named formats."""
_ADDRESS = Range(4, 16)
"""Bytes of an IP address."""


def library_cost(function: str, overload: str, target: Sized | None, arguments: Sequence[Sized]) -> Estimate | None:
    """The cost without that of the arguments; None for functions that no library prices."""
    by_overload = _OVERLOADS.get(overload)
    if by_overload is not None:
        return by_overload(overload, target, arguments)
    by_name = _FUNCTIONS.get(function)
    return None if by_name is None else by_name(overload, target, arguments)


def _fixed(cost: Range) -> Estimator:
    return lambda overload, target, arguments: Estimate(cost)


def _each_element(overload: str, target: Sized | None, arguments: Sequence[Sized]) -> Estimate | None:
    if target is None:
        return None
    element = target.element()
    if element is None:
        return Estimate(target.size().by(TRAVERSAL))
    each = ONE
    if element.type.kind in ("string", "bytes"):
        each = each.plus(element.size().by(TRAVERSAL))
    return Estimate(target.size().times(each))


def _read_argument(overload: str, target: Sized | None, arguments: Sequence[Sized]) -> Estimate | None:
    if len(arguments) != 1:
        return None
    size = arguments[0].size()
    return Estimate(size.by(TRAVERSAL), size)


def _read_target(overload: str, target: Sized | None, arguments: Sequence[Sized]) -> Estimate | None:
    if target is None:
        return None
    size = target.size()
    return Estimate(size.by(TRAVERSAL), size)


def _parsed(overload: str, target: Sized | None, arguments: Sequence[Sized]) -> Estimate | None:
    """A text is read; without one (the address of a network) it is a mere accessor."""
    return Estimate(arguments[0].size().by(TRAVERSAL)) if arguments else Estimate(ONE)


def _replace(overload: str, target: Sized | None, arguments: Sequence[Sized]) -> Estimate | None:
    if target is None or len(arguments) < 2:
        return None
    size, old, new = target.size(), arguments[0].size(), arguments[1].size()
    most, most_kept = _replacements(size.most, old.least, new.most, longer=True)
    least, least_kept = _replacements(size.least, old.most, new.least, longer=False)
    result = Range(least, most).times(new).plus(Range(least_kept, most_kept))
    return Estimate(size.by(2 * TRAVERSAL), result)


def _replacements(size: int, old: int, new: int, *, longer: bool) -> tuple[int, int]:
    """How often is replaced, and how much of the text stays, where the text is to become as long (or as short) as it
    can."""
    if old == 0:
        return min(size + 1, MOST), size
    if (new <= old) if longer else (old <= new):
        return 0, size
    return math.ceil(size / old), 0


def _split(overload: str, target: Sized | None, arguments: Sequence[Sized]) -> Estimate | None:
    if target is None:
        return None
    size = target.size()
    most = size.most
    if len(arguments) > 1 and isinstance(arguments[1].node, Constant) and isinstance(arguments[1].node.value, int):
        most = arguments[1].node.value % (MOST + 1)
    return Estimate(size.by(2 * TRAVERSAL), Range(0, most))


def _join(overload: str, target: Sized | None, arguments: Sequence[Sized]) -> Estimate | None:
    if target is None:
        return None
    count, element = target.size(), target.element()
    size = NOTHING if element is None else count.times(element.size())
    if arguments:
        between = Range(max(count.least - 1, 0), max(count.most - 1, 0))
        size = size.plus(arguments[0].size().times(between))
    return Estimate(size.by(TRAVERSAL), size)


def _find(overload: str, target: Sized | None, arguments: Sequence[Sized]) -> Estimate | None:
    if target is None or not arguments:
        return None
    size = target.size()
    cost = size.plus(ONE).by(TRAVERSAL).times(arguments[0].size().by(PATTERN))
    return Estimate(cost, Range(0, size.most))


def _is_canonical(overload: str, target: Sized | None, arguments: Sequence[Sized]) -> Estimate | None:
    return Estimate(arguments[0].size().by(2 * TRAVERSAL)) if arguments else None


def _contains(extra: Range) -> Estimator:
    """containsIP, containsCIDR: two addresses compared; a text is parsed first."""

    def call(overload: str, target: Sized | None, arguments: Sequence[Sized]) -> Estimate | None:
        if target is None or not arguments:
            return None
        cost = _ADDRESS.plus(_ADDRESS).by(TRAVERSAL).plus(extra)
        if overload.endswith("_string"):
            cost = cost.plus(arguments[0].size().by(TRAVERSAL))
        return Estimate(cost)

    return call


def _validate(overload: str, target: Sized | None, arguments: Sequence[Sized]) -> Estimate | None:
    if target is None:
        return None
    return Estimate(arguments[0].size().by(TRAVERSAL).by(_LONGEST_PATTERN * PATTERN))


_EQUAL_AT_ONCE = ("kubernetes.Quantity", "kubernetes.Semver", "net.IP", "net.CIDR")


def _equals(overload: str, target: Sized | None, arguments: Sequence[Sized]) -> Estimate | None:
    first, second = arguments
    if first.type != second.type:
        return None
    if first.type.name in _EQUAL_AT_ONCE:
        return Estimate(ONE)
    if first.type.name == "kubernetes.NamedFormat":
        return Estimate(Range(1, 64).by(TRAVERSAL))
    if first.type.name == "kubernetes.URL":
        size = second.size()
        return Estimate(Range(1, size.most if size.most < MOST else 1).by(TRAVERSAL))
    return None


# cel-go's lists and sets


def _made(factor: float, size: Range) -> Estimate:
    """A call that makes a list."""
    return Estimate(size.by(factor).plus(ONE).plus(LIST_MADE), size)


def _whole(argument: Sized, otherwise: int) -> int:
    value = argument.node.value if isinstance(argument.node, Constant) else None
    return value if type(value) is int and value >= 0 else otherwise


def _slice(overload: str, target: Sized | None, arguments: Sequence[Sized]) -> Estimate | None:
    if target is None:
        return None
    first, last = _whole(arguments[0], 0), _whole(arguments[1], target.size().most)
    return _made(1, exactly((last - first) % (MOST + 1)))


def _range(overload: str, target: Sized | None, arguments: Sequence[Sized]) -> Estimate | None:
    return _made(1, exactly(_whole(arguments[0], MOST)))


def _reverse(overload: str, target: Sized | None, arguments: Sequence[Sized]) -> Estimate | None:
    return None if target is None else _made(1, target.size())


def _flatten(overload: str, target: Sized | None, arguments: Sequence[Sized]) -> Estimate | None:
    depth = _whole(arguments[0], MOST) if arguments else 1
    return None if target is None else _made(depth, target.size())


def _squared(factor: float) -> Estimator:
    """Each element compared with each other; sortBy compares its keys."""

    def call(overload: str, target: Sized | None, arguments: Sequence[Sized]) -> Estimate | None:
        compared = arguments[0] if arguments else target
        if compared is None:
            return None
        return _made(factor, compared.size().times(compared.size()))

    return call


def _sets(factor: float) -> Estimator:
    def call(overload: str, target: Sized | None, arguments: Sequence[Sized]) -> Estimate | None:
        return Estimate(arguments[0].size().times(arguments[1].size()).by(factor).plus(ONE))

    return call


def _sorted() -> Mapping[str, Estimator]:
    found: dict[str, Estimator] = {}
    for kind in ("int", "uint", "double", "bool", "duration", "timestamp", "string", "bytes"):
        factor = 2 + TRAVERSAL if kind in ("string", "bytes") else 2.0
        found[f"list_{kind}_sort"] = found[f"list_{kind}_sortByAssociatedKeys"] = _squared(factor)
    return found


_OVERLOADS: Mapping[str, Estimator] = {
    "list_slice": _slice,
    "list_flatten": _flatten,
    "list_flatten_int": _flatten,
    "lists_range": _range,
    "list_reverse": _reverse,
    "list_distinct": _squared(2),
    "list_sets_contains_list": _sets(1),
    "list_sets_intersects_list": _sets(1),
    "list_sets_equivalent_list": _sets(2),
    **_sorted(),
}
_FUNCTIONS: Mapping[str, Estimator] = {
    "check": _fixed(_CHECK),
    **dict.fromkeys(_AUTHORIZATION.split(), _fixed(ONE)),
    **dict.fromkeys(_ACCESSORS.split(), _fixed(ONE)),
    **dict.fromkeys(("isSorted", "sum", "max", "min", "indexOf", "lastIndexOf"), _each_element),
    **dict.fromkeys(("url", "jsonpatch.escapeKey"), _read_argument),
    **dict.fromkeys(("lowerAscii", "upperAscii", "substring", "trim"), _read_target),
    **dict.fromkeys(("cidr", "ip", "isIP", "isCIDR", "quantity", "isQuantity", "semver", "isSemver"), _parsed),
    "replace": _replace,
    "split": _split,
    "join": _join,
    "find": _find,
    "findAll": _find,
    "ip.isCanonical": _is_canonical,
    "containsIP": _contains(NOTHING),
    "containsCIDR": _contains(_ADDRESS.by(TRAVERSAL).plus(ONE)),
    "validate": _validate,
    "_==_": _equals,
}
