"""Custom resources whose versions a webhook converts into each other."""

from __future__ import annotations

import json
import ssl
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from tests.admission.webhook import Webhook
from tests.plane import Plane

GROUP = "conversion.example.com"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
MERGE = {"Content_Type": "application/merge-patch+json"}


def definition(plural: str, config: dict[str, Any]) -> dict[str, Any]:
    """v1 has spec.address "host:port" and is stored; v2 has spec.host and spec.port."""

    def version(name: str, storage: bool, **properties: Any) -> dict[str, Any]:
        spec = {"type": "object", "properties": properties}
        schema = {"type": "object", "properties": {"spec": spec}}
        return {"name": name, "served": True, "storage": storage, "schema": {"openAPIV3Schema": schema}}

    text = {"type": "string"}
    return {
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {"plural": plural, "kind": plural.capitalize()},
            "versions": [version("v1", True, address=text), version("v2", False, host=text, port=text)],
            "conversion": {
                "strategy": "Webhook",
                "webhook": {"clientConfig": config, "conversionReviewVersions": ["v1"]},
            },
        },
    }


def convert(obj: dict[str, Any], target: str) -> dict[str, Any]:
    spec = obj["spec"]
    if target.endswith("v1"):
        return {**obj, "apiVersion": target, "spec": {"address": f"{spec['host']}:{spec['port']}"}}
    host, _, port = spec["address"].partition(":")
    return {**obj, "apiVersion": target, "spec": {"host": host, "port": port}}


def answer(request: dict[str, Any]) -> dict[str, Any]:
    target = request["desiredAPIVersion"]
    return {"result": {"status": "Success"}, "convertedObjects": [convert(obj, target) for obj in request["objects"]]}


@pytest.fixture
def paths(plane: Plane, namespace: str, webhook: Webhook) -> Iterator[dict[str, str]]:
    """The collections of both versions."""
    webhook.answer = answer
    plural = "p" + namespace.replace("-", "")
    status, made = plane.request("POST", DEFINITIONS, definition(plural, webhook.config("/convert")))
    assert status == 201, made
    found = {name: f"/apis/{GROUP}/{name}/namespaces/{namespace}/{plural}" for name in ("v1", "v2")}
    plane.eventually(found["v1"], lambda listed: True)
    yield found
    plane.request("DELETE", f"{DEFINITIONS}/{plural}.{GROUP}")


def make(paths: dict[str, str], version: str, name: str, **spec: str) -> dict[str, Any]:
    kind = paths["v1"].rpartition("/")[2].capitalize()
    return {"apiVersion": f"{GROUP}/{version}", "kind": kind, "metadata": {"name": name}, "spec": spec}


