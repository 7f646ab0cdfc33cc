"""Custom resources: pruning, defaulting, validation, and the schemas of their definitions."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from apiserver.kinds.kind import Kind
from apiserver.schema import go_patterns
from apiserver.schema.custom import CustomSchema
from apiserver.schema.decode import decode
from apiserver.schema.openapi import OpenAPI
from apiserver.schema.registry import Schemas
from apiserver.schema.scalars import DecodeError
from apiserver.schema.strict import unknown_fields
from apiserver.schema.structural import faults

SCHEMAS = Schemas.for_minor(36)
Json = dict[str, Any]


def custom(**properties: Any) -> CustomSchema:
    spec = {"type": "object", "properties": properties}
    return CustomSchema(root(spec), SCHEMAS, "example.com", "v1", "Widget")


def root(spec: Json) -> Json:
    return {"type": "object", "properties": {"spec": spec}}


def widget(**spec: Any) -> Json:
    return {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "a"}, "spec": spec}


def wrong(schema: CustomSchema, spec: Json, old: Json | None = None) -> list[str]:
    obj = decode(widget(**spec), schema.type)
    return [str(fault) for fault in schema.validate(obj, None if old is None else widget(**old))]


def test_unknown_fields_are_pruned_and_named() -> None:
    schema = custom(a={"type": "string"})
    sent = widget(a="x", b="y")
    assert unknown_fields(sent, schema.type) == ['unknown field "spec.b"']
    assert decode(sent, schema.type)["spec"] == {"a": "x"}


def test_unknown_fields_are_told_in_order() -> None:
    sent = {"zz": 1, **widget(b={"z": 1, "c": 2}, a=1), "metadata": {"name": "w", "zz": 1}}
    schema = custom(b={"type": "object"})
    told = [text.removeprefix("unknown field ").strip('"') for text in unknown_fields(sent, schema.type)]
    assert told == ["metadata.zz", "spec.a", "spec.b.c", "spec.b.z", "zz"]


def test_zero_values_stay() -> None:
    schema = custom(a={"type": "string"}, b={"type": "integer"}, c={"type": "array", "items": {"type": "string"}})
    assert decode(widget(a="", b=0, c=[]), schema.type)["spec"] == {"a": "", "b": 0, "c": []}


def test_whole_numbers_are_integers() -> None:
    schema = custom(
        a={"type": "integer"}, b={"type": "number"}, c={"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    )
    sent = {"a": 3.0, "b": 1e3, "c": {"d": [1.5, 2.0, 1e300]}}
    assert wrong(schema, sent) == []
    text = orjson.dumps(decode(widget(**sent), schema.type)["spec"])
    assert text == b'{"a":3,"b":1000,"c":{"d":[1.5,2,1e+300]}}'


def test_preserved_fields_stay() -> None:
    keep = {"type": "object", "x-kubernetes-preserve-unknown-fields": True, "properties": {"n": {"type": "integer"}}}
    schema = custom(a=keep)
    sent = widget(a={"n": 1, "any": {"thing": [None]}})
    assert unknown_fields(sent, schema.type) == []
    assert decode(sent, schema.type)["spec"] == {"a": {"n": 1, "any": {"thing": [None]}}}


def test_defaults_fill_what_is_absent_at_any_depth() -> None:
    item = {"type": "object", "properties": {"protocol": {"type": "string", "default": "TCP"}}}
    schema = custom(ports={"type": "array", "items": item}, x={"type": "object", "default": {}, **item})
    assert decode(widget(ports=[{}]), schema.type)["spec"] == {
        "ports": [{"protocol": "TCP"}],
        "x": {"protocol": "TCP"},
    }


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "string"}, {}),
        ({"type": "string", "default": "x"}, {"a": "x"}),
        ({"type": "string", "nullable": True}, {"a": None}),
        ({"type": "string", "nullable": True, "default": "x"}, {"a": None}),
    ],
)
def test_null(schema: Json, expected: Json) -> None:
    assert decode(widget(a=None), custom(a=schema).type)["spec"] == expected


def test_metadata_is_typed() -> None:
    with pytest.raises(DecodeError) as caught:
        decode({"metadata": {"labels": {"n": 1}}}, custom().type)
    assert str(caught.value) == "json: cannot unmarshal number into Go struct field ObjectMeta.labels of type string"


RULES = [
    ({"type": "integer", "maximum": 10}, 11, "Invalid value: 11: spec.a in body should be less than or equal to 10"),
    ({"type": "integer", "minimum": 1}, 0, "Invalid value: 0: spec.a in body should be greater than or equal to 1"),
    (
        {"type": "integer", "minimum": 1, "exclusiveMinimum": True},
        1,
        "Invalid value: 1: spec.a in body should be greater than 1",
    ),
    (
        {"type": "number", "maximum": 1000000},
        1000000.5,
        "Invalid value: 1.0000005e+06: spec.a in body should be less than or equal to 1e+06",
    ),
    ({"type": "integer", "multipleOf": 5}, 7, "Invalid value: 7: spec.a in body should be a multiple of 5"),
    ({"type": "integer"}, "x", 'Invalid value: "string": spec.a in body must be of type integer: "string"'),
    ({"type": "integer"}, 1.5, 'Invalid value: "number": spec.a in body must be of type integer: "number"'),
    ({"type": "boolean"}, "true", 'Invalid value: "string": spec.a in body must be of type boolean: "string"'),
    ({"type": "object"}, [], 'Invalid value: "array": spec.a in body must be of type object: "array"'),
    (
        {"type": "string", "enum": ["red", "blue"]},
        "green",
        'Unsupported value: "green": supported values: "red", "blue"',
    ),
    ({"type": "string", "maxLength": 2}, "abc", "Too long: may not be more than 2 bytes"),
    ({"type": "string", "minLength": 2}, "a", 'Invalid value: "a": spec.a in body should be at least 2 chars long'),
    ({"type": "string", "pattern": "^a+$"}, "b", "Invalid value: \"b\": spec.a in body should match '^a+$'"),
    (
        {"type": "string", "pattern": r"^(?i)[[:alpha:]]\pL$"},
        "a1",
        r"""Invalid value: "a1": spec.a in body should match '^(?i)[[:alpha:]]\pL$'""",
    ),
    ({"type": "string", "format": "ipv4"}, "x", 'Invalid value: "x": spec.a in body must be of type ipv4: "x"'),
    (
        {"type": "array", "maxItems": 1, "items": {"type": "string"}},
        ["a", "b"],
        "Too many: 2: must have at most 1 items",
    ),
    (
        {"type": "array", "minItems": 1, "items": {"type": "string"}},
        [],
        "Invalid value: 0: spec.a in body should have at least 1 items",
    ),
    (
        {"x-kubernetes-int-or-string": True},
        True,
        'Invalid value: "boolean": spec.a in body must be of type integer,string: "boolean"',
    ),
]


@pytest.mark.parametrize(("schema", "value", "text"), RULES)
def test_rules(schema: Json, value: Any, text: str) -> None:
    assert wrong(custom(a=schema), {"a": value}) == [f"spec.a: {text}"]


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "integer", "maximum": 10}, 10),
        ({"type": "string", "nullable": True, "enum": [None, "x"]}, None),
        ({"x-kubernetes-int-or-string": True}, "25%"),
        ({"type": "string", "format": "unheard-of"}, "x"),
        ({"type": "number"}, 1),
        ({"type": "string", "pattern": r"^(?i)[[:alpha:]]\pL$"}, "Ab"),
        ({"type": "integer", "exclusiveMaximum": True}, 1),
        ({"type": "integer", "multipleOf": 0}, 1),
        ({"type": "string", "minLength": -1}, ""),
    ],
)
def test_what_is_allowed(schema: Json, value: Any) -> None:
    assert wrong(custom(a=schema), {"a": value}) == []


def test_required() -> None:
    item = {"type": "object", "required": ["x", "y"], "properties": {"x": {"type": "string"}, "y": {"type": "string"}}}
    assert wrong(custom(a={"type": "array", "items": item}), {"a": [{"x": ""}, {}]}) == [
        "spec.a[0].y: Required value",
        "spec.a[1].x: Required value",
        "spec.a[1].y: Required value",
    ]


def test_what_is_required_twice_is_missed_once() -> None:
    assert wrong(custom(a={"type": "object", "required": ["x", "x"]}), {"a": {}}) == ["spec.a.x: Required value"]


TEXT, SHORT = {"type": "string"}, {"maxLength": 1}
ONE_OF = "must validate one and only one schema (oneOf)."
SEVERAL: list[tuple[Json, Any, list[str]]] = [
    (
        {"type": "string", "minLength": 2, "pattern": "^[a-z]+$"},
        "A",
        ['spec.a: Invalid value: "A": spec.a in body should be at least 2 chars long'],
    ),
    (
        {"multipleOf": 2, "maximum": 5, "enum": [2, 4], "type": "integer"},
        7,
        [
            "spec.a: Invalid value: 7: spec.a in body should be a multiple of 2",
            "spec.a: Invalid value: 7: spec.a in body should be less than or equal to 5",
            'spec.a: Unsupported value: 7: supported values: "2", "4"',
        ],
    ),
    (
        {"enum": ["x"], "type": "string"},
        5,
        [
            'spec.a: Invalid value: "integer": spec.a in body must be of type string: "integer"',
            'spec.a: Unsupported value: 5: supported values: "x"',
        ],
    ),
    (
        {"type": "array", "maxItems": 1, "items": TEXT},
        [1, "b"],
        [
            'spec.a[0]: Invalid value: "integer": spec.a[0] in body must be of type string: "integer"',
            "spec.a: Too many: 2: must have at most 1 items",
        ],
    ),
    (
        {"type": "object", "minProperties": 1, "required": ["x"], "properties": {"x": TEXT}},
        {},
        ["spec.a: Invalid value: 0: spec.a in body should have at least 1 properties"],
    ),
    (
        {"type": "object", "required": ["y"], "properties": {"x": TEXT, "y": TEXT}},
        {"x": 1},
        [
            'spec.a.x: Invalid value: "integer": spec.a.x in body must be of type string: "integer"',
            "spec.a.y: Required value",
        ],
    ),
    (
        {"type": "string", "format": "date"},
        5,
        ['spec.a: Invalid value: "int64": spec.a in body must be of type date: "int64"'],
    ),
    (
        {"type": "string", "format": "date"},
        True,
        ['spec.a: Invalid value: "": spec.a in body must be of type date: ""'],
    ),
    (
        {"type": "string", "allOf": [SHORT, {"pattern": "^a"}]},
        "ab",
        [
            "spec.a: Too long: may not be more than 1 bytes",
            '<nil>: Invalid value: "": "spec.a" must validate all the schemas (allOf)',
        ],
    ),
    (
        {"type": "string", "anyOf": [SHORT, {"pattern": "^b"}]},
        "ab",
        [
            '<nil>: Invalid value: "": "spec.a" must validate at least one schema (anyOf)',
            "spec.a: Too long: may not be more than 1 bytes",
        ],
    ),
    (
        {
            "type": "object",
            "properties": {"x": TEXT, "y": TEXT},
            "anyOf": [{"required": ["z"]}, {"properties": {"x": {"minLength": 1}, "y": {"minLength": 1}}}],
        },
        {"x": "", "y": "1"},
        [
            '<nil>: Invalid value: "": "spec.a" must validate at least one schema (anyOf)',
            'spec.a.x: Invalid value: "": spec.a.x in body should be at least 1 chars long',
        ],
    ),
    (
        {"type": "string", "oneOf": [{}, SHORT, {"minLength": 1}]},
        "a",
        [f'<nil>: Invalid value: "": "spec.a" {ONE_OF} Found 3 valid alternatives'],
    ),
    (
        {"type": "string", "not": {"enum": ["bad"]}},
        "bad",
        ['<nil>: Invalid value: "": "spec.a" must not validate the schema (not)'],
    ),
]


@pytest.mark.parametrize(("schema", "value", "texts"), SEVERAL)
def test_several_faults_come_in_the_order_of_the_validators(schema: Json, value: Any, texts: list[str]) -> None:
    assert wrong(custom(a=schema), {"a": value}) == texts


def test_a_default_of_a_type_that_there_is_not() -> None:
    found = [str(fault) for fault in faults(root({"type": "int", "default": 1}), PATH)]
    text = 'Invalid value: "integer":  in body must be of type int: "integer"'
    assert len(found) == 2
    assert f"{PATH}.properties[spec].default: {text}" in found


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        (r"^(?i)abc$", ""),
        (r"\pL\z", ""),
        (r"\Qa.b\E[[:alpha:]\d-z]{,3}", ""),
        ("(?<n>a)", ""),
        ("a**", "invalid nested repetition operator: `**`"),
        (r"(a)\1", r"invalid escape sequence: `\1`"),
        ("(?=a)", "invalid or unsupported Perl syntax: `(?=`"),
        ("(?<=a)b", "invalid named capture: `(?<=a)b`"),
        ("[z-a]", "invalid character class range: `z-a`"),
        (r"\p{Foo}", r"invalid character class range: `\p{Foo}`"),
        ("a{2,1}", "invalid repeat count: `{2,1}`"),
        ("\\", "trailing backslash at end of expression: ``"),
    ],
)
def test_patterns_are_gos(pattern: str, why: str) -> None:
    assert go_patterns.fault(pattern) == (why and f"error parsing regexp: {why}")


def test_text_that_only_go_quotes() -> None:
    matches = go_patterns.matcher(r"^\Qa.b\E{,3}$")
    assert [matches(text) for text in ("a.b{,3}", "axb{,3}", "a.b")] == [True, False, False]


def test_a_pattern_cannot_hang_the_server() -> None:
    assert len(wrong(custom(a={"type": "string", "pattern": "^(a+)+$"}), {"a": "a" * 5000 + "b"})) == 1


def test_sets_and_keyed_lists_hold_nothing_twice() -> None:
    keyed = {
        "type": "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["name"],
        "items": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}},
    }
    items = {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}}
    schema = custom(ports=keyed, tags=items)
    sent = {"ports": [{"name": "a"}, {"name": "a"}], "tags": ["x", "y", "x", "x"]}
    assert wrong(schema, sent) == ['spec.ports[1]: Duplicate value: {"name":"a"}', 'spec.tags[2]: Duplicate value: "x"']
    assert wrong(schema, sent, old=sent) == []


def test_faults_of_what_an_update_left_alone_are_overlooked() -> None:
    schema = custom(color={"type": "string", "enum": ["red"]}, size={"type": "integer"})
    assert wrong(schema, {"color": "green", "size": 2}, old={"color": "green", "size": 1}) == []
    assert wrong(schema, {"color": "blue"}, old={"color": "green"}) == [
        'spec.color: Unsupported value: "blue": supported values: "red"'
    ]


PATH = "spec.validation.openAPIV3Schema"
STRUCTURE = [
    ({"type": "string"}, f'{PATH}.type: Invalid value: "string": must be object at the root'),
    (root({}), f"{PATH}.properties[spec].type: Required value: must not be empty for specified object fields"),
    (
        root({"type": "thing"}),
        f'{PATH}.properties[spec].type: Unsupported value: "thing": supported values: "array", "boolean", "integer", '
        '"number", "object", "string"',
    ),
    (root({"type": "array"}), f"{PATH}.properties[spec].items: Required value: must be specified"),
    (
        root({"type": "array", "items": {}}),
        f"{PATH}.properties[spec].items.type: Required value: must not be empty for specified array items",
    ),
    (
        root({"type": "string", "pattern": "("}),
        f'{PATH}.properties[spec].pattern: Invalid value: "(": must be a valid regular expression, but isn\'t: '
        "error parsing regexp: missing closing ): `(`",
    ),
    (
        root({"type": "integer", "default": "x"}),
        f'{PATH}.properties[spec].default: Invalid value: "string":  in body must be of type integer: "string"',
    ),
    (
        root({"type": "object", "properties": {"a": {"type": "string"}}, "default": {"b": 1}}),
        f'{PATH}.properties[spec].default: Invalid value: {{"b":1}}: must not have unknown fields',
    ),
    (
        root({"type": "object", "anyOf": [{"type": "string"}]}),
        f"{PATH}.properties[spec].anyOf[0].type: Forbidden: must be empty to be structural",
    ),
    (
        {"type": "object", "anyOf": [{"properties": {"a": {"minimum": 1}}}]},
        f"{PATH}.properties[a]: Required value: because it is defined in {PATH}.anyOf[0].properties[a]",
    ),
    ({"type": "object", "nullable": True}, f"{PATH}.nullable: Forbidden: nullable cannot be true at the root"),
    (
        {"type": "object", "properties": {"kind": {"type": "object"}}},
        f'{PATH}.properties[kind].type: Invalid value: "object": must be string',
    ),
    (
        {"type": "object", "properties": {"metadata": {"type": "object", "default": {}}}},
        f"{PATH}.properties[metadata].default: Forbidden: must not be set in top-level metadata",
    ),
    (
        root({"type": "array", "items": [{"type": "string"}]}),
        f"{PATH}.properties[spec].items: Forbidden: items must be a schema object and not an array",
    ),
    (
        root({"type": "string", "x-kubernetes-map-type": "atomic"}),
        f'{PATH}.properties[spec].type: Invalid value: "string": must be object if x-kubernetes-map-type is specified',
    ),
    (
        root({"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "object"}}),
        f"{PATH}.properties[spec].items.x-kubernetes-map-type: Invalid value: null: must be atomic as item of a list "
        "with x-kubernetes-list-type=set",
    ),
    (
        root({"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string", "nullable": True}}),
        f"{PATH}.properties[spec].items.nullable: Forbidden: cannot be nullable when x-kubernetes-list-type is set",
    ),
    (
        root({"type": "object", "oneOf": [{"x-kubernetes-validations": [{"rule": "true"}]}]}),
        f"{PATH}.properties[spec].oneOf[0].x-kubernetes-validations: Forbidden: must be empty to be structural",
    ),
]


@pytest.mark.parametrize(("schema", "text"), STRUCTURE)
def test_schemas_must_be_structural(schema: Json, text: str) -> None:
    assert [str(fault) for fault in faults(schema, PATH)] == [text]


def test_a_structural_schema_passes() -> None:
    port = {"anyOf": [{"type": "integer"}, {"type": "string"}], "x-kubernetes-int-or-string": True}
    schema = root(
        {"type": "object", "properties": {"port": port, "free": {"x-kubernetes-preserve-unknown-fields": True}}}
    )
    assert faults(schema, PATH) == []


def test_custom_kinds_are_in_the_openapi_documents() -> None:
    schema = custom(size={"type": "integer", "description": "How big.", "nullable": True})
    kind = Kind("example.com", "v1", "Widget", "widgets", True, custom=True, schema=schema.type)
    openapi = OpenAPI(SCHEMAS, [kind])
    document = openapi.v3("example.com", "v1")
    assert document is not None
    widget_schema = document["components"]["schemas"]["com.example.v1.Widget"]
    assert list(widget_schema["properties"]) == ["apiVersion", "kind", "metadata", "spec"]
    assert widget_schema["x-kubernetes-group-version-kind"] == [
        {"group": "example.com", "kind": "Widget", "version": "v1"}
    ]
    patch = document["paths"]["/apis/example.com/v1/namespaces/{namespace}/widgets/{name}"]["patch"]
    assert "application/strategic-merge-patch+json" not in patch["requestBody"]["content"]
    swagger = openapi.v2()["definitions"]["com.example.v1.Widget"]
    assert swagger["properties"]["spec"]["properties"]["size"] == {"type": "integer", "description": "How big."}
    assert list(openapi.v3_index()["paths"]) == ["apis/example.com/v1"]


RULES_OF_SPEC = {
    "type": "object",
    "properties": {
        "min": {"type": "integer"},
        "max": {"type": "integer"},
        "my-name": {"type": "string"},
        "items": {
            "type": "array",
            "maxItems": 9,
            "items": {"type": "object", "properties": {"n": {"type": "integer"}}},
        },
    },
    "x-kubernetes-validations": [
        {"rule": "self.min <= self.max", "message": "min must not exceed max"},
        {"rule": "!has(self.my__dash__name) || self.my__dash__name.startsWith('a')", "fieldPath": ".my-name"},
        {"rule": "self.min >= oldSelf.min", "messageExpression": "'min was %d'.format([oldSelf.min])"},
        {"rule": "!has(self.items) || self.items.all(i, i.n > 0)", "reason": "FieldValueForbidden"},
    ],
}


@pytest.mark.parametrize(
    ("spec", "old", "texts"),
    [
        ({"min": 1, "max": 2}, None, []),
        ({"min": 3, "max": 2}, None, ["spec: Invalid value: min must not exceed max"]),
        (
            {"min": 1, "max": 2, "my-name": "b"},
            None,
            [
                "spec.my-name: Invalid value: failed rule: !has(self.my__dash__name) || "
                "self.my__dash__name.startsWith('a')"
            ],
        ),
        ({"min": 1, "max": 2}, {"min": 2, "max": 2}, ["spec: Invalid value: min was 2"]),
        ({"min": 3, "max": 2}, {"min": 3, "max": 2}, []),
        (
            {"min": 1, "max": 2, "items": [{"n": 0}]},
            None,
            ["spec: Forbidden: failed rule: !has(self.items) || self.items.all(i, i.n > 0)"],
        ),
    ],
)
def test_rules_in_cel(spec: Json, old: Json | None, texts: list[str]) -> None:
    pytest.importorskip("cel_expr_python")
    schema = CustomSchema(root(RULES_OF_SPEC), SCHEMAS, "example.com", "v1", "Widget")
    assert faults(schema.schema, PATH) == []
    assert wrong(schema, spec, old) == texts


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ("self.b == 'x'", "compilation failed: ERROR: <input>:1:5: undefined field 'b'\n | self.b == 'x'\n | ....^"),
        ("1 + 1", "cel expression must evaluate to a bool"),
        (
            "self.items.all(i, i.q > 0)",
            "compilation failed: ERROR: <input>:1:20: undefined field 'q'\n | self.items.all(i, i.q > 0)\n | "
            "...................^",
        ),
    ],
)
def test_rules_that_do_not_compile(rule: str, text: str) -> None:
    pytest.importorskip("cel_expr_python")
    spec = {**RULES_OF_SPEC, "x-kubernetes-validations": [{"rule": rule}]}
    (fault,) = faults(root(spec), PATH)
    assert fault.field == f"{PATH}.properties[spec].x-kubernetes-validations[0].rule"
    assert fault.text.endswith(f'"OptionalOldSelf":null}}: {text}')


def test_an_empty_rule() -> None:
    spec = {**RULES_OF_SPEC, "x-kubernetes-validations": [{"rule": ""}]}
    assert [fault.text for fault in faults(root(spec), PATH)] == ["Required value: rule is not specified"]


INVALID_BREAK = 'Invalid value: "a\\nb": message must not contain line breaks'


@pytest.mark.parametrize(
    ("rule", "member", "text"),
    [
        ({"rule": "true", "message": " "}, "message", 'Invalid value: " ": message must be non-empty if specified'),
        ({"rule": "true", "message": "a\nb"}, "message", INVALID_BREAK),
        (
            {"rule": "true &&\ntrue"},
            "message",
            "Required value: message must be specified if rule contains line breaks",
        ),
        (
            {"rule": "true", "reason": "Bad"},
            "reason",
            'Unsupported value: "Bad": supported values: "FieldValueDuplicate", "FieldValueForbidden", '
            '"FieldValueInvalid", "FieldValueRequired"',
        ),
        ({"rule": "true", "fieldPath": ".nope"}, "fieldPath", 'Invalid value: ".nope": fieldPath must be a valid path'),
        (
            {"rule": "true", "optionalOldSelf": True},
            "optionalOldSelf",
            "Invalid value: true: may not be set if oldSelf is not used in rule",
        ),
    ],
)
def test_what_a_rule_may_state(rule: Json, member: str, text: str) -> None:
    pytest.importorskip("cel_expr_python")
    spec = {**RULES_OF_SPEC, "x-kubernetes-validations": [rule]}
    (fault,) = faults(root(spec), PATH)
    assert fault.field == f"{PATH}.properties[spec].x-kubernetes-validations[0].{member}"
    assert fault.text == text


def test_old_values_of_items_without_keys_are_unknown() -> None:
    pytest.importorskip("cel_expr_python")
    items = {"type": "string", "maxLength": 9, "x-kubernetes-validations": [{"rule": "self == oldSelf"}]}
    (fault,) = faults(root({"type": "array", "maxItems": 9, "items": items}), PATH)
    assert fault.text.endswith(
        f"oldSelf cannot be used on the uncorrelatable portion of the schema within {PATH}.properties[spec]"
    )


def test_without_the_package_rules_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apiserver.cel.evaluation.available", lambda: False)
    assert [fault.reason for fault in faults(root(RULES_OF_SPEC), PATH)] == ["FieldValueForbidden"] * 4
