"""What YAML bodies mean to go-yaml, and its words for what it cannot read."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver import goyaml, yamlout

SCALARS: list[tuple[str, Any]] = [
    ("017", 15),
    ("0o17", 15),
    ("0x1F", 31),
    ("-0b11", -3),
    ("1_000", 1000),
    ("08", 8.0),
    ("1:20", "1:20"),
    ("1e3", 1000.0),
    (".5", 0.5),
    ("1e400", "1e400"),
    ("9223372036854775807", 9223372036854775807),
    ("9223372036854775808", 9223372036854775808.0),
    ("-123456789012345678901234567890", -1.2345678901234568e29),
    ("y", True),
    ("OFF", False),
    ("tRue", "tRue"),
    ("~", None),
    ("", None),
    ("2020-01-01 00:00:00", "2020-01-01 00:00:00"),
    ("2020-01-01", "2020-01-01"),
    ("=", "="),
    ("<<", "<<"),
    ("+", "+"),
    (".", "."),
    ("'017'", "017"),
    ('"yes"', "yes"),
    ("!!str 5", "5"),
    ('!!int "5"', 5),
    ("!!float 5", 5.0),
    ("!!binary aGk=", "hi"),
    ("!mine 5", "5"),
    ("!mine [1]", [1]),
    ("!!set {a: }", {"a": None}),
]


@pytest.mark.parametrize(("text", "value"), SCALARS)
def test_scalars(text: str, value: Any) -> None:
    found = goyaml.load(b"v: " + text.encode())["v"]
    assert (found, type(found)) == (value, type(value))


def test_keys_are_text_and_merged() -> None:
    text = b"base: &b {x: 1, yes: 2}\nm: {<<: *b, yes: 3, 4: 5, 1.5: 6, ~: 7}\nl: {<<: [*b, {z: 8}]}\n"
    found = goyaml.load(text)
    assert found["m"] == {"x": 1, "true": 3, "4": 5, "1.5": 6, "null": 7}
    assert found["l"] == {"x": 1, "true": 2, "z": 8}


def test_the_first_document_counts() -> None:
    assert goyaml.load(b"a: 1\n---\nb: [\n") == {"a": 1}
    assert goyaml.load(b"# nothing\n") is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (b"a: *x\n", "yaml: unknown anchor 'x' referenced"),
        (b"a: &x\n- &y 1\n- *x\n", "yaml: anchor 'x' value contains itself"),
        (b"a: {{ .Values.b }}", 'yaml: invalid map key: map[interface {}]interface {}{".Values.b":interface {}(nil)}'),
        (b"? [a, 1]\n: b\n", 'yaml: invalid map key: []interface {}{"a", 1}'),
        (b"a: !!int x", "yaml: cannot decode !!str `x` as a !!int"),
        (b"a: !!bool 1", "yaml: cannot decode !!int `1` as a !!bool"),
        (b"a: !!binary '*'", "yaml: !!binary value contains invalid base64 data"),
        (b"a: .inf", "json: unsupported value: +Inf"),
        (b"a: \x01", "yaml: control characters are not allowed"),
        (b"{a: b", "yaml: line 1: did not find expected ',' or '}'"),
        (b"a: b\n c: d\n", "yaml: line 2: mapping values are not allowed in this context"),
        (b"[" * 1000, "yaml: exceeded max depth of 10000"),
    ],
)
def test_what_is_wrong(text: bytes, why: str) -> None:
    with pytest.raises(goyaml.GoYamlError) as caught:
        goyaml.load(text)
    assert str(caught.value) == why


def test_aliases_are_bounded() -> None:
    levels = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9))
    with pytest.raises(goyaml.GoYamlError, match="excessive aliasing"):
        goyaml.load(("a0: &a0 [x]\n" + levels).encode())


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("1:20", '"1:20"'),
        ("0o17", '"0o17"'),
        ("1e3", '"1e3"'),
        ("08", '"08"'),
        ("y", '"y"'),
        ("2020-1-1", '"2020-1-1"'),
        ("2020-01-01T00:00:00.5Z", '"2020-01-01T00:00:00.5Z"'),
        ("2020-01-01 00:00:00", '"2020-01-01 00:00:00"'),
        ("2020-13-01", "2020-13-01"),
        ("2020-01-01T00:00:00", "2020-01-01T00:00:00"),
        ("2020-01-01T25:00:00Z", "2020-01-01T25:00:00Z"),
        ("=", "="),
        ("<<", "<<"),
        ("10.96.0.1", "10.96.0.1"),
        ("a: b", "'a: b'"),
        ("", '""'),
        (1.5, "1.5"),
        (1e20, "1e+20"),
        (True, "true"),
        (None, "null"),
        (7, "7"),
    ],
)
def test_answers(value: Any, text: str) -> None:
    assert yamlout.dump({"k": value}) == f"k: {text}\n"
    assert goyaml.load(yamlout.dump({"k": value}).encode()) == {"k": value}


def test_answers_of_several_lines() -> None:
    value = {"y": "a\nb\n", "on": ["1e3", {"1": 2}], "z": {}}
    assert yamlout.dump(value) == '"on":\n- "1e3"\n- "1": 2\n"y": |\n  a\n  b\nz: {}\n'
    assert goyaml.load(yamlout.dump(value).encode()) == value
