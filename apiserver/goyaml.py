"""YAML as sigs.k8s.io/yaml reads it (go-yaml v2): libyaml parses, what a scalar means is go-yaml's to say.

That is YAML 1.1 without base 60 and with octals of both kinds; times are text, tags of one's own mean nothing, keys
are text.
"""

from __future__ import annotations

import base64
import binascii
import datetime
import math
import re
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

from apiserver.field import quote, show_float

if TYPE_CHECKING:
    import yaml

NODES, KEY_NODES = 1_000_000, 1_000
"""Values that a text may come to once its aliases are written out, and those of a key that is none and is shown."""
DEPTH = 500
"""Levels of nesting: what Python's recursion allows (go-yaml: 10,000)."""
_TAGS = "tag:yaml.org,2002:"
_PLAIN = "plain"
_OPENERS = (b"[", b"{", b"- ", b"-\n", b"? ", b":")
"""Every level of nesting takes one of these."""
_WORDS: dict[str, Any] = (
    dict.fromkeys("y Y yes Yes YES true True TRUE on On ON".split(), True)
    | dict.fromkeys("n N no No NO false False FALSE off Off OFF".split(), False)
    | dict.fromkeys(["", "~", "null", "Null", "NULL"])
    | dict.fromkeys([".nan", ".NaN", ".NAN"], math.nan)
    | dict.fromkeys([".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"], math.inf)
    | dict.fromkeys(["-.inf", "-.Inf", "-.INF"], -math.inf)
)
_INTEGER = re.compile(r"([-+]?)(0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_BASE_60 = re.compile(r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?")
_TIME = re.compile(
    r"(\d{4})-(\d\d?)-(\d\d?)"
    r"(?P<clock>(?P<mark>[Tt ])(?P<hour>\d\d?):(?P<minute>\d\d?):(?P<second>\d\d?)(\.\d+)?(?P<zone>.*))?",
    re.ASCII,
)
_ZONE = re.compile(r"Z|[-+]\d\d:\d\d", re.ASCII)
_LONGEST = 66
"""Digits of an int64, in base 2 with its prefix; Python refuses to read decimal numbers of thousands."""
_BASES = {"0x": 16, "0b": 2, "0o": 8}


class GoYamlError(ValueError):
    """What is wrong, in go-yaml's words."""


def load(data: bytes) -> Any:
    """The JSON value of the first document. Raises GoYamlError."""
    import yaml

    try:
        if sum(map(data.count, _OPENERS)) > DEPTH:
            _check_depth(data)
        return _copied(next(yaml.load_all(data, Loader=_loader()), None), [NODES])
    except GoYamlError:
        raise
    except yaml.composer.ComposerError as error:
        raise GoYamlError(_faulty_alias(data) or _worded(error)) from None
    except yaml.MarkedYAMLError as error:
        raise GoYamlError(_worded(error)) from None
    except yaml.reader.ReaderError as error:
        raise GoYamlError(f"yaml: {error.reason}") from None
    except RecursionError as error:
        raise GoYamlError(_faulty_alias(data) or f"yaml: {error}") from None
    except (yaml.YAMLError, ValueError) as error:
        raise GoYamlError(f"yaml: {error}") from None


def plain(text: str) -> Any:
    """What a scalar without quotes means."""
    if text in _WORDS:
        return _WORDS[text]
    first = text[0]
    if first == "." or first in "+-" or (first.isascii() and first.isdigit()):
        found = _number(text if first == "." else text.replace("_", ""))
        if found is not None:
            return found
    return text


def stays_text(text: str) -> bool:
    """Whether a text may be written without quotes, as far as its meaning goes: nobody may read anything else in it."""
    if not isinstance(plain(text), str):
        return False
    return not (text[0] in "+-0123456789" and (_BASE_60.fullmatch(text) or _is_time(text)))


def _is_time(text: str) -> bool:
    found = _TIME.fullmatch(text)
    if found is None:
        return False
    year, month, day = map(int, found.group(1, 2, 3))
    try:
        datetime.date(year or 4, month, day)
    except ValueError:
        return False
    if not found["clock"]:
        return True
    hour, minute, second = map(int, found.group("hour", "minute", "second"))
    zoned = found["mark"] in ("T", "t")
    if hour > 23 or minute > 59 or second > 59:
        return False
    return bool(_ZONE.fullmatch(found["zone"])) if zoned else not found["zone"]


def _number(text: str) -> int | float | None:
    whole = _INTEGER.fullmatch(text)
    if whole and len(whole[2]) <= _LONGEST:
        digits = whole[2].lower()
        base = _BASES.get(digits[:2], 8 if digits[0] == "0" and len(digits) > 1 else 10)
        value = int(digits[2:] if digits[:2] in _BASES else digits, base) * (-1 if whole[1] == "-" else 1)
        if -(2**63) <= value < 2**63:
            return value
    if not _FLOAT.fullmatch(text):
        return None
    number = float(text)
    return None if math.isinf(number) else number


def _tagged(tag: str, text: str) -> Any:
    """A scalar whose type is stated."""
    short = tag.removeprefix(_TAGS)
    if short in ("str", "timestamp"):
        return text
    if short == "binary":
        try:
            return base64.b64decode("".join(text.split()), validate=True).decode("utf-8", "replace")
        except binascii.Error:
            raise GoYamlError("yaml: !!binary value contains invalid base64 data") from None
    if short not in ("bool", "int", "float", "null"):
        return text
    value = plain(text)
    found = {bool: "bool", int: "int", float: "float", str: "str"}.get(type(value), "null")
    if found == short:
        return value
    if (found, short) == ("int", "float"):
        return float(value)
    raise GoYamlError(f"yaml: cannot decode !!{found} `{text}` as a !!{short}")


