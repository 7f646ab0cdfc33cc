"""Label and field selectors: the query grammar of `labels.Parse` and `fields.ParseSelector`, with their error texts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Check = Callable[[str], list[str]]
"""What is wrong with a label key or value: messages, empty where it is fine."""

_SPECIAL = "=!(),<>"
_SYMBOLS = (")", ",", "!", "==", "=", ">", "<", "!=", "(")
_BINARY = "in, notin, =, ==, !=, gt, lt"
_NAMES = {"=": "=", "==": "=", "!=": "!=", "in": "in", "notin": "notin", ">": "gt", "<": "lt"}
END = ""


def _integer(text: str) -> int | None:
    digits = text[1:] if text[:1] in "+-" else text
    return int(text) if digits.isascii() and digits.isdigit() else None


@dataclass(slots=True, frozen=True)
class Requirement:
    """One term. operator: exists, !, =, !=, in, notin, gt, lt."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        value = labels.get(self.key)
        match self.operator:
            case "=" | "in":
                return value is not None and value in self.values
            case "!=" | "notin":
                return value is None or value not in self.values
            case "exists":
                return value is not None
            case "!":
                return value is None
        number, bound = _integer(value or ""), _integer(self.values[0])
        if number is None or bound is None:
            return False
        return number > bound if self.operator == "gt" else number < bound


@dataclass(slots=True, frozen=True)
class LabelSelector:
    """A conjunction of requirements; no requirement matches everything."""

    requirements: tuple[Requirement, ...] = ()

    @property
    def empty(self) -> bool:
        return not self.requirements

    def matches(self, labels: Mapping[str, str]) -> bool:
        return all(requirement.matches(labels) for requirement in self.requirements)

    def equality(self) -> tuple[str, str] | None:
        """A `key=value` requirement, where there is one: an index can serve it."""
        for requirement in self.requirements:
            if requirement.operator in ("=", "in") and len(requirement.values) == 1:
                return requirement.key, requirement.values[0]
        return None

    @classmethod
    def parse(cls, text: str, *, key_errors: Check | None = None, value_errors: Check | None = None) -> LabelSelector:
        """`a=b,c in (d,e),!f` -> selector. Raises ValueError with the API server's message."""
        return cls(tuple(_Parser(text, key_errors, value_errors).parse())) if text else cls()


def from_object(selector: Mapping[str, Any] | None) -> LabelSelector:
    """A `metav1.LabelSelector` ({matchLabels, matchExpressions}) as a selector; None matches nothing.

    An empty selector matches everything (API conventions). Raises ValueError on an unknown operator.
    """
    if selector is None:
        return NOTHING
    found = [Requirement(key, "=", (value,)) for key, value in (selector.get("matchLabels") or {}).items()]
    for expression in selector.get("matchExpressions") or ():
        operator = _EXPRESSIONS.get(expression.get("operator", ""))
        if operator is None:
            raise ValueError(f'"{expression.get("operator", "")}" is not a valid label selector operator')
        found.append(Requirement(expression.get("key", ""), operator, tuple(expression.get("values") or ())))
    return LabelSelector(tuple(found))


_EXPRESSIONS = {"In": "in", "NotIn": "notin", "Exists": "exists", "DoesNotExist": "!"}
NOTHING = LabelSelector((Requirement("", "exists"), Requirement("", "!")))


def from_set(labels: Mapping[str, str]) -> LabelSelector:
    """A plain map (`spec.selector` of a Service) as a selector."""
    return LabelSelector(tuple(Requirement(key, "=", (value,)) for key, value in labels.items()))


