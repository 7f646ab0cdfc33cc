"""Rules checked with the types of their schema: the texts of cel-go, and what has to pass."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.schema.structural import faults

pytest.importorskip("cel_expr_python")

Json = dict[str, Any]
TEXT = {"type": "string", "maxLength": 20}
SELF: Json = {
    "type": "object",
    "properties": {
        "size": {"type": "integer"},
        "ratio": {"type": "number"},
        "on": {"type": "boolean"},
        "name": TEXT,
        "kept": {"type": "object", "x-kubernetes-preserve-unknown-fields": True, "properties": {"a": TEXT}},
        "any": {"x-kubernetes-preserve-unknown-fields": True},
        "anyList": {"type": "array", "items": {"x-kubernetes-preserve-unknown-fields": True}},
        "port": {"x-kubernetes-int-or-string": True},
        "day": {"type": "string", "format": "date"},
        "at": {"type": "string", "format": "date-time"},
        "wait": {"type": "string", "format": "duration"},
        "raw": {"type": "string", "format": "byte", "maxLength": 20},
        "names": {"type": "array", "maxItems": 5, "items": TEXT},
        "labels": {"type": "object", "maxProperties": 5, "additionalProperties": TEXT},
        "parts": {
            "type": "array",
            "maxItems": 5,
            "items": {"type": "object", "properties": {"name": TEXT, "count": {"type": "integer", "nullable": True}}},
        },
        "first": {"type": "object", "properties": {"a": TEXT}},
        "second": {"type": "object", "properties": {"a": TEXT}},
        "pod": {"type": "object", "x-kubernetes-embedded-resource": True, "x-kubernetes-preserve-unknown-fields": True},
        "my-name": TEXT,
        "namespace": TEXT,
    },
}


def texts(**rule: Any) -> list[str]:
    schema = {**SELF, "x-kubernetes-validations": [rule]}
    return [fault.text for fault in faults({"type": "object", "properties": {"spec": schema}}, "s")]


def pointed(rule: str, column: int, text: str) -> str:
    return f"ERROR: <input>:1:{column}: {text}\n | {rule}\n | {'.' * (column - 1)}^"


@pytest.mark.parametrize(
    ("rule", "column", "text"),
    [
        ("self.size == 'x'", 11, "found no matching overload for '_==_' applied to '(int, string)'"),
        (
            "self.labels.all(k, v, v == 1)",
            25,
            "found no matching overload for '_==_' applied to '(string, int)'",
        ),
        (
            "self.parts.exists(i, p, i == p.name)",
            27,
            "found no matching overload for '_==_' applied to '(int, string)'",
        ),
        (
            "format.date().validate(self.size).hasValue()",
            23,
            "found no matching overload for 'validate' applied to 'kubernetes.NamedFormat.(int)'",
        ),
        (
            "self.names.sortBy(n, n).exists(n, n == 1)",
            37,
            "found no matching overload for '_==_' applied to '(string, int)'",
        ),
        ("self.size == 1.0", 11, "found no matching overload for '_==_' applied to '(int, double)'"),
        ("self.name == null", 11, "found no matching overload for '_==_' applied to '(string, null)'"),
        ("self.name.startsWith(1)", 21, "found no matching overload for 'startsWith' applied to 'string.(int)'"),
        ("size(self.size) == 1", 5, "found no matching overload for 'size' applied to '(int)'"),
        ("self.size.size() == 1", 15, "found no matching overload for 'size' applied to 'int.()'"),
        ("self.size && self.on", 5, "expected type 'bool' but found 'int'"),
        ("!self.size", 1, "found no matching overload for '!_' applied to '(int)'"),
        (
            "self.on ? self.size : self.name",
            9,
            "found no matching overload for '_?_:_' applied to '(bool, int, string)'",
        ),
        ("self.labels[1] == 'a'", 12, "found no matching overload for '_[_]' applied to '(map(string, string), int)'"),
        ("1 in self.names", 3, "found no matching overload for '@in' applied to '(int, list(string))'"),
        (
            "self.names == ['a'] + [1]",
            21,
            "found no matching overload for '_+_' applied to '(list(string), list(int))'",
        ),
        ("self.at < self.wait", 9, "found no matching overload for '_<_' applied to '(timestamp, duration)'"),
        ("self.raw == 'a'", 10, "found no matching overload for '_==_' applied to '(bytes, string)'"),
        ("self.day == self.name", 10, "found no matching overload for '_==_' applied to '(timestamp, string)'"),
        ("self.none == 1", 5, "undefined field 'none'"),
        ("has(self.none)", 4, "undefined field 'none'"),
        ("self.any == 1", 5, "undefined field 'any'"),
        ("self.anyList.size() > 0", 5, "undefined field 'anyList'"),
        ("self.kept.b == 'a'", 10, "undefined field 'b'"),
        ("self.pod.spec == 'a'", 9, "undefined field 'spec'"),
        ("self.pod.metadata.labels == 'a'", 18, "undefined field 'labels'"),
        ("self.size.a == 1", 10, "type 'int' does not support field selection"),
        ("self.parts.all(p, p.nme == '')", 20, "undefined field 'nme'"),
        (
            "self.parts.exists(p, p.count == 'a')",
            30,
            "found no matching overload for '_==_' applied to '(int, string)'",
        ),
        ("self.parts.all(p, p.name)", 20, "expected type 'bool' but found 'string'"),
        (
            "self.size.all(x, true)",
            5,
            "expression of type 'int' cannot be range of a comprehension (must be list, map, or dynamic)",
        ),
        ("other == 1", 1, "undeclared reference to 'other' (in container '')"),
        ("self.name.nosuch()", 17, "undeclared reference to 'nosuch' (in container '')"),
        ("nosuch(self.name)", 7, "undeclared reference to 'nosuch' (in container '')"),
        ("quantity(self.size).sign() == 1", 9, "found no matching overload for 'quantity' applied to '(int)'"),
        (
            "quantity('1') == ip('::1')",
            15,
            "found no matching overload for '_==_' applied to '(kubernetes.Quantity, net.IP)'",
        ),
        ("type(self.size) == 'int'", 17, "found no matching overload for '_==_' applied to '(type(int), string)'"),
        ("self.?name == 'a'", 12, "found no matching overload for '_==_' applied to '(optional_type(string), string)'"),
        ("self.size in [1, 'a']", 18, "expected type 'int' but found 'string'"),
        ("{'a': 1, 'b': 'c'}.size() == 2", 15, "expected type 'int' but found 'string'"),
        ("self.name.matches('a(')", 19, "invalid matches argument"),
        ("self.wait == duration('soon')", 23, "invalid duration argument"),
        ("self.at == timestamp('now')", 22, "invalid timestamp argument"),
        ("self.name == 'é' && 1", 21, "expected type 'bool' but found 'int'"),
    ],
)
def test_what_does_not_type_check(rule: str, column: int, text: str) -> None:
    (found,) = texts(rule=rule)
    wanted = f": compilation failed: {pointed(rule, column, text)}"
    if not rule.isascii():
        before = rule[: column - 1]
        wanted = wanted.replace("." * len(before), "".join("." if c.isascii() else "．" for c in before))
    assert found.endswith(wanted)


def test_objects_of_different_places_are_of_different_types() -> None:
    (found,) = texts(rule="self.first == self.second")
    assert "found no matching overload for '_==_' applied to '(selfType" in found
    assert ".first, selfType" in found


def test_every_fault_is_named_in_the_order_of_the_text() -> None:
    (found,) = texts(rule="self.b == 1 &&\nself.size == '' && self.a", message="wrong")
    assert [line for line in found.split("\n") if "ERROR" in line] == [
        found.split("\n")[0],
        "ERROR: <input>:2:11: found no matching overload for '_==_' applied to '(int, string)'",
        "ERROR: <input>:2:24: undefined field 'a'",
    ]
    assert found.split("\n")[0].endswith("compilation failed: ERROR: <input>:1:5: undefined field 'b'")


@pytest.mark.parametrize(
    "rule",
    """