@cache
def _loader() -> type[yaml.SafeLoader]:
    import yaml

    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
        """Scalars are told apart by us, not by regular expressions of tags."""

        def resolve(self, kind: type, value: Any, implicit: Any) -> str:
            if kind is yaml.ScalarNode:
                if not implicit[0]:
                    return f"{_TAGS}str"
                return f"{_TAGS}merge" if value == "<<" else _PLAIN
            return f"{_TAGS}seq" if kind is yaml.SequenceNode else f"{_TAGS}map"

        def construct_mapping(self, node: Any, deep: bool = False) -> dict[str, Any]:
            self.flatten_mapping(node)
            found = {}
            for key_node, value_node in node.value:
                key = self.construct_object(key_node, deep=True)
                if isinstance(key, (list, dict)):
                    raise GoYamlError(f"yaml: invalid map key: {_go_syntax(_copied(key, [KEY_NODES]))}")
                found[_key(key)] = self.construct_object(value_node, deep=deep)
            return found

        def construct_other(self, node: Any) -> Any:
            if isinstance(node, yaml.ScalarNode):
                return _tagged(node.tag, node.value)
            make = self.construct_yaml_map if isinstance(node, yaml.MappingNode) else self.construct_yaml_seq
            return make(node)

    Loader.yaml_implicit_resolvers = {}
    Loader.yaml_constructors = {
        _PLAIN: lambda loader, node: plain(node.value),
        f"{_TAGS}str": lambda loader, node: node.value,
        f"{_TAGS}merge": lambda loader, node: node.value,
        f"{_TAGS}map": Loader.construct_yaml_map,
        f"{_TAGS}seq": Loader.construct_yaml_seq,
        None: Loader.construct_other,
    }
    return Loader


def _key(key: Any) -> str:
    if isinstance(key, bool):
        return "true" if key else "false"
    if isinstance(key, float):
        return show_float(key)
    return "null" if key is None else str(key)


def _go_syntax(value: Any) -> str:
    """`%#v` of what go-yaml makes of a value."""
    if value is None:
        return "interface {}(nil)"
    if isinstance(value, dict):
        members = ", ".join(f"{quote(name)}:{_go_syntax(item)}" for name, item in sorted(value.items()))
        return f"map[interface {{}}]interface {{}}{{{members}}}"
    if isinstance(value, list):
        return f"[]interface {{}}{{{', '.join(map(_go_syntax, value))}}}"
    return quote(value) if isinstance(value, str) else _key(value)


def _copied(value: Any, budget: list[int]) -> Any:
    """A tree of its own: aliases are copied, so what they may grow to is bounded by `budget`."""
    budget[0] -= 1
    if budget[0] < 0:
        raise GoYamlError("yaml: document contains excessive aliasing")
    if isinstance(value, dict):
        return {key: _copied(item, budget) for key, item in value.items()}
    if isinstance(value, list):
        return [_copied(item, budget) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        shown = "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
        raise GoYamlError(f"json: unsupported value: {shown}")
    return value


def _events(data: bytes, look: Callable[[Any, list[str | None]], str]) -> str:
    """What `look` has to say of an event, given the anchors of the collections around it."""
    import yaml

    around: list[str | None] = []
    for event in yaml.parse(data, Loader=_loader()):
        if isinstance(event, yaml.CollectionEndEvent):
            around.pop()
        found = look(event, around)
        if found:
            return found
        if isinstance(event, yaml.CollectionStartEvent):
            around.append(event.anchor)
    return ""


def _check_depth(data: bytes) -> None:
    """Libyaml's composer recurses on the C stack; its parser does not."""
    text = _events(data, lambda event, around: "exceeded max depth of 10000" if len(around) > DEPTH else "")
    if text:
        raise GoYamlError(f"yaml: {text}")


def _faulty_alias(data: bytes) -> str:
    """What is wrong with the first alias that nobody can follow."""
    import yaml

    known: set[str] = set()

    def look(event: Any, around: list[str | None]) -> str:
        if isinstance(event, yaml.AliasEvent):
            if event.anchor in around:
                return f"yaml: anchor '{event.anchor}' value contains itself"
            return "" if event.anchor in known else f"yaml: unknown anchor '{event.anchor}' referenced"
        known.add(getattr(event, "anchor", None) or "")
        return ""

    try:
        return _events(data, look)
    except yaml.YAMLError:
        return ""


_CONTEXTS = {
    "mapping values are not allowed here": "mapping values are not allowed in this context",
    "expected ',' or ']', but got '<stream end>'": "did not find expected ',' or ']'",
    "expected ',' or '}', but got '<stream end>'": "did not find expected ',' or '}'",
    "exceeded maximum nesting depth": "exceeded max depth of 10000",  # libyaml has a limit of its own since 0.2.6
}


def _worded(error: Any) -> str:
    from yaml.scanner import ScannerError

    problem = str(error.problem or error.context or "")
    problem = _CONTEXTS.get(problem, problem)
    line = error.problem_mark.line if error.problem_mark is not None else 0
    if line:
        line += isinstance(error, ScannerError)  # go-yaml counts lines from 0 for the parser, from 1 for the scanner
    elif error.context_mark is not None:
        line = error.context_mark.line
    return f"yaml: line {line}: {problem}" if line else f"yaml: {problem}"
