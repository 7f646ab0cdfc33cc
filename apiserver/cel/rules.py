"""Validation rules of custom resources, evaluated on objects.

Source of the rules: `pkg/apiserver/schema/cel/validation.go` of apiextensions-apiserver. Unlike there, what evaluating
costs is not counted in units: see `cel/values.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any, NamedTuple

from apiserver.cel import evaluation
from apiserver.cel.ast import Tree, parse
from apiserver.cel.check import check
from apiserver.cel.convert import convert
from apiserver.cel.encode import encode
from apiserver.cel.rewrite import expanded, program, with_formats, with_optional, with_times
from apiserver.cel.schema import RULES, STEP, TIMES, Declarations, Names, with_object_fields
from apiserver.cel.types import TooComplex, Type
from apiserver.cel.values import OUT_OF_BUDGET, Failed
from apiserver.field import OMIT, FieldError, duplicate, forbidden, invalid, required
from apiserver.schema.embedded import EMBEDDED, parts

Json = Mapping[str, Any]
LONGEST_MESSAGE = 5 * 1024
"""Bytes of what a messageExpression may say."""


class ByIdentity:
    """A schema as a cache key: schemas are large, never changed, and kept alive by the cache's entry."""

    __slots__ = ("value",)

    def __init__(self, value: Json) -> None:
        self.value = value

    def __hash__(self) -> int:
        return id(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ByIdentity) and other.value is self.value


class Rule:
    """One compiled expression, to be evaluated on values of a schema. `optional`: whether `oldSelf` is one. Raises
    ValueError with the compiler's message."""

    def __init__(self, text: str, schema: Json, optional: bool = False) -> None:
        environment = evaluation.environment()
        try:
            self._program = program(environment, text)
            tree = expanded(parse(environment.compile(text, disable_check=True).serialize()))
        except RuntimeError as error:
            raise ValueError(f"compilation failed: {evaluation.tidy(str(error))}") from None
        self.transition = tree.mentions("oldSelf")
        root = with_times(tree.root, _types(tree, schema)) if _times_within(ByIdentity(schema)) else tree.root
        if optional and self.transition:
            root = with_optional(root, "oldSelf")
        root = with_formats(root)
        if root is not tree.root:
            self._program = environment.deserialize(encode(Tree(root, {})))

    def value(self, itself: Any, old: Any) -> Any:
        """What it answers. Raises Failed."""
        return evaluation.evaluated(self._program, {"self": itself, "oldSelf": old})


def _types(tree: Tree, schema: Json) -> Mapping[int, Type]:
    declared = Declarations().of(schema)
    if declared is None:
        return {}
    names = Names()
    itself = names.root(declared)
    try:
        return check(tree, {"self": itself, "oldSelf": itself}, names.field, lenient=True).types
    except (TooComplex, RecursionError):
        return {}


@lru_cache(maxsize=2048)
def _compiled(text: str, schema: ByIdentity, optional: bool) -> Rule:
    return Rule(text, schema.value, optional)


def compiled(text: str, schema: Json, optional: bool = False) -> Rule:
    """The rule, compiled once."""
    return _compiled(text, ByIdentity(schema), optional)


@lru_cache(maxsize=512)
def _times_within(schema: ByIdentity) -> bool:
    """Whether some value of a schema is a time or a duration."""
    stated = schema.value
    if stated.get("format") in TIMES:
        return True
    return any(_times_within(ByIdentity(part)) for part in parts(stated))


class _Part(NamedTuple):
    """A part of an object. `old` is None where there is none to compare it with; `same` whether it (or what it lies in,
    where it cannot be compared) is as it was."""

    value: Any
    schema: Json
    old: Any
    same: bool
    path: str = ""
    root: bool = False

    @property
    def known(self) -> Json:
        """The schema as rules see it."""
        whole = self.root or self.schema.get(EMBEDDED)
        return _whole(ByIdentity(self.schema)) if whole else self.schema


class _Stop(Exception):
    """No more rules are evaluated."""


def faults(value: Any, schema: Json, old: Any = None) -> Iterator[FieldError]:
    """Rules that an object breaks; `old` is None on creation. What did not change is judged again by rules about
    changes only (KEP-4008: ratcheting), see `ratcheted`."""
    part = _Part(value, schema, old, old is not None and old == value, root=True)
    with suppress(_Stop):
        yield from _broken(part, unchanged=False)


def ratcheted(value: Any, schema: Json, old: Any) -> list[str]:
    """Rules that parts of an object break which an update left as they were: warnings for the client."""
    part = _Part(value, schema, old, old == value, root=True)
    found: list[str] = []
    with suppress(_Stop):
        found.extend(str(fault) for fault in _broken(part, unchanged=True))
    return found


def _broken(part: _Part, *, unchanged: bool) -> Iterator[FieldError]:
    """Rules about what changed and about changes, or (`unchanged`) those of which an update is not refused."""
    if part.value is None:
        return
    if part.schema.get(RULES):
        yield from _of_part(part, unchanged)
    for inner in _members(part):
        yield from _broken(inner, unchanged=unchanged)


