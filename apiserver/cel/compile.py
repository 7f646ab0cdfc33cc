"""CEL expressions compiled with the types of their variables, as cel-go would: what it refuses, in its words.

Evaluation knows no types (every variable is `dyn`, see `evaluation.py`); they are checked here, beside the CEL package,
on the tree that it has read.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from apiserver.cel import evaluation
from apiserver.cel.ast import Call, Constant, ListNode, MapNode, Node, below, parse, walk
from apiserver.cel.check import Checked, check
from apiserver.cel.rewrite import expanded, has_macros
from apiserver.cel.schema import FieldTypes
from apiserver.cel.types import TooComplex, Type, unwrapped
from apiserver.cel.values import Failed

_LONGEST_LINE = 16384
"""Lines beyond that are not shown."""
_MOST_FAULTS = 100


def compiled(
    text: str,
    variables: Mapping[str, Type],
    field_types: FieldTypes,
    *,
    environment: Any = None,
    lenient: bool = False,
) -> Checked | None:
    """The checked expression; None for one that is so deep that its types are not looked at. `environment` is the CEL
    package's, of the same variables (those of rules); `lenient`: it may call functions that are not known here. Raises
    ValueError with cel-go's message, and ImportError where the CEL package is not installed."""
    environment = environment or evaluation.environment()
    try:
        tree = parse(environment.compile(text, disable_check=True).serialize())
    except RuntimeError as error:
        raise ValueError(evaluation.tidy(str(error))) from None
    macros = has_macros(tree)
    tree = expanded(tree)
    refusal = "" if macros else _refusal(environment, text)
    try:
        found = check(tree, variables, field_types, lenient=lenient or not (refusal or macros))
        faults = found.faults or ([] if refusal else _literal_faults(found))
    except (TooComplex, RecursionError):
        found, faults = None, []
    if faults:
        raise ValueError(display(text, faults))
    if refusal:
        raise ValueError(refusal)
    return found


def _refusal(environment: Any, text: str) -> str:
    """What the CEL package has against an expression whose variables can be anything."""
    try:
        environment.compile(text)
    except RuntimeError as error:
        return evaluation.tidy(str(error))
    return ""


def display(text: str, faults: list[tuple[int, str]]) -> str:
    """Faults as cel-go prints them: in the order of the text, each with its line and a pointer below it."""
    ordered = sorted(faults, key=lambda fault: fault[0])
    shown = [_displayed(text, offset, fault) for offset, fault in ordered[:_MOST_FAULTS]]
    if len(ordered) > _MOST_FAULTS:
        shown.append(f"{len(ordered) - _MOST_FAULTS} more errors were truncated")
    return "\n".join(shown)


def _displayed(text: str, offset: int, fault: str) -> str:
    line = text.count("\n", 0, offset) + 1
    start = text.rfind("\n", 0, offset) + 1
    shown, column = text[start:].partition("\n")[0], offset - start
    head = f"ERROR: <input>:{line}:{column + 1}: {fault}"
    if len(shown) > _LONGEST_LINE:
        return head
    dots = "".join("." if character.isascii() else "．" for character in shown[:column])
    pointer = "^" if shown[column : column + 1].isascii() else "＾"
    return f"{head}\n | {shown.replace(chr(9), ' ')}\n | {dots}{pointer}"


# literals, which are looked at when the types are right (cel-go's `cel/validator.go`)


@lru_cache(maxsize=3)
def _conversion(function: str) -> Any:
    text = "''.matches(self)" if function == "matches" else f"{function}(self)"
    return evaluation.environment().compile(text)


def _literal_faults(checked: Checked) -> list[tuple[int, str]]:
    """Texts that are no durations, times or regular expressions, and literals of elements of several types."""
    found: list[tuple[int, str]] = []
    formatted = _within_format(checked)
    for node in walk(checked.tree.root):
        match node:
            case Call(function="duration" | "timestamp" | "matches" as function, args=[Constant(kind="string"), *_]):
                if not _converts(function, node.args[0]):
                    found.append((_at(checked, node.args[0]), f"invalid {function} argument"))
            case ListNode() if id(node) not in formatted:
                items = [(item, at in node.optional) for at, item in enumerate(node.elements)]
                found += _mixed(checked, items)[:1]
            case MapNode() if id(node) not in formatted:
                found += _mixed(checked, [(entry.key, False) for entry in node.entries])
                found += _mixed(checked, [(entry.value, entry.optional) for entry in node.entries])
    return found


def _converts(function: str, literal: Node) -> bool:
    try:
        evaluation.evaluated(_conversion(function), {"self": getattr(literal, "value", "")})
    except Failed:
        return False
    return True


def _at(checked: Checked, node: Node) -> int:
    return checked.tree.positions.get(node.id, 0)


def _within_format(checked: Checked) -> set[int]:
    """The literals among the arguments of format(), whose elements may be of any types."""
    found: set[int] = set()
    for node in walk(checked.tree.root):
        if isinstance(node, Call) and node.function == "format":
            waiting = list(node.args)
            while waiting:
                inner = waiting.pop()
                if isinstance(inner, ListNode | MapNode):
                    found.add(id(inner))
                    waiting += below(inner)
    return found


def _mixed(checked: Checked, items: list[tuple[Node, bool]]) -> list[tuple[int, str]]:
    found: list[tuple[int, str]] = []
    first: Type | None = None
    for node, optional in items:
        kind = checked.types[id(node)]
        kind = unwrapped(kind)[0] if optional else kind
        if first is None:
            first = kind
        elif kind != first:
            found.append((_at(checked, node), f"expected type '{first}' but found '{kind}'"))
    return found
