"""Three ways to judge a custom resource agree on what is valid: the compiled validator, the library that takes any
schema, and the walk that finds the words."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from apiserver.schema.custom_faults import faults
from apiserver.schema.custom_validation import Validator, json_schema, lenient

Json = dict[str, Any]
NAMES = st.sampled_from("ab")
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-3, 3), st.sampled_from([0.5, 1.5]), st.text("ax", max_size=3)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=2)),
    max_leaves=6,
)


def optional(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Json]:
    return st.fixed_dictionaries({}, optional=fields)


SMALL = st.integers(0, 2)
NUMBERS = optional(
    minimum=SMALL,
    maximum=SMALL,
    exclusiveMinimum=st.booleans(),
    exclusiveMaximum=st.booleans(),
    multipleOf=st.integers(1, 2),
)
TEXTS = optional(minLength=SMALL, maxLength=SMALL, pattern=st.sampled_from(["^a", "x$", "a{2}"]))
LISTS = optional(minItems=SMALL, maxItems=SMALL)
OBJECTS = optional(minProperties=SMALL, maxProperties=SMALL, required=st.lists(NAMES, max_size=2))
"""Names that are required twice make the compiled validator refuse the schema."""
RULES = st.one_of(NUMBERS, TEXTS, LISTS, OBJECTS)


@st.composite
def schemas(draw: st.DrawFn, depth: int = 2) -> Json:
    kind = draw(st.sampled_from(["string", "integer", "number", "boolean", *(["object", "array"] if depth else [])]))
    found: Json = {"type": kind}
    match kind:
        case "string":
            found |= draw(TEXTS)
            if draw(st.integers(0, 3)) == 0:
                found["enum"] = ["a", "x"]
        case "integer" | "number":
            found |= draw(NUMBERS)
        case "array":
            found |= {**draw(LISTS), "items": draw(schemas(depth - 1))}
        case "object":
            named = draw(st.booleans())
            members = {name: draw(schemas(depth - 1)) for name in draw(st.sets(NAMES))}
            found |= {**draw(OBJECTS), **({"properties": members} if named else {})}
            if not named:
                found["additionalProperties"] = draw(schemas(depth - 1))
    if draw(st.booleans()):  # a null is judged by its type alone
        return {**found, "nullable": True}
    for junctor in ("anyOf", "oneOf", "allOf"):
        if draw(st.integers(0, 5)) == 0:
            found[junctor] = draw(st.lists(RULES, min_size=1, max_size=2))
    if draw(st.integers(0, 7)) == 0:
        found["not"] = draw(RULES)
    return found


@settings(deadline=None, max_examples=600)
@given(schemas(), VALUES)
def test_all_agree(schema: Json, value: Any) -> None:
    valid = lenient(json_schema(schema))(value)
    assert Validator(schema)._check(value) == valid
    assert (faults(schema, value) == []) == valid