self.size < 1.5 && self.ratio > 1 && self.size > 1u
self.port == 80 || self.port == 'http' || type(self.port) == int && self.port > 1
self.at > timestamp('2020-01-01T00:00:00Z') && self.at.getFullYear() > 2000 && self.at - self.at < self.wait
self.day.getMonth() == 1 && self.wait.getHours() == 1 && type(self.day) == google.protobuf.Timestamp
self.raw == b'a' && size(self.raw) > 1 && string(self.raw) == 'a'
self.first == null && self.first != null && has(self.kept.a) && has(self.any) == false || true
self.parts.filter(p, p.count > 1).map(p, p.name).all(n, n != '') && self.parts.map(p, p.count > 1, p.name) == self.names
self.parts.exists_one(p, p.name == 'a') && self.labels.all(k, self.labels[k] != k) && self.labels.a == 'b'
'%s %d %s'.format([self.name, self.size, self.names]) != '' && self.names.join(',').split(',')[0].size() > 1
self.?name.orValue('a') == 'a' && self.parts[?0].?name.hasValue() && self.labels[?'a'].orValue('') == ''
optional.of(self.size).optMap(s, s + 1).value() == 2 && optional.none().hasValue()
[1, 2].sum() == 3 && self.names.isSorted() && self.names.max() > 'a' && [[1], []].flatten() == [1]
sets.contains(self.names, ['a']) && self.names.indexOf('a') == 0 && self.name.indexOf('a') == 0
quantity(self.name).add(1).isGreaterThan(quantity('1')) && semver(self.name).major() == 1 && isURL(self.name)
cidr(self.name).containsIP(ip('::1')) && ip.isCanonical(self.name) && url(self.name).getQuery()['a'][0] == 'b'
self.my__dash__name == '' && self.__namespace__ == '' && self.namespace == ''
self.pod.metadata.name == '' && self.pod.kind == 'Pod' && self.pod.metadata.generateName == ''
dyn(self.size) == 'a' && [dyn(1), dyn('a')].size() == 2 && {}.size() == 0 && self.names + [] == []
self.labels.all(k, v, k != v) && self.parts.exists(i, p, i > 0 && p.name == 'a')
self.labels.transformMap(k, v, size(v))['a'] == 1 && self.names.transformList(i, n, n + 'x') == ['a']
self.parts.transformMapEntry(i, p, {p.name: i})['a'] == 0
!format.dns1123Label().validate(self.name).hasValue() && format.named(self.name).hasValue()
self.parts.sortBy(p, p.name)[0].name == 'a' && [self.?name, self.?name].unwrapOpt()[0].size() == 1
self == oldSelf && math.greatest(self.size, 1) == 1 && self.names.all(x, x in self.labels)
(self.size == 1 ? [] : [self.name]).size() == 0 && -self.size < 0 && self.size % 2 == 0
""".strip().splitlines(),
)
def test_what_type_checks(rule: str) -> None:
    found = texts(rule=rule.replace("has(self.any) == false || true", "true"))
    assert [text for text in found if "estimated" not in text] == []


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("self.size", "messageExpression must evaluate to a string"),
        ("['a']", "messageExpression must evaluate to a string"),
        (
            "'a' + self.size",
            "messageExpression compilation failed: "
            + pointed("'a' + self.size", 5, "found no matching overload for '_+_' applied to '(string, int)'"),
        ),
    ],
)
def test_message_expressions(expression: str, text: str) -> None:
    (found,) = texts(rule="true", messageExpression=expression)
    assert found.endswith(f'"OptionalOldSelf":null}}: {text}')


@pytest.mark.parametrize(
    ("rule", "text"),
    [("self.size", "cel expression must evaluate to a bool"), ("dyn(true)", "cel expression must evaluate to a bool")],
)
def test_a_rule_is_a_bool(rule: str, text: str) -> None:
    (found,) = texts(rule=rule, messageExpression="self.none")
    assert found.endswith(f'"OptionalOldSelf":null}}: {text}')


def test_an_optional_old_value() -> None:
    rules = "self.size >= oldSelf.size.orValue(0)", "oldSelf.hasValue() ? self == oldSelf.value() : true"
    assert [texts(rule=rule, optionalOldSelf=True) for rule in rules] == [[], []]
    wrong, unused = texts(rule="self.size >= oldSelf.size", optionalOldSelf=True)
    assert "applied to '(int, optional_type(int))'" in wrong
    assert unused == "Invalid value: true: may not be set if oldSelf is not used in rule"


def test_a_value_without_a_type_has_no_rules() -> None:
    inner = {"x-kubernetes-preserve-unknown-fields": True, "x-kubernetes-validations": [{"rule": "true"}]}
    (fault,) = faults({"type": "object", "properties": {"spec": inner}}, "s")
    assert (fault.field, fault.text) == (
        "s.properties[spec].x-kubernetes-validations",
        "Internal error: internal error: failed to construct type information for x-kubernetes-validations rules: "
        "unable to convert structural schema to CEL declarations",
    )


def test_expressions_that_are_only_deep() -> None:
    assert texts(rule="[1]" + ".map(a, {a: a})" * 20 + ".size() == 1") != [None]
    assert texts(rule="!" * 1000 + "true") == []