class _Parser:
    """Tokens with one token of look-ahead; the productions of apimachinery's `labels.Parser`."""

    def __init__(self, text: str, key_errors: Check | None, value_errors: Check | None) -> None:
        self.tokens = _tokens(text)
        self.at = 0
        self.key_errors, self.value_errors = key_errors, value_errors

    def peek(self) -> tuple[str, str]:
        return self.tokens[self.at]

    def take(self) -> tuple[str, str]:
        token = self.tokens[self.at]
        self.at = min(self.at + 1, len(self.tokens) - 1)
        return token

    def parse(self) -> list[Requirement]:
        found: list[Requirement] = []
        while True:
            kind, text = self.peek()
            if kind == "end":
                return found
            if kind not in ("word", "!"):
                raise ValueError(f"found '{text}', expected: !, identifier, or 'end of string'")
            try:
                found.append(self.requirement())
            except ValueError as error:
                raise ValueError(f"unable to parse requirement: {error}") from None
            kind, text = self.take()
            if kind == "end":
                return found
            if kind != ",":
                raise ValueError(f"found '{text}', expected: ',' or 'end of string'")
            kind, text = self.peek()
            if kind not in ("word", "!"):
                raise ValueError(f"found '{text}', expected: identifier after ','")

    def requirement(self) -> Requirement:
        kind, key = self.take()
        negated = kind == "!"
        if negated:
            kind, key = self.take()
        if kind != "word":
            raise ValueError(f"found '{key}', expected: identifier")
        self.check("<nil>", key, self.key_errors)
        if negated:
            return Requirement(key, "!")
        if self.peek()[0] in ("end", ","):
            return Requirement(key, "exists")
        operator = self.operator()
        values = self.values() if operator in ("in", "notin") else [self.exact()]
        return self.checked(Requirement(key, operator, tuple(values)))

    def operator(self) -> str:
        _, text = self.take()
        if text not in _NAMES:
            raise ValueError(f"found '{text}', expected: {_BINARY}")
        return _NAMES[text]

    def exact(self) -> str:
        if self.peek()[0] in ("end", ","):
            return ""
        kind, text = self.take()
        if kind != "word":
            raise ValueError(f"found '{text}', expected: identifier")
        return text

    def values(self) -> list[str]:
        kind, text = self.take()
        if kind != "(":
            raise ValueError(f"found '{text}' expected: '('")
        kind, text = self.peek()
        if kind == ")":
            self.take()
            return []
        if kind not in ("word", ","):
            raise ValueError(f"found '{text}', expected: ',', ')' or identifier")
        found = self.identifiers()
        kind, text = self.take()
        if kind != ")":
            raise ValueError(f"found '{text}', expected: ')'")
        return sorted(set(found))

    def identifiers(self) -> list[str]:
        found: list[str] = []
        while True:
            kind, text = self.take()
            if kind == "word":
                found.append(text)
                following, text = self.peek()
                if following == ")":
                    return found
                if following != ",":
                    raise ValueError(f"found '{text}', expected: ',' or ')'")
            elif kind == ",":
                following = self.peek()[0]
                if not found or following in (")", ","):
                    found.append("")
                if following == ")":
                    return found
            else:
                raise ValueError(f"found '{text}', expected: ',', or identifier")

    def checked(self, requirement: Requirement) -> Requirement:
        if requirement.operator in ("in", "notin") and not requirement.values:
            raise ValueError("values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty")
        if requirement.operator in ("gt", "lt") and _integer(requirement.values[0]) is None:
            shown = _quoted(requirement.values[0])
            raise ValueError(
                f"values[0]: Invalid value: {shown}: for 'Gt', 'Lt' operators, the value must be an integer"
            )
        for index, value in enumerate(requirement.values):
            self.check(f"values[{index}][{requirement.key}]", value, self.value_errors)
        return requirement

    @staticmethod
    def check(path: str, text: str, errors_of: Check | None) -> None:
        errors = errors_of(text) if errors_of else []
        if errors:
            raise ValueError(f"{path}: Invalid value: {_quoted(text)}: {'; '.join(errors)}")


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _tokens(text: str) -> list[tuple[str, str]]:
    """(kind, text) pairs; kind is `word`, `end` or the symbol. Keywords in/notin are words: position decides."""
    found: list[tuple[str, str]] = []
    at = 0
    while at < len(text):
        char = text[at]
        if char in " \t\r\n":
            at += 1
        elif char in _SPECIAL:
            symbol = next(text[at : at + size] for size in (2, 1) if text[at : at + size] in _SYMBOLS)
            found.append((symbol, symbol))
            at += len(symbol)
        else:
            end = at
            while end < len(text) and text[end] not in _SPECIAL and text[end] not in " \t\r\n":
                end += 1
            found.append(("word", text[at:end]))
            at = end
    found.append(("end", END))
    return found


@dataclass(slots=True, frozen=True)
class FieldSelector:
    """(field, operator, value) terms, all of which must hold; operator is `=` or `!=`."""

    requirements: tuple[tuple[str, str, str], ...] = ()

    @property
    def empty(self) -> bool:
        return not self.requirements

    def matches(self, fields: Mapping[str, str]) -> bool:
        """A field that the map lacks has the value ""."""
        return all((fields.get(name, "") == value) is (op == "=") for name, op, value in self.requirements)

    def exact(self, name: str) -> str | None:
        """The value that `name` must have, where the selector says so."""
        return next((value for field, op, value in self.requirements if field == name and op == "="), None)

    @classmethod
    def parse(cls, text: str) -> FieldSelector:
        """`metadata.name=x,spec.nodeName!=` -> selector; empty terms are skipped. Raises ValueError."""
        found = [_term(part, text) for part in sorted(_split(text)) if part]
        return cls(tuple(found))


def _split(text: str) -> Sequence[str]:
    parts, start, escaped = [], 0, False
    for at, char in enumerate(text):
        if escaped:
            escaped = False
        elif char == "\\":
            escaped = True
        elif char == ",":
            parts.append(text[start:at])
            start = at + 1
    parts.append(text[start:])
    return parts


def _term(term: str, whole: str) -> tuple[str, str, str]:
    for at in range(len(term)):
        for operator in ("!=", "==", "="):
            if term.startswith(operator, at):
                value = _unescape(term[at + len(operator) :])
                return term[:at], "!=" if operator == "!=" else "=", value
    raise ValueError(f"invalid selector: '{whole}'; can't understand '{term}'")


def _unescape(value: str) -> str:
    out: list[str] = []
    chars = iter(value)
    for char in chars:
        if char == "\\":
            following = next(chars, "")
            if following not in ("\\", ",", "="):
                raise ValueError(f"invalid field selector: invalid escape sequence: \\{following}")
            out.append(following)
        elif char in ",=":
            raise ValueError(f"invalid field selector: unescaped char {char}")
        else:
            out.append(char)
    return "".join(out)