def _of_part(part: _Part, unchanged: bool) -> Iterator[FieldError]:
    if not evaluation.available():
        yield forbidden(part.path or "<nil>", evaluation.MISSING)
        return
    values: tuple[Any, Any] | None = None
    for rule in part.schema[RULES]:
        optional = bool(rule.get("optionalOldSelf"))
        try:
            judge = compiled(rule["rule"], part.known, optional)
        except ValueError as error:
            yield invalid(part.path or "<nil>", _type(part), f"rule compile error: {error}")
            continue
        if judge.transition and part.old is None and not optional:
            continue
        if (part.same and not judge.transition) != unchanged:
            continue
        values = values or (convert(part.value, part.known), convert(part.old, part.known))
        yield from _judged(rule, judge, part, *values)


def _judged(rule: Json, judge: Rule, part: _Part, itself: Any, old: Any) -> Iterator[FieldError]:
    try:
        if judge.value(itself, old) is True:
            return
    except Failed as error:
        yield _failed(rule, part, str(error))
        if str(error) == OUT_OF_BUDGET:
            raise _Stop from None
        return
    text = _said(rule.get("messageExpression") or "", part, itself, old) or _text(
        rule, f"failed rule: {rule['rule'].strip()}"
    )
    yield _fault(rule, part, text)


def _failed(rule: Json, part: _Part, why: str) -> FieldError:
    """A rule that could not be evaluated."""
    shown = _text(rule, rule["rule"].strip())
    if why.startswith("no such overload"):
        text = (
            f"'{why}': call arguments did not match a supported operator, function or macro signature for rule: {shown}"
        )
    elif why == OUT_OF_BUDGET:
        text = f"'{why}': no further validation rules will be run due to call cost exceeds limit for rule: {shown}"
    else:
        text = f"{why} evaluating rule: {shown}"
    return invalid(part.path or "<nil>", _type(part), text)


def _type(part: _Part) -> str:
    return str(part.schema.get("type") or "")


def _text(rule: Json, otherwise: str) -> str:
    return str(rule["message"]).strip() if rule.get("message") else otherwise


def _said(expression: str, part: _Part, itself: Any, old: Any) -> str:
    """What a messageExpression says; "" where it says nothing of use."""
    if not expression:
        return ""
    try:
        found = compiled(expression, part.known).value(itself, old)
    except (Failed, ValueError):
        return ""
    text = found.strip() if isinstance(found, str) else ""
    return "" if "\n" in text or len(text.encode()) > LONGEST_MESSAGE else text


def _fault(rule: Json, part: _Part, text: str) -> FieldError:
    where = ".".join(filter(None, (part.path, normalized(rule.get("fieldPath") or "", part.schema)))) or "<nil>"
    shown = OMIT if _type(part) in ("object", "array") else part.value
    match rule.get("reason"):
        case "FieldValueRequired":
            return required(where, text)
        case "FieldValueForbidden":
            return forbidden(where, text)
        case "FieldValueDuplicate":
            return (
                FieldError("FieldValueDuplicate", where, "Duplicate value")
                if shown is OMIT
                else duplicate(where, shown)
            )
    return invalid(where, shown, text)


def normalized(field_path: str, schema: Json) -> str:
    """A rule's fieldPath (`.map['key']`) as a path of errors (`map[key]`)."""
    found = ""
    for step in STEP.finditer(field_path):
        name = step[1] or step[2]
        if schema.get("properties"):
            found, schema = (f"{found}.{name}" if found else name), schema["properties"].get(name) or {}
        else:
            found, schema = f"{found}[{name}]", schema.get("additionalProperties") or {}
    return found


# the parts of an object


@lru_cache(maxsize=256)
def _whole(schema: ByIdentity) -> Json:
    return with_object_fields(schema.value)


def _members(part: _Part) -> Iterator[_Part]:
    value, schema, path = part.value, part.schema, part.path
    if isinstance(value, dict):
        before = part.old if isinstance(part.old, dict) else {}
        properties, rest = schema.get("properties") or {}, schema.get("additionalProperties")
        for key, item in value.items():
            inner = properties.get(key)
            if inner is not None:
                yield _compared(item, inner, before.get(key), part, f"{path}.{key}" if path else key)
            elif isinstance(rest, Mapping):
                yield _compared(item, rest, before.get(key), part, f"{path}[{key}]")
    elif isinstance(value, list) and isinstance(schema.get("items"), Mapping):
        keys = schema.get("x-kubernetes-list-map-keys") or ()
        for at, item in enumerate(value):
            yield _compared(item, schema["items"], _same_item(item, keys, part.old), part, f"{path}[{at}]")


def _compared(value: Any, schema: Json, old: Any, around: _Part, path: str) -> _Part:
    return _Part(value, schema, old, around.same if old is None else value == old, path)


def _same_item(item: Any, keys: Any, old: Any) -> Any:
    """The item of the old list with the same keys; lists without keys cannot be compared item by item."""
    if not keys or not isinstance(old, list) or not isinstance(item, dict):
        return None
    same = (other for other in old if isinstance(other, dict) and all(other.get(key) == item.get(key) for key in keys))
    return next(same, None)
