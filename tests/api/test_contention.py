"""Many writers of one object at once: all succeed, and nothing that one of them wrote is lost."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from tests.plane import Plane

WRITERS = 64
STRATEGIC, MERGE = "application/strategic-merge-patch+json", "application/merge-patch+json"
JSON_PATCH, APPLY = "application/json-patch+json", "application/apply-patch+yaml"


@pytest.fixture
async def http(plane: Plane) -> AsyncIterator[httpx.AsyncClient]:
    """As many connections as writers."""
    limits = httpx.Limits(max_connections=WRITERS, max_keepalive_connections=WRITERS)
    headers = {"Authorization": f"Bearer {plane.token}"}
    async with httpx.AsyncClient(
        base_url=plane.url, verify=plane.tls, headers=headers, limits=limits, timeout=60
    ) as client:
        yield client


async def created(http: httpx.AsyncClient, namespace: str) -> str:
    """The path of a config map."""
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    body = {"metadata": {"name": "shared"}, "data": {"kept": "yes"}}
    assert (await http.post(path, json=body)).status_code == 201
    return f"{path}/shared"


def _patch(kind: str, number: int) -> Any:
    if kind == JSON_PATCH:
        return [{"op": "add", "path": f"/data/k{number}", "value": "v"}]
    if kind == APPLY:
        return {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "shared"},
            "data": {f"k{number}": "v"},
        }
    return {"data": {f"k{number}": "v"}}


async def test_patches_of_every_kind_lose_nothing(http: httpx.AsyncClient, namespace: str) -> None:
    path = await created(http, namespace)
    kinds = (STRATEGIC, MERGE, JSON_PATCH, APPLY)

    async def send(number: int) -> httpx.Response:
        kind = kinds[number % len(kinds)]
        manager = f"?fieldManager=m{number}" if kind == APPLY else ""
        body = json.dumps(_patch(kind, number))
        return await http.patch(path + manager, content=body, headers={"Content-Type": kind})

    answers = await asyncio.gather(*(send(number) for number in range(WRITERS)))
    assert [answer.text for answer in answers if answer.status_code != 200] == []
    data = (await http.get(path)).json()["data"]
    assert set(data) == {"kept", *(f"k{number}" for number in range(WRITERS))}


async def test_unconditional_updates_all_succeed(http: httpx.AsyncClient, namespace: str) -> None:
    path = await created(http, namespace)
    bodies = [{"metadata": {"name": "shared"}, "data": {"last": str(number)}} for number in range(WRITERS)]
    answers = await asyncio.gather(*(http.put(path, json=body) for body in bodies))
    assert {answer.status_code for answer in answers} == {200}
    versions = {answer.json()["metadata"]["resourceVersion"] for answer in answers}
    assert len(versions) == WRITERS
    newest = max(answers, key=lambda answer: int(answer.json()["metadata"]["resourceVersion"]))
    assert (await http.get(path)).json() == newest.json()


async def test_one_of_many_conditional_updates_succeeds(http: httpx.AsyncClient, namespace: str) -> None:
    path = await created(http, namespace)
    live = (await http.get(path)).json()
    bodies = [{**live, "data": {"winner": str(number)}} for number in range(16)]
    answers = await asyncio.gather(*(http.put(path, json=body) for body in bodies))
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 15


async def test_a_deletion_among_patches_ends_them(http: httpx.AsyncClient, namespace: str) -> None:
    path = await created(http, namespace)
    headers = {"Content-Type": MERGE}
    patches = [http.patch(path, json=_patch(MERGE, number), headers=headers) for number in range(32)]
    *answers, gone = await asyncio.gather(*patches, http.delete(path))
    assert gone.status_code == 200
    assert {answer.status_code for answer in answers} <= {200, 404}
    assert (await http.get(path)).status_code == 404


async def test_patches_through_two_servers_lose_nothing(
    start_plane: Callable[..., Plane], new_database: Callable[[], str]
) -> None:
    url = new_database()
    servers = [start_plane("--database-url", url, verb="apiserver") for _ in range(2)]
    path = "/api/v1/namespaces/default/configmaps/shared"
    status, _ = servers[0].request("POST", path.rpartition("/")[0], {"metadata": {"name": "shared"}})
    assert status == 201
    servers[1].eventually(path, lambda found: True)
    headers = {"Content_Type": MERGE}

    def send(number: int) -> Any:
        return servers[number % 2].request("PATCH", path, {"data": {f"k{number}": "v"}}, **headers)

    answers = await asyncio.gather(*(asyncio.to_thread(send, number) for number in range(32)))
    assert [answer for status, answer in answers if status != 200] == []
    newest = max((answer for _, answer in answers), key=lambda found: int(found["metadata"]["resourceVersion"]))
    assert set(newest["data"]) == {f"k{number}" for number in range(32)}
