"""Rules of custom resources through the socket: what a definition may state, and what updates of it may leave."""

from __future__ import annotations

from typing import Any

import pytest

from tests.plane import Plane

pytest.importorskip("cel_expr_python")

Json = dict[str, Any]
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
MERGE = {"Content_Type": "application/merge-patch+json"}


def definition(namespace: str, *rules: str, **properties: Any) -> Json:
    spec = {"type": "object", "properties": properties, "x-kubernetes-validations": [{"rule": rule} for rule in rules]}
    schema = {"type": "object", "properties": {"spec": spec}}
    group = f"{namespace}.example.com"
    return {
        "metadata": {"name": f"widgets.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": "widgets", "kind": "Widget"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
        },
    }


def causes(answer: Any) -> list[str]:
    return [f"{cause['field']} {cause['message']}" for cause in answer["details"]["causes"]]


WHERE = "spec.validation.openAPIV3Schema"
RULE = f"{WHERE}.properties[spec].x-kubernetes-validations[0].rule"
HINT = (
    "(try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are "
    "declared)"
)


def test_a_rule_of_the_wrong_type(plane: Plane, namespace: str) -> None:
    status, answer = plane.request(
        "POST", DEFINITIONS, definition(namespace, "self.size == 'x'", size={"type": "integer"})
    )
    assert status == 422
    (cause,) = causes(answer)
    assert cause.startswith(f"{RULE} Invalid value: {{")
    assert cause.endswith(
        "compilation failed: ERROR: <input>:1:11: found no matching overload for '_==_' applied to '(int, string)'\n"
        " | self.size == 'x'\n | ..........^"
    )


def test_a_rule_that_could_cost_too_much(plane: Plane, namespace: str) -> None:
    names = {"type": "array", "items": {"type": "string"}}
    body = definition(namespace, "self.names.all(n, self.names.all(m, m != n))", names=names)
    status, answer = plane.request("POST", DEFINITIONS, body)
    assert status == 422
    assert causes(answer) == [
        f"{RULE} Forbidden: estimated rule cost exceeds budget by factor of more than 100x {HINT}",
        f"{RULE} Forbidden: contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema",
        f"{WHERE} Forbidden: x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema exceeds "
        f"budget by factor of more than 100x {HINT}",
    ]
    names["maxItems"], names["items"]["maxLength"] = 10, 10  # type: ignore[index]
    assert plane.request("POST", DEFINITIONS, body)[0] == 201
    assert plane.request("DELETE", f"{DEFINITIONS}/{body['metadata']['name']}")[0] == 200


def test_a_rule_that_is_added_later(plane: Plane, namespace: str) -> None:
    body = definition(namespace, "self.size > 0", size={"type": "integer"})
    path = f"{DEFINITIONS}/{body['metadata']['name']}"
    assert plane.request("POST", DEFINITIONS, body)[0] == 201
    assert plane.request("PATCH", path, {"metadata": {"labels": {"a": "b"}}}, **MERGE)[0] == 200
    changed = definition(namespace, "self.size > 0", "self.size > 'a'", size={"type": "integer"})
    status, answer = plane.request("PATCH", path, {"spec": changed["spec"]}, **MERGE)
    assert status == 422
    assert "found no matching overload for '_>_' applied to '(int, string)'" in answer["message"]
    assert plane.request("DELETE", path)[0] == 200


def test_what_an_update_leaves_as_it_was_is_a_warning(plane: Plane, namespace: str) -> None:
    text = {"type": "string"}
    body = definition(namespace, a=text, b=text)
    path = f"{DEFINITIONS}/{body['metadata']['name']}"
    assert plane.request("POST", DEFINITIONS, body)[0] == 201
    group = body["spec"]["group"]
    widgets = f"/apis/{group}/v1/namespaces/{namespace}/widgets"
    plane.eventually_status(widgets, 200)
    widget = {"apiVersion": f"{group}/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": {"a": "x", "b": "y"}}
    assert plane.request("POST", widgets, widget)[0] == 201
    stricter = {**text, "maxLength": 5, "x-kubernetes-validations": [{"rule": "self == 'z'", "message": "not z"}]}
    changed = definition(namespace, a={**stricter, "enum": ["z"]}, b=text)
    assert plane.request("PATCH", path, {"spec": changed["spec"]}, **MERGE)[0] == 200
    words = 'patch widgets w --type=merge -p \'{"spec":{"%s":"%s"}}\''
    refused = plane.kubectl(words % ("a", "w"), namespace=namespace, check=False)
    assert "spec.a: Unsupported value" in refused.stderr
    done = plane.kubectl(words % ("b", "changed"), namespace=namespace)
    assert done.stderr == 'Warning: spec.a: Invalid value: "x": not z\n'
    assert plane.request("DELETE", path)[0] == 200
