"""Validation rules of custom resources in CEL (`x-kubernetes-validations`, KEP-2876), evaluated by `cel-expr-python`.

The package is optional: it weighs 50 MB. Without it a definition that has rules is refused, not silently accepted.
"""

from __future__ import annotations

import base64
import datetime
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib import import_module
from typing import Any

from apiserver.field import FieldError, duplicate, forbidden, invalid, required
from apiserver.schema.cel_ast import parse
from apiserver.schema.cel_functions import functions
from apiserver.schema.cel_schema import EMBEDDED, RULES, escape, with_object_fields
from apiserver.schema.cel_values import OUT_OF_BUDGET, Failed, begin

Json = Mapping[str, Any]
MISSING = "rules need the package cel-expr-python, which is not installed"
_EXTENSIONS = ("Strings", "Optional", "Math")
"""Those that Kubernetes has; `cel.bind`, which it has not, would let a short expression make an endless text."""


def module() -> Any:
    """The CEL package. Raises ImportError where it is not installed."""
    return import_module("cel_expr_python.cel")


def extensions() -> list[Any]:
    """What Kubernetes adds to plain CEL: the package's own libraries, and ours for the rest."""
    parts = [(name, import_module(f"cel_expr_python.ext.ext_{name.lower()}")) for name in _EXTENSIONS]
    return [*(getattr(part, f"Ext{name}")() for name, part in parts), functions(module())]


@lru_cache(maxsize=1)
def environment() -> Any:
    """That of rules, in which every variable can be anything."""
    cel = module()
    return cel.NewEnv(variables={"self": cel.Type.DYN, "oldSelf": cel.Type.DYN}, extensions=extensions())


def available() -> bool:
    """Whether rules can be evaluated."""
    try:
        environment()
    except ImportError:
        return False
    return True


class Rule:
    """One compiled expression, to be evaluated. Raises ValueError with the compiler's message."""

    def __init__(self, text: str) -> None:
        try:
            self.program = environment().compile(text)
        except RuntimeError as error:
            raise ValueError(f"compilation failed: {tidy(str(error))}") from None
        self.transition = parse(self.program.serialize()).mentions("oldSelf")

    def fault(self, value: Any, old: Any) -> str | None:
        """None where the rule holds, "" where it does not, else why it could not be evaluated."""
        try:
            return None if evaluated(self.program, {"self": value, "oldSelf": old}) is True else ""
        except Failed as error:
            return str(error)

    def text(self, value: Any, old: Any) -> str:
        """What a messageExpression says; "" where it says nothing of use."""
        try:
            found = evaluated(self.program, {"self": value, "oldSelf": old})
        except Failed:
            return ""
        return found if isinstance(found, str) and "\n" not in found else ""


def evaluated(program: Any, data: Mapping[str, Any]) -> Any:
    """The value of a compiled expression as plain JSON. Raises Failed, in the words of cel-go."""
    begin()
    try:
        found = program.eval(data=data)
    except RuntimeError as error:
        raise Failed(evaluation_error(str(error))) from None
    if found.type().name() == "ERROR":
        raise Failed(evaluation_error(str(found.value())))
    return found.plain_value()


def evaluation_error(message: str) -> str:
    """The evaluator's message in the words of cel-go."""
    key = re.search(r'Key not found in map : "(.*)"', message)
    if key:
        return f"no such key: {key[1]}"
    if re.search("No matching overloads found|not supported between instances|unsupported operand type", message):
        return "no such overload"
    if "Iteration budget exceeded" in message:
        return OUT_OF_BUDGET
    return re.sub(r"^[A-Z_]+: ", "", message) or "evaluation failed"


def tidy(message: str) -> str:
    """The compiler's message without the status codes around it."""
    return re.sub(r" \[[A-Z_]+\]$", "", re.sub(r"^[A-Z_]+: ", "", message))


@lru_cache(maxsize=2048)
def compiled(text: str) -> Rule:
    """The rule, compiled once."""
    return Rule(text)


def has_rules(schema: Json) -> bool:
    """Whether any part of a schema has rules."""
    if schema.get(RULES):
        return True
    inner = [*(schema.get("properties") or {}).values(), schema.get("items"), schema.get("additionalProperties")]
    return any(has_rules(item) for item in inner if isinstance(item, Mapping))