def test_write_in_one_version_and_read_in_the_other(plane: Plane, paths: dict[str, str], webhook: Webhook) -> None:
    status, made = plane.request("POST", paths["v2"], make(paths, "v2", "a", host="h", port="80"))
    assert status == 201, made["message"]
    assert made["spec"] == {"host": "h", "port": "80"}
    stored = plane.get(f"{paths['v1']}/a")
    assert (stored["apiVersion"], stored["spec"]) == (f"{GROUP}/v1", {"address": "h:80"})
    assert stored["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
    assert webhook.paths[0] == "/convert?timeout=30s"
    review = webhook.reviews[0]
    assert (review["apiVersion"], review["kind"]) == ("apiextensions.k8s.io/v1", "ConversionReview")
    assert review["request"]["desiredAPIVersion"] == f"{GROUP}/v1"
    status, changed = plane.request("PATCH", f"{paths['v2']}/a", {"spec": {"port": "81"}}, **MERGE)
    assert (status, changed["spec"]) == (200, {"host": "h", "port": "81"})
    assert plane.get(f"{paths['v1']}/a")["spec"] == {"address": "h:81"}
    assert plane.request("DELETE", f"{paths['v2']}/a")[0] == 200


def test_a_list_is_one_call(plane: Plane, paths: dict[str, str], webhook: Webhook) -> None:
    for name in ("a", "b", "c"):
        assert plane.request("POST", paths["v1"], make(paths, "v1", name, address=f"{name}:1"))[0] == 201
    assert webhook.reviews == [], "the stored version needs no conversion"
    items = plane.get(paths["v2"])["items"]
    assert [(item["apiVersion"], item["spec"]["host"]) for item in items] == [(f"{GROUP}/v2", n) for n in "abc"]
    assert [len(request["objects"]) for request in webhook.requests] == [3]


def test_a_watch_shows_its_version(plane: Plane, paths: dict[str, str]) -> None:
    assert plane.request("POST", paths["v1"], make(paths, "v1", "a", address="a:1"))[0] == 201
    url = f"{plane.url}{paths['v2']}?watch=1&timeoutSeconds=5"
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {plane.token}"})
    context: ssl.SSLContext = plane.tls
    with urllib.request.urlopen(request, context=context, timeout=30) as stream:
        first = json.loads(stream.readline())
        assert plane.request("PATCH", f"{paths['v1']}/a", {"spec": {"address": "b:2"}}, **MERGE)[0] == 200
        while (event := json.loads(stream.readline()))["type"] == "BOOKMARK":
            pass
    shown = [(one["type"], one["object"]["apiVersion"], one["object"]["spec"]) for one in (first, event)]
    assert shown == [
        ("ADDED", f"{GROUP}/v2", {"host": "a", "port": "1"}),
        ("MODIFIED", f"{GROUP}/v2", {"host": "b", "port": "2"}),
    ]


def test_what_the_webhook_gets_wrong(plane: Plane, paths: dict[str, str], webhook: Webhook) -> None:
    assert plane.request("POST", paths["v1"], make(paths, "v1", "a", address="a:1"))[0] == 201
    kind = paths["v1"].rpartition("/")[2].capitalize()
    what = f"conversion webhook for {GROUP}/v1, Kind={kind}"

    def renamed(request: dict[str, Any]) -> dict[str, Any]:
        found = answer(request)
        found["convertedObjects"][0]["metadata"]["name"] = "other"
        return found

    for wrong, why in (
        (lambda request: {"result": {"status": "Failure", "message": "no idea"}}, "failed: no idea"),
        (lambda request: {"result": {"status": "Success"}}, "returned 0 objects, expected 1"),
        (
            renamed,
            "returned invalid converted object at index 0: invalid metadata: must have the same name: a != other",
        ),
    ):
        webhook.answer = wrong
        status, found = plane.request("GET", f"{paths['v2']}/a")
        assert (status, found["message"]) == (500, f"{what} {why}")
    webhook.answer = answer
    assert plane.get(f"{paths['v2']}/a")["spec"]["host"] == "a"


def test_definitions_that_make_no_sense(plane: Plane) -> None:
    body = definition("bads", {"url": "http://h/x"})
    body["spec"]["conversion"]["webhook"]["conversionReviewVersions"] = ["v7"]
    status, found = plane.request("POST", DEFINITIONS, body)
    assert status == 422
    assert [(cause["field"], cause["message"]) for cause in found["details"]["causes"]] == [
        (
            "spec.conversion.webhookClientConfig.url",
            "Invalid value: \"http\": 'https' is the only allowed URL scheme; desired format: https://host[/path]",
        ),
        (
            "spec.conversion.conversionReviewVersions",
            'Invalid value: ["v7"]: must include at least one of v1, v1beta1',
        ),
    ]
    body["spec"]["conversion"] = {"strategy": "None", "webhook": {"clientConfig": {"url": "https://h"}}}
    status, found = plane.request("POST", DEFINITIONS, body)
    assert (status, found["details"]["causes"][0]["message"]) == (
        422,
        "Forbidden: should not be set when strategy is not set to Webhook",
    )
