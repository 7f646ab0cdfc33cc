"""What is wrong with the rules of a definition: their types, and what evaluating them could cost.

Sources of the rules: `pkg/apis/apiextensions/validation` of apiextensions-apiserver (validation.go, cel_validation.go),
and `pkg/apiserver/schema/cel/compilation.go` there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from apiserver.cel import evaluation
from apiserver.cel.compile import compiled
from apiserver.cel.cost import estimate
from apiserver.cel.schema import RULES, Declarations, Declared, Names
from apiserver.cel.sizes import MOST
from apiserver.cel.types import BOOL, STRING, optional_of
from apiserver.field import FieldError, forbidden, internal, invalid
from apiserver.schema.go_schema import rule_as_go

Json = Mapping[str, Any]
EXPRESSION_LIMIT, SCHEMA_LIMIT = 10_000_000, 100_000_000
"""The most that one expression, and all of a schema together, may cost by estimate."""
_SHOWN = 4
"""So many of the most expensive expressions are named where all together cost too much."""
TOGETHER = "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema"
PART_OF_IT = "contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema"
UNTYPED = (
    "internal error: failed to construct type information for x-kubernetes-validations rules: unable to convert "
    "structural schema to CEL declarations"
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a schema is: `root` for that of the whole object; `uncorrelatable` the list or map around it whose members
    cannot be told from one another across an update, so that there is no `oldSelf`; `cardinality` how many such values
    an object can have, None where nothing bounds that."""

    path: str
    root: bool = False
    uncorrelatable: str = ""
    cardinality: int | None = 1


def inside(cardinality: int | None, schema: Json) -> int | None:
    """The cardinality of what is within a schema."""
    each: int | None = 1
    if schema.get("type") == "object" and schema.get("additionalProperties") is not None:
        each = schema.get("maxProperties")
    elif schema.get("type") == "array":
        each = schema.get("maxItems")
    return None if cardinality is None or each is None else min(cardinality * max(each, 0), MOST)


@dataclass(slots=True)
class Rules:
    """The rules of one version's schema: `faults` of each part, then `total` of all."""

    _declarations: Declarations = field(default_factory=Declarations)
    _cost: int = 0
    _expensive: list[tuple[int, str]] = field(default_factory=list)

    def faults(self, schema: Json, place: Place) -> Iterator[FieldError]:
        rules = schema.get(RULES) or ()
        if not rules:
            return
        if not evaluation.available():
            yield from (forbidden(f"{place.path}.{RULES}[{at}].rule", evaluation.MISSING) for at in range(len(rules)))
            return
        declared = self._declarations.of(schema, place.root)
        if declared is None:
            yield internal(f"{place.path}.{RULES}", UNTYPED)
            return
        for at, rule in enumerate(rules):
            yield from self._rule(rule, declared, place, f"{place.path}.{RULES}[{at}]")

    def _rule(self, rule: Json, declared: Declared, place: Place, where: str) -> Iterator[FieldError]:
        cardinality = declared.cardinality if place.cardinality is None else place.cardinality
        optional = rule.get("optionalOldSelf")
        try:
            cost, mentions = _examined(rule["rule"], declared, bool(optional), "rule")
        except ValueError as error:
            yield invalid(f"{where}.rule", rule_as_go(rule), str(error))
            mentions = False
        else:
            yield from self._spend(f"{where}.rule", min(cost * cardinality, MOST), "estimated rule cost")
            yield from self._message(rule, declared, bool(optional), where)
        if mentions and place.uncorrelatable:
            text = f"oldSelf cannot be used on the uncorrelatable portion of the schema within {place.uncorrelatable}"
            yield invalid(f"{where}.rule", rule["rule"], text)
        elif not mentions and optional is not None:
            yield invalid(f"{where}.optionalOldSelf", optional, "may not be set if oldSelf is not used in rule")

    def _message(self, rule: Json, declared: Declared, optional: bool, where: str) -> Iterator[FieldError]:
        if not rule.get("messageExpression"):
            return
        where = f"{where}.messageExpression"
        try:
            cost, _ = _examined(rule["messageExpression"], declared, optional, "messageExpression")
        except ValueError as error:
            yield invalid(where, rule_as_go(rule), str(error))
        else:
            yield from self._spend(where, cost, "estimated messageExpression cost")

    def _spend(self, where: str, cost: int, what: str) -> Iterator[FieldError]:
        self._cost = min(self._cost + cost, MOST)
        if cost >= SCHEMA_LIMIT // 100:
            self._expensive = sorted([*self._expensive, (cost, where)], key=lambda one: -one[0])[:_SHOWN]
        if cost > EXPRESSION_LIMIT:
            yield forbidden(where, _exceeding(what, cost, EXPRESSION_LIMIT))

    def total(self, path: str) -> Iterator[FieldError]:
        """What is to be said of all rules of the schema at `path`, when all have been looked at."""
        if self._cost > SCHEMA_LIMIT:
            yield from (forbidden(where, PART_OF_IT) for _, where in self._expensive)
            yield forbidden(path, _exceeding(TOGETHER, self._cost, SCHEMA_LIMIT))


def _examined(text: str, declared: Declared, optional: bool, what: str) -> tuple[int, bool]:
    """What an expression can cost, and whether it looks at `oldSelf`. Raises ValueError with what is wrong with it."""
    names = Names()
    itself = names.root(declared)
    variables = {"self": itself, "oldSelf": optional_of(itself) if optional else itself}
    message = what == "messageExpression"
    try:
        checked = compiled(text, variables, names.field)
    except ValueError as error:
        raise ValueError(f"{'messageExpression ' if message else ''}compilation failed: {error}") from None
    if checked is None:
        return 0, False
    if checked.result != (STRING if message else BOOL):
        raise ValueError(
            "messageExpression must evaluate to a string" if message else "cel expression must evaluate to a bool"
        )
    return estimate(checked, declared), checked.tree.mentions("oldSelf")


def _exceeding(what: str, cost: int, limit: int) -> str:
    factor = cost / limit
    shown = "more than 100x" if factor > 100 else f"{factor:f}x" if factor < 1.5 else f"{factor:.1f}x"
    return (
        f"{what} exceeds budget by factor of {shown} (try simplifying the rule, or adding maxItems, maxProperties, and "
        "maxLength where arrays, maps, and strings are declared)"
    )
