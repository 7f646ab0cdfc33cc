"""Regular expressions that say where they match, in time linear in the text: find() and findAll() of Kubernetes' CEL.

The CEL package only says whether RE2 matches, and Python's own engine can be made to run for ever. So a pattern becomes
a program whose alternatives all advance together, those that RE2 prefers first (Pike's algorithm).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from importlib import import_module
from typing import Any, NamedTuple

from apiserver.schema.cel_values import Failed, spend

_WEIGHT = 4
"""What a step counts in the budget of an evaluation, beside looking at an item of a list."""
_LARGEST = 10_000
"""Instructions of a program."""
_POSIX = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "blank": r"\t ",
    "digit": "0-9",
    "lower": "a-z",
    "punct": r"!-/:-@\[-`{-~",
    "space": r"\t-\r ",
    "upper": "A-Z",
    "word": "0-9A-Za-z_",
    "xdigit": "0-9A-Fa-f",
}
_WORD = frozenset("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_")
_CATEGORIES: dict[str, Callable[[str], bool]] = {
    "DIGIT": lambda character: character in "0123456789",
    "SPACE": lambda character: character in "\t\n\f\r ",
    "WORD": lambda character: character in _WORD,
}


class _Step(NamedTuple):
    """An instruction: "take" a character that `test` accepts, go "on" to `first` (then `second`, less preferred), go on
    where an "anchor" holds, or "match"."""

    kind: str
    first: int = 0
    second: int = -1
    test: Callable[..., bool] | None = None


Program = tuple[_Step, ...]


def find(text: str, pattern: str) -> str:
    """What matches first; "" where nothing does. Raises Failed."""
    found = _search(_compiled(pattern), text, 0)
    return "" if found is None else text[found[0] : found[1]]


def find_all(text: str, pattern: str, limit: int = -1) -> list[str]:
    """All matches, at most `limit` of them where it is not negative. Raises Failed."""
    found: list[str] = []
    for start, end in _matches(_compiled(pattern), text):
        if 0 <= limit <= len(found):
            break
        found.append(text[start:end])
    return found


def _matches(program: Program, text: str) -> Iterator[tuple[int, int]]:
    """Matches that do not overlap; one of nothing right after another does not count (Go's FindAll)."""
    at, before = 0, -1
    while at <= len(text):
        found = _search(program, text, at)
        if found is None:
            return
        if found != (before, before):
            yield found
        at = found[1] if found[1] > at else at + 1
        before = found[1]


def _search(program: Program, text: str, at: int) -> tuple[int, int] | None:
    """The leftmost match from `at` on; of several there the one that the pattern prefers."""
    found: tuple[int, int] | None = None
    threads: list[tuple[int, int]] = []
    for place in range(at, len(text) + 1):
        if found is None:
            threads.append((0, place))
        reached = _reached(program, threads, text, place)
        spend(_WEIGHT * (len(reached) + 1))
        threads = []
        for number, start in reached:
            step = program[number]
            if step.kind == "match":
                found = (start, place)
                break
            if place < len(text) and step.test is not None and step.test(text[place]):
                threads.append((step.first, start))
        if not threads and found is not None:
            break
    return found


def _reached(program: Program, threads: list[tuple[int, int]], text: str, place: int) -> list[tuple[int, int]]:
    """The instructions that take a character or match, from these threads on, the preferred ones first."""
    seen: set[int] = set()
    found: list[tuple[int, int]] = []
    waiting = threads[::-1]
    while waiting:
        number, start = waiting.pop()
        if number in seen:
            continue
        seen.add(number)
        step = program[number]
        if step.kind == "on":
            if step.second >= 0:
                waiting.append((step.second, start))
            waiting.append((step.first, start))
        elif step.kind == "anchor":
            if step.test is not None and step.test(text, place):
                waiting.append((step.first, start))
        else:
            found.append((number, start))
    return found


# patterns


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> Program:
    parser = import_module("re._parser")
    try:
        tree = parser.parse(_as_python(pattern))
        compiler = _Compiler(tree.state.flags)
        compiler.sequence(tree, compiler.flags)
    except (re.error, RecursionError, OverflowError) as error:
        raise Failed(f"Illegal regex: {error}") from None
    compiler.add(_Step("match"))
    return tuple(compiler.steps)


def _as_python(pattern: str) -> str:
    """What RE2 writes differently."""
    quoted = re.sub(r"\\Q(.*?)(?:\\E|$)", lambda match: re.escape(match[1]), pattern, flags=re.DOTALL)
    named = re.sub(r"\(\?<([A-Za-z_]\w*)>", r"(?P<\1>", quoted.replace(r"\z", r"\Z"))
    return re.sub(r"\[:(\w+):\]", lambda match: _POSIX.get(match[1], match[0]), named)


class _Compiler:
    def __init__(self, flags: int) -> None:
        self.flags, self.steps = flags, list[_Step]()

    def add(self, step: _Step) -> int:
        if len(self.steps) >= _LARGEST:
            raise Failed("Illegal regex: expression too large")
        self.steps.append(step)
        return len(self.steps) - 1

    def _take(self, test: Callable[[str], bool], flags: int) -> None:
        if flags & re.IGNORECASE:
            self.add(_Step("take", len(self.steps) + 1, test=lambda one: test(one.lower()) or test(one.upper())))
        else:
            self.add(_Step("take", len(self.steps) + 1, test=test))

    def sequence(self, parts: Any, flags: int) -> None:
        for kind, value in parts:
            self._part(str(kind), value, flags)

    def _part(self, kind: str, value: Any, flags: int) -> None:
        match kind:
            case "LITERAL" | "NOT_LITERAL" | "IN":
                self._take(_one_of([(kind, value)] if kind != "IN" else value), flags)
            case "ANY":
                self._take(lambda one: bool(flags & re.DOTALL) or one != "\n", flags & ~re.IGNORECASE)
            case "SUBPATTERN":
                _, added, removed, inner = value
                self.sequence(inner, (flags | added) & ~removed)
            case "BRANCH":
                self._branch(value[1], flags)
            case "MAX_REPEAT" | "MIN_REPEAT":
                self._repeat(*value, greedy=kind == "MAX_REPEAT", flags=flags)
            case "AT":
                self.add(_Step("anchor", len(self.steps) + 1, test=_anchor(str(value), flags)))
            case _:
                raise Failed(f"Illegal regex: {kind.lower()} is not supported")

    def _branch(self, branches: list[Any], flags: int) -> None:
        ends = []
        for branch in branches[:-1]:
            fork = self.add(_Step("on"))
            self.sequence(branch, flags)
            ends.append(self.add(_Step("on")))
            self.steps[fork] = _Step("on", fork + 1, len(self.steps))
        self.sequence(branches[-1], flags)
        for end in ends:
            self.steps[end] = _Step("on", len(self.steps))

    def _repeat(self, least: int, most: Any, inner: Any, *, greedy: bool, flags: int) -> None:
        for _ in range(least):
            self.sequence(inner, flags)
        if str(most) == "MAXREPEAT":
            fork = self.add(_Step("on"))
            self.sequence(inner, flags)
            self.add(_Step("on", fork))
            self.steps[fork] = _fork(fork + 1, len(self.steps), greedy)
            return
        forks = []
        for _ in range(int(most) - least):
            forks.append(self.add(_Step("on")))
            self.sequence(inner, flags)
        for fork in forks:
            self.steps[fork] = _fork(fork + 1, len(self.steps), greedy)


def _fork(inside: int, behind: int, greedy: bool) -> _Step:
    return _Step("on", inside, behind) if greedy else _Step("on", behind, inside)


def _one_of(parts: Any) -> Callable[[str], bool]:
    tests: list[Callable[[str], bool]] = []
    negated = False
    for kind, value in parts:
        match str(kind):
            case "NEGATE":
                negated = True
            case "LITERAL":
                tests.append(lambda one, wanted=chr(value): one == wanted)  # type: ignore[misc]
            case "NOT_LITERAL":
                tests.append(lambda one, unwanted=chr(value): one != unwanted)  # type: ignore[misc]
            case "RANGE":
                tests.append(lambda one, ends=value: ends[0] <= ord(one) <= ends[1])  # type: ignore[misc]
            case "CATEGORY":
                tests.append(_category(str(value)))
    return lambda one: any(test(one) for test in tests) != negated


def _category(name: str) -> Callable[[str], bool]:
    inside = _CATEGORIES[name.removeprefix("CATEGORY_").removeprefix("NOT_")]
    return (lambda one: not inside(one)) if "NOT_" in name else inside


def _anchor(name: str, flags: int) -> Callable[[str, int], bool]:
    lines = bool(flags & re.MULTILINE)
    match name:
        case "AT_BEGINNING" | "AT_BEGINNING_STRING":
            return lambda text, at: at == 0 or (lines and name == "AT_BEGINNING" and text[at - 1] == "\n")
        case "AT_END" | "AT_END_STRING":
            return lambda text, at: at == len(text) or (lines and name == "AT_END" and text[at] == "\n")
        case "AT_BOUNDARY" | "AT_NON_BOUNDARY":
            return lambda text, at: _boundary(text, at) == (name == "AT_BOUNDARY")
    raise Failed(f"Illegal regex: {name.lower()} is not supported")


def _boundary(text: str, at: int) -> bool:
    before, after = at > 0 and text[at - 1] in _WORD, at < len(text) and text[at] in _WORD
    return before != after
