"""What functions of the CEL language cost, by overload. Source of the rules: cel-go's `checker/cost.go`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from apiserver.cel.sizes import ONE, PATTERN, TRAVERSAL, Estimate, Range, scaled


class Sized(Protocol):
    """An argument of a call."""

    def known_size(self) -> Range: ...


_COMPARED = {
    "equals",
    "not_equals",
    *(
        f"{word}_{kind}"
        for word in ("less", "greater", "less_equals", "greater_equals")
        for kind in ("string", "bytes")
    ),
}


def standard_cost(overload: str, target: Sized | None, arguments: Sequence[Sized]) -> Estimate:
    """The cost without that of the arguments. What is not listed costs 1."""
    if overload in _COMPARED:
        most = min(arguments[0].known_size().most, arguments[1].known_size().most)
        return Estimate(Range(int(most > 0), most).by(TRAVERSAL))
    match overload:
        case "string_to_bytes":
            size = arguments[0].known_size()
            return Estimate(size.by(TRAVERSAL), Range(size.least, scaled(size.most, 4)))
        case "bytes_to_string":
            size = arguments[0].known_size()
            return Estimate(size.by(TRAVERSAL), Range(size.least // 4, size.most))
        case "strings_quote":
            size = arguments[0].known_size()
            return Estimate(size.by(TRAVERSAL), Range(size.least + 2, scaled(size.most, 2)))
        case "starts_with_string" | "ends_with_string":
            return Estimate(arguments[0].known_size().by(TRAVERSAL))
        case "in_list":
            return Estimate(arguments[1].known_size())
        case "add_list":
            return Estimate(ONE, arguments[0].known_size().plus(arguments[1].known_size()))
        case "add_string" | "add_bytes":
            size = arguments[0].known_size().plus(arguments[1].known_size())
            return Estimate(size.by(TRAVERSAL), size)
    return _of_target(overload, target, arguments) or Estimate(ONE)


def _of_target(overload: str, target: Sized | None, arguments: Sequence[Sized]) -> Estimate | None:
    if target is None:
        return None
    size = target.known_size()
    match overload:
        case "string_format":
            return Estimate(size.by(TRAVERSAL))
        case "matches_string":
            return Estimate(size.plus(ONE).by(TRAVERSAL).times(arguments[0].known_size().by(PATTERN)))
        case "contains_string":
            return Estimate(size.by(TRAVERSAL).times(arguments[0].known_size().by(TRAVERSAL)))
    return None
