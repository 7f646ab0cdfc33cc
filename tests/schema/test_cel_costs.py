"""What rules could cost, by estimate: the real server's numbers, which decide which rules may be written."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.cel.compile import compiled
from apiserver.cel.cost import estimate
from apiserver.cel.schema import Declarations, Names
from apiserver.schema.structural import faults

pytest.importorskip("cel_expr_python")

Json = dict[str, Any]
HINT = (
    " (try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are "
    "declared)"
)
PART = "Forbidden: contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema"
OBJECT: Json = {
    "type": "object",
    "required": ["required"],
    "properties": {"required": {"type": "string"}, "optional": {"type": "string"}},
}


def cost(rule: str, schema: Json) -> int:
    declared = Declarations().of(schema)
    assert declared is not None
    names = Names()
    itself = names.root(declared)
    checked = compiled(rule, {"self": itself, "oldSelf": itself}, names.field)
    assert checked is not None
    return estimate(checked, declared)


def texts(most: int | None = None) -> Json:
    return {"type": "string"} if most is None else {"type": "string", "maxLength": most}


def items(inner: Json, most: int | None = None) -> Json:
    return {"type": "array", "items": inner} | ({} if most is None else {"maxItems": most})


def entries(inner: Json, most: int | None = None) -> Json:
    return {"type": "object", "additionalProperties": inner} | ({} if most is None else {"maxProperties": most})


NUMBER: Json = {"type": "number"}
EITHER: Json = {"x-kubernetes-int-or-string": True}


@pytest.mark.parametrize(
    ("rule", "schema", "wanted"),
    [
        ("self.all(x, true)", items(NUMBER), 4718591),
        ("self.all(x, true)", items(NUMBER, 10), 32),
        ("self.all(x, true)", items({"type": "boolean"}), 1887437),
        ("self.all(x, true)", items({"type": "string", "format": "date-time"}), 428963),
        ("self.all(x, true)", items({"type": "string", "format": "duration"}), 2359295),
        ("self.all(x, true)", items(OBJECT), 555128),
        ("self.all(x, true)", entries(NUMBER), 1348169),
        ("self.all(x, true)", entries({"type": "string", "format": "date"}), 524288),
        ("has(self.x)", entries(NUMBER), 1),
        ("self.all(x, self.all(y, self.all(z, true)))", items(NUMBER, 10), 3552),
        ("self.all(x, x == 0.0)", items(NUMBER, 3 * 1024 * 2048), 25165826),
        ("self.all(x, x['y'].required == 'z')", items(entries(OBJECT, 10), 10), 72),
        ("self[1] == self[1]", items(texts()), 314577),
        ("self[0] == 5", items(EITHER), 3),
        ("self[0] == null", items(OBJECT), 2),
        ("self.contains('test')", texts(), 314574),
        ("self.contains('test')", texts(10), 5),
        ("self.startsWith('test')", texts(), 2),
        ("self == 'x'", texts(0), 1),
        ('size(self + "hello") > size("hello")', texts(4), 7),
        ("self.matches('x')", texts(50), 22),
        ("self.all(x, x.contains(self[x]))", entries(texts(10), 10), 72),
        ("self.join(' ') == 'aa bb'", items(texts()), 329853068905),
        ("self.isSorted() == true", items(texts(10), 10), 52),
        ("self.lowerAscii() == 'lower!'", texts(10), 6),
        ("self.contains('A')", {"type": "string", "enum": ["A", "LongValue"]}, 2),
        ("oldSelf.size() == self.size()", entries(NUMBER), 5),
        ("self['a'] == self['b']", entries({"type": "string", "format": "date-time"}), 8),
        ("quantity(self).isLessThan(quantity('1'))", texts(), 314576),
        ("sets.intersects(self, ['a', 'b'])", items(texts(5), 100), 212),
        ("self.split(',').size() == 1", texts(25), 23),
    ],
)
def test_estimates(rule: str, schema: Json, wanted: int) -> None:
    assert cost(rule, schema) == wanted


def rule_on(schema: Json, *rules: str, **more: Any) -> Json:
    return {**schema, "x-kubernetes-validations": [{"rule": rule, **more} for rule in rules]}


def wrong(spec: Json) -> list[str]:
    schema = {"type": "object", "properties": {"spec": spec}}
    return [f"{fault.field.removeprefix('s.properties')} {fault.text}" for fault in faults(schema, "s")]


def test_one_expression_may_not_cost_too_much() -> None:
    spec = rule_on(items(NUMBER, 2000), "self.all(x, self.all(y, true))")
    assert wrong(spec) == [
        "[spec].x-kubernetes-validations[0].rule Forbidden: estimated rule cost exceeds budget by factor of 1.201000x"
        + HINT
    ]
    spec = rule_on(items(NUMBER, 4000), "self.all(x, self.all(y, true))")
    assert wrong(spec)[0].endswith("exceeds budget by factor of 4.8x" + HINT)


def test_a_rule_counts_as_often_as_there_are_such_values() -> None:
    inner = rule_on(texts(1000), "self.contains('a')")
    assert wrong(items(inner, 24_000)) == []
    assert wrong(items(inner, 25_000)) == [
        "[spec].items.x-kubernetes-validations[0].rule Forbidden: estimated rule cost exceeds budget by factor of "
        "1.002500x" + HINT
    ]
    assert wrong(items(entries(inner, 160), 160))[0].startswith("[spec].items.additionalProperties.x-kubernetes")


def test_what_nothing_bounds_is_as_often_there_as_fits_into_a_request() -> None:
    assert wrong(items(rule_on(texts(), "self.contains('a')"))) == [
        "[spec].items.x-kubernetes-validations[0].rule Forbidden: estimated rule cost exceeds budget by factor of more "
        "than 100x" + HINT,
        f"[spec].items.x-kubernetes-validations[0].rule {PART}",
        "s Forbidden: x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema exceeds budget by "
        "factor of more than 100x" + HINT,
    ]


def test_all_rules_together_may_not_cost_too_much() -> None:
    rules = ["self.all(x, self.all(y, true))"] * 12
    spec = rule_on(items(NUMBER, 1800), *rules)
    found = wrong(spec)
    assert found[:-1] == [f"[spec].x-kubernetes-validations[{at}].rule {PART}" for at in range(4)]
    assert found[-1].startswith(
        "s Forbidden: x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema"
    )


def test_message_expressions_have_a_budget_too() -> None:
    spec = rule_on(
        {"type": "object", "properties": {"a": {"type": "integer"}}}, "true", messageExpression="'a' + string(self.a)"
    )
    where = "[spec].x-kubernetes-validations[0].messageExpression Forbidden: "
    assert [text.removeprefix(where) for text in wrong(spec)[:2]] == [
        "estimated messageExpression cost exceeds budget by factor of more than 100x" + HINT,
        PART.removeprefix("Forbidden: "),
    ]


def test_a_stored_schema_is_not_priced_again() -> None:
    schema = {"type": "object", "properties": {"spec": items(rule_on(texts(), "self.contains('a')"))}}
    assert faults(schema, "s", stored=True) == []