def faults(value: Any, schema: Json, old: Any = None, path: str = "", root: bool = True) -> Iterator[FieldError]:
    """Rules that an object breaks; `old` is None on creation. A part that did not change is not judged again."""
    if old is not None and old == value:
        return
    known = _known(schema) if root or schema.get(EMBEDDED) else schema
    rules = schema.get(RULES) or ()
    if rules and not available():
        yield forbidden(path or "<nil>", MISSING)
        return
    for rule in rules:
        program = compiled(rule["rule"])
        if program.transition and old is None and not rule.get("optionalOldSelf"):
            continue
        after, before = convert(value, known), convert(old, known)
        why = program.fault(after, before)
        if why is not None:
            stated = rule.get("messageExpression")
            text = compiled(stated).text(after, before) if stated else ""
            yield _fault(rule, schema, path, why, text)
    for item, inner, before, below in _members(value, schema, old, path):
        yield from faults(item, inner, before, below, False)


class _ByIdentity:
    """A schema as a cache key: schemas are large, never changed, and kept alive by the cache's entry."""

    __slots__ = ("value",)

    def __init__(self, value: Json) -> None:
        self.value = value

    def __hash__(self) -> int:
        return id(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ByIdentity) and other.value is self.value


@lru_cache(maxsize=256)
def _known_of(schema: _ByIdentity) -> Json:
    return with_object_fields(schema.value)


def _known(schema: Json) -> Json:
    return _known_of(_ByIdentity(schema))


def _members(value: Any, schema: Json, old: Any, path: str) -> Iterator[tuple[Any, Json, Any, str]]:
    if isinstance(value, dict):
        before = old if isinstance(old, dict) else {}
        for key, item in value.items():
            inner = (schema.get("properties") or {}).get(key, schema.get("additionalProperties"))
            if isinstance(inner, Mapping):
                yield item, inner, before.get(key), f"{path}.{key}" if path else key
    elif isinstance(value, list) and isinstance(schema.get("items"), Mapping):
        keys = schema.get("x-kubernetes-list-map-keys") or ()
        for at, item in enumerate(value):
            yield item, schema["items"], _same_item(item, keys, old), f"{path}[{at}]"


def _same_item(item: Any, keys: Any, old: Any) -> Any:
    """The item of the old list with the same keys; lists without keys cannot be compared item by item."""
    if not keys or not isinstance(old, list) or not isinstance(item, dict):
        return None
    same = (other for other in old if isinstance(other, dict) and all(other.get(key) == item.get(key) for key in keys))
    return next(same, None)


def _fault(rule: Json, schema: Json, path: str, why: str, text: str) -> FieldError:
    text = text or rule.get("message") or f"failed rule: {rule['rule'].strip()}"
    if why:
        text = f"{why} evaluating rule: {text}"
    where = path + (rule.get("fieldPath") or "")
    where = where.lstrip(".") or "<nil>"
    shown = schema.get("type", "object")
    match rule.get("reason"):
        case "FieldValueRequired":
            return required(where, text)
        case "FieldValueForbidden":
            return forbidden(where, text)
        case "FieldValueDuplicate":
            return duplicate(where, shown)
    return invalid(where, shown, text)


def convert(value: Any, schema: Json) -> Any:
    """A JSON value as rules see it: escaped names, numbers as doubles, times and bytes as such."""
    if isinstance(value, dict):
        properties, rest = schema.get("properties") or {}, schema.get("additionalProperties")
        found = {}
        for key, item in value.items():
            inner = properties.get(key)
            name = escape(key) if inner is not None else key
            if name is not None:
                found[name] = convert(item, inner or (rest if isinstance(rest, Mapping) else {}))
        return found
    if isinstance(value, list):
        items = schema.get("items")
        return [convert(item, items if isinstance(items, Mapping) else {}) for item in value]
    if schema.get("type") == "number" and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, str) and schema.get("format") in ("date", "date-time", "byte"):
        return _formatted(value, schema["format"])
    return value


def _formatted(value: str, form: str) -> Any:
    try:
        if form == "byte":
            return base64.b64decode(value)
        found = datetime.datetime.fromisoformat(value)
    except ValueError:
        return value
    return found if found.tzinfo else found.replace(tzinfo=datetime.UTC)
