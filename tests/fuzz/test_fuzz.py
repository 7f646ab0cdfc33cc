"""A short run of the fuzzer; `make fuzz` is the long one."""

from __future__ import annotations

from tests.fuzz.run import fuzz
from tests.plane import Plane


async def test_custom_resources_of_any_shape(plane: Plane) -> None:
    """What the schema refuses is not yet refused when fields are tracked and defaults are filled in."""
    found = await fuzz(plane, 1500, seed=77, only="widgets")
    assert not found.errors, "\n".join(found.errors)
    assert found.codes.get(200, 0) > 50


async def test_nothing_that_a_client_sends_breaks_the_server(plane: Plane) -> None:
    found = await fuzz(plane, 2500, seed=20)
    assert not found.errors, "\n".join(found.errors)
    assert found.codes.get(200, 0) > 100 and found.codes.get(201, 0) > 20, "it reaches what lies behind validation"
    assert plane.process.poll() is None


def test_deep_yaml_is_refused(plane: Plane) -> None:
    """Libyaml would overflow the stack."""
    for opener in ("[", "- {", "- ", "? "):
        deep = opener + "{" * 100_000 if "{" in opener else opener * 100_000
        status, answer = plane.request("POST", "/api/v1/namespaces", raw=deep, Content_Type="application/yaml")
        assert (status, "exceeded max depth of 10000" in answer["message"]) == (400, True), opener
