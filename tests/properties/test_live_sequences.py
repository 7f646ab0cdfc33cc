"""Random sequences of writes against the running server: what it answers, stores and streams is one story."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from typing import Any

import httpx
import jsonpatch
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.plane import Plane
from tests.properties.diff import strategic_diff
from tests.properties.objects import type_of

Json = dict[str, Any]
DEPLOYMENT = type_of("apps", "v1", "Deployment")
WORDS = st.sampled_from("abc")
CONTAINERS = st.lists(
    st.fixed_dictionaries(
        {"name": WORDS, "image": WORDS},
        optional={
            "env": st.dictionaries(WORDS, WORDS, min_size=1).map(
                lambda found: [{"name": name, "value": value} for name, value in found.items()]
            ),
            "args": st.lists(WORDS, min_size=1, max_size=2),
        },
    ),
    min_size=1,
    max_size=3,
    unique_by=lambda container: container["name"],
)
TARGETS = st.builds(
    lambda replicas, labels, containers: {
        "labels": labels,
        "replicas": replicas,
        "containers": containers,
    },
    st.integers(0, 3),
    st.dictionaries(WORDS, WORDS),
    CONTAINERS,
)
WAYS = st.sampled_from(["put", "strategic", "merge", "json", "apply"])
STEPS = st.lists(st.tuples(WAYS, WORDS, TARGETS), min_size=1, max_size=7)
TYPES = {
    "strategic": "application/strategic-merge-patch+json",
    "merge": "application/merge-patch+json",
    "json": "application/json-patch+json",
    "apply": "application/apply-patch+yaml",
}


@pytest.fixture(scope="module")
def http(plane: Plane) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {plane.token}"}
    with httpx.Client(base_url=plane.url, verify=plane.tls, headers=headers, timeout=30) as client:
        yield client


def moved(live: Json, target: Json) -> Json:
    """The live object as a client would have it."""
    new: Json = json.loads(json.dumps(live))
    new["metadata"]["labels"] = target["labels"]
    new["spec"]["replicas"] = target["replicas"]
    new["spec"]["template"]["spec"]["containers"] = target["containers"]
    return new


def configuration(name: str, target: Json) -> Json:
    """What an applier says."""
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": target["containers"]}}
    spec = {"replicas": target["replicas"], "selector": {"matchLabels": labels}, "template": template}
    metadata = {"name": name, **({"labels": target["labels"]} if target["labels"] else {})}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}


def merge_diff(old: Json, new: Json) -> Json:
    patch: Json = dict.fromkeys(old.keys() - new.keys())
    for name, value in new.items():
        if old.get(name) != value:
            both = isinstance(old.get(name), dict) and isinstance(value, dict)
            patch[name] = merge_diff(old[name], value) if both else value
    return patch


def send(http: httpx.Client, path: str, live: Json, way: str, manager: str, target: Json) -> httpx.Response:
    """One write that brings the object to the target."""
    new = moved(live, target)
    query = f"?fieldManager={manager}"
    if way == "put":
        return http.put(path + query, json=new)
    body: Any
    if way == "apply":
        query, body = f"{query}&force=true", configuration(live["metadata"]["name"], target)
    elif way == "json":
        body = jsonpatch.make_patch(live, new).patch
    else:
        body = strategic_diff(live, new, DEPLOYMENT) if way == "strategic" else merge_diff(live, new)
    return http.patch(path + query, content=json.dumps(body), headers={"Content-Type": TYPES[way]})


def shown(obj: Json) -> Json:
    """What targets say of an object, without what the server fills in."""
    known = ("name", "image", "env", "args")
    containers = obj["spec"]["template"]["spec"]["containers"]
    return {
        "labels": obj["metadata"].get("labels", {}),
        "replicas": obj["spec"]["replicas"],
        "containers": [{key: item[key] for key in known if key in item} for item in containers],
    }


def managed(obj: Json) -> list[tuple[str, str]]:
    return [(entry["manager"], entry["operation"]) for entry in obj["metadata"]["managedFields"]]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(first=TARGETS, steps=STEPS)
def test_writes_reads_and_watch_agree(http: httpx.Client, first: Json, steps: list[tuple[str, str, Json]]) -> None:
    name = f"d{secrets.token_hex(5)}"
    collection = "/apis/apps/v1/namespaces/default/deployments"
    path = f"{collection}/{name}"
    made = http.post(f"{collection}?fieldManager=a", json=configuration(name, first))
    assert made.status_code == 201, made.text
    states = [made.json()]
    for way, manager, target in steps:
        live = states[-1]
        answer = send(http, path, live, way, manager, target)
        if way == "apply" and answer.status_code == 422:  # it left a container that others named without an image
            assert "image: Required value" in answer.json()["message"]
            assert http.get(path).json() == live
            continue
        assert answer.status_code == 200, (way, answer.text)
        new = answer.json()
        assert http.get(path).json() == new
        if way == "apply":
            check_applied(http, path, live, new, manager, target)
        else:
            assert shown(new) == target
        if new != live:
            states.append(new)
        check_step(live, new)
    version = states[0]["metadata"]["resourceVersion"]
    assert http.delete(path).status_code == 200
    assert list(watched(http, collection, name, version)) == states[1:]


def check_step(old: Json, new: Json) -> None:
    """Versions grow with every change, the generation with changes of the spec, and nobody keeps an empty entry."""
    before, after = old["metadata"], new["metadata"]
    assert (int(after["resourceVersion"]) > int(before["resourceVersion"])) == (old != new)
    assert after["generation"] - before["generation"] == (old["spec"] != new["spec"])
    assert after["uid"] == before["uid"]
    assert len(set(managed(new))) == len(managed(new))
    assert all(entry["fieldsV1"] for entry in after["managedFields"])


def check_applied(http: httpx.Client, path: str, old: Json, new: Json, manager: str, target: Json) -> None:
    """What was applied holds, its applier owns it, and applying it again changes nothing."""
    found = shown(new)
    assert target["labels"].items() <= found["labels"].items()
    assert found["replicas"] == target["replicas"]
    by_name = {item["name"]: item for item in found["containers"]}
    assert all(by_name[item["name"]]["image"] == item["image"] for item in target["containers"])
    assert (manager, "Apply") in managed(new)
    again = send(http, path, new, "apply", manager, target)
    assert again.json() == new


def watched(http: httpx.Client, collection: str, name: str, version: str) -> Iterator[Json]:
    """The object's states after a version, up to its deletion."""
    query = f"watch=1&resourceVersion={version}&fieldSelector=metadata.name={name}"
    with http.stream("GET", f"{collection}?{query}") as answer:
        for line in answer.iter_lines():
            event = json.loads(line)
            if event["type"] == "DELETED":
                return
            yield event["object"]
