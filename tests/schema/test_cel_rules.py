"""Rules evaluated on objects: values as rules see them, what a failure says, what an update leaves alone."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.cel import rules

pytest.importorskip("cel_expr_python")

Json = dict[str, Any]
NUMBER: Json = {"type": "integer"}


def with_rules(schema: Json, *rules: str | Json) -> Json:
    stated = [{"rule": rule} if isinstance(rule, str) else rule for rule in rules]
    return {**schema, "x-kubernetes-validations": stated}


def fields(*rules: str | Json, **properties: Json) -> Json:
    return with_rules({"type": "object", "properties": properties}, *rules)


def faults(schema: Json, value: Any, old: Any = None) -> list[str]:
    whole = {"type": "object", "properties": {"spec": schema}}
    before = None if old is None else {"spec": old}
    return [str(fault) for fault in rules.faults({"spec": value}, whole, before)]


def ratcheted(schema: Json, value: Any, old: Any) -> list[str]:
    return rules.ratcheted({"spec": value}, {"type": "object", "properties": {"spec": schema}}, {"spec": old})


@pytest.mark.parametrize(
    ("schema", "value", "rule"),
    [
        ({"type": "string", "format": "duration"}, "1h2m3s4ms", "self.a == duration('1h2m3s4ms')"),
        ({"type": "string", "format": "duration"}, "2 days", "self.a.getHours() == 48"),
        ({"type": "string", "format": "date"}, "1997-07-16", "self.a.getMonth() == 6 && self.a.getDate() == 16"),
        ({"type": "string"}, "A", "format.dns1123Label().validate(self.a).value().size() == 1"),
        (
            {"type": "string", "format": "date"},
            "1997-07-16",
            "self.a.getDate() == 16 && format.named('uri') != null",
        ),
        ({"type": "array", "items": NUMBER}, [2, 1], "self.a.sortBy(n, n) == [1, 2] && string(ip('::1')) == '::1'"),
        ({"type": "string", "format": "byte"}, "QUI=", "self.a == b'AB'"),
        ({"type": "number"}, 1, "self.a == 1.0 && type(self.a) == double"),
        ({"x-kubernetes-int-or-string": True}, "25%", "self.a != 1 && self.a == '25%'"),
        ({**NUMBER, "nullable": True}, None, "!has(self.a)"),
        ({"type": "object", "additionalProperties": NUMBER}, {"x": 1}, "has(self.a.x) && self.a['x'] == 1"),
    ],
)
def test_values(schema: Json, value: Any, rule: str) -> None:
    assert faults(fields(rule, a=schema), {"a": value}) == []


def test_a_reserved_word_is_there_under_both_names() -> None:
    schema = fields("self.namespace == 'a' && self.__namespace__ == 'a' && self.x__dash__y == 'b'")
    schema["properties"] = {"namespace": {"type": "string"}, "x-y": {"type": "string"}}
    assert faults(schema, {"namespace": "a", "x-y": "b"}) == []


@pytest.mark.parametrize(
    ("rule", "value", "text"),
    [
        ("self.a > 1", {"a": 1}, "spec: Invalid value: failed rule: self.a > 1"),
        ({"rule": "self.a > 1", "message": " too small "}, {"a": 1}, "spec: Invalid value: too small"),
        (
            {"rule": "self.a > 1", "reason": "FieldValueRequired"},
            {"a": 1},
            "spec: Required value: failed rule: self.a > 1",
        ),
        ({"rule": "self.a > 1", "reason": "FieldValueDuplicate"}, {"a": 1}, "spec: Duplicate value"),
        ({"rule": "self.a > 1", "fieldPath": ".a"}, {"a": 1}, "spec.a: Invalid value: failed rule: self.a > 1"),
        ({"rule": "false", "fieldPath": ".m['k']", "message": "no"}, {"a": 1}, "spec.m[k]: Invalid value: no"),
        (
            {"rule": "self.a > 1", "messageExpression": "'%d is not > 1'.format([self.a])", "message": "no"},
            {"a": 1},
            "spec: Invalid value: 1 is not > 1",
        ),
        (
            {"rule": "self.a > 1", "messageExpression": "self.s + ''", "message": "no"},
            {"a": 1},
            "spec: Invalid value: no",
        ),
        (
            {"rule": "self.a > 1", "messageExpression": "'a\\nb'"},
            {"a": 1},
            "spec: Invalid value: failed rule: self.a > 1",
        ),
        ("self.s == 'a'", {"a": 1}, "spec: Invalid value: \"object\": no such key: s evaluating rule: self.s == 'a'"),
        (
            {"rule": "self.e > 1", "message": "odd", "reason": "FieldValueForbidden"},
            {"e": "x"},
            "spec: Invalid value: \"object\": 'no such overload': call arguments did not match a supported operator, "
            "function or macro signature for rule: odd",
        ),
        (
            "lists.range(9000000).size() == 1",
            {"a": 1},
            'spec: Invalid value: "object": \'operation cancelled: actual '
            "cost limit exceeded': no further validation rules will be run due to call cost exceeds limit for rule: "
            "lists.range(9000000).size() == 1",
        ),
    ],
)
def test_what_a_failure_says(rule: str | Json, value: Json, text: str) -> None:
    either = {"x-kubernetes-int-or-string": True}
    entries = {"type": "object", "additionalProperties": NUMBER}
    assert faults(fields(rule, a=NUMBER, s={"type": "string"}, e=either, m=entries), value) == [text]


def test_the_value_of_a_scalar_is_shown() -> None:
    assert faults(fields(a=with_rules(NUMBER, "self > 1")), {"a": 1}) == [
        "spec.a: Invalid value: 1: failed rule: self > 1"
    ]
    entries = {"type": "object", "additionalProperties": with_rules(NUMBER, "self > 1")}
    assert faults(fields(m=entries), {"m": {"k": 1}}) == ["spec.m[k]: Invalid value: 1: failed rule: self > 1"]
    assert faults(
        fields(l={"type": "array", "items": with_rules({"type": "string"}, "self != 'a'")}), {"l": ["a"]}
    ) == ["spec.l[0]: Invalid value: \"a\": failed rule: self != 'a'"]


def test_null_has_no_rules() -> None:
    assert faults(fields(a=with_rules({**NUMBER, "nullable": True}, "self > 1")), {"a": None}) == []


def test_nothing_is_evaluated_after_the_budget_is_spent() -> None:
    rules = ["lists.range(9000000).size() == 1", "false"]
    (found,) = faults(fields(*rules, a=with_rules(NUMBER, "false")), {"a": 1})
    assert "no further validation rules" in found


def test_an_optional_old_value() -> None:
    rule = {"rule": "oldSelf.hasValue() ? self >= oldSelf.value() : self == 1", "optionalOldSelf": True}
    schema = fields(a=with_rules(NUMBER, rule))
    text = f"spec.a: Invalid value: 2: failed rule: {rule['rule']}"
    assert faults(schema, {"a": 1}) == []
    assert faults(schema, {"a": 2}) == [text]
    assert faults(schema, {"a": 2}, {"a": 1}) == []
    assert faults(schema, {"a": 2}, {"a": 3}) == [text]
    assert faults(schema, {"a": 1}, {}) == []


def test_what_an_update_leaves_is_a_warning() -> None:
    schema = fields("self.b > 1", a=with_rules(NUMBER, "self > 1"), b=NUMBER)
    assert faults(schema, {"a": 1, "b": 2}, {"a": 1, "b": 3}) == []
    assert ratcheted(schema, {"a": 1, "b": 2}, {"a": 1, "b": 3}) == ["spec.a: Invalid value: 1: failed rule: self > 1"]
    assert ratcheted(schema, {"a": 1, "b": 1}, {"a": 2, "b": 1}) == []
    assert len(faults(schema, {"a": 1, "b": 1}, {"a": 2, "b": 1})) == 2


def test_rules_about_changes_judge_what_did_not_change() -> None:
    schema = fields(a=with_rules(NUMBER, "self > oldSelf"))
    assert faults(schema, {"a": 1}, {"a": 1}) == ["spec.a: Invalid value: 1: failed rule: self > oldSelf"]
    assert faults(schema, {"a": 1}) == []


def test_items_of_lists_that_changed() -> None:
    item = with_rules({"type": "object", "properties": {"k": {"type": "string"}, "n": NUMBER}}, "self.n > 1")
    keyed = {"type": "array", "items": item, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"]}
    before, after = [{"k": "a", "n": 1}], [{"k": "b", "n": 2}, {"k": "a", "n": 1}]
    assert faults(keyed, after, before) == []
    assert ratcheted(keyed, after, before) == ["spec[1]: Invalid value: failed rule: self.n > 1"]
    atomic = {"type": "array", "items": item}
    assert faults(atomic, after, before) == ["spec[1]: Invalid value: failed rule: self.n > 1"]
    assert faults(atomic, before, before) == []


def test_a_stored_rule_that_does_not_compile() -> None:
    (found,) = faults(fields("nosuch(self)"), {})
    assert found.startswith(
        'spec: Invalid value: "object": rule compile error: compilation failed: ERROR: <input>:1:7:'
    )
