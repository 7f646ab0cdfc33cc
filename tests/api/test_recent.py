"""What is remembered of an object is what its stored bytes say, whatever became of the writes that shared it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from apiserver import server
from apiserver.auth.authentication import TokenEntry
from apiserver.encoding import decode
from apiserver.kinds.pod import KINDS
from apiserver.options import Options
from apiserver.recent import Recent
from apiserver.storage.types import Key, Record

PODS = "/api/v1/namespaces/default/pods"
STRATEGIC, MERGE = "application/strategic-merge-patch+json", "application/merge-patch+json"
JSON_PATCH, APPLY = "application/json-patch+json", "application/apply-patch+yaml"
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "p"},
    "spec": {"containers": [{"name": "c", "image": "i"}]},
}
READY = {"type": "Ready", "status": "True"}
Json = dict[str, Any]


class Client:
    """Requests to a server within this process, each followed by a look at what is stored and remembered."""

    def __init__(self, app: server.App) -> None:
        transport = httpx.ASGITransport(app=app)  # type: ignore[arg-type]
        self.http = httpx.AsyncClient(
            transport=transport, base_url="https://here", headers={"Authorization": "Bearer t"}
        )
        self.app = app

    @property
    def record(self) -> Record:
        found = self.app.store.get(Key("pods", "default", "p"))
        assert found is not None
        return found

    def look(self) -> Json:
        """The stored object, which must be the remembered one, to the byte."""
        remembered = self.app.recent.object_of(KINDS[0], self.record)
        assert orjson.dumps(remembered) == self.record.data
        assert remembered == decode(self.record)
        return decode(self.record)

    async def patch(self, body: Any, part: str = "", media: str = STRATEGIC, query: str = "") -> int:
        headers = {"Content-Type": media}
        answer = await self.http.patch(f"{PODS}/p{part}{query}", content=json.dumps(body), headers=headers)
        self.look()
        return answer.status_code

    async def put(self, body: Any, part: str = "") -> int:
        answer = await self.http.put(f"{PODS}/p{part}", json=body)
        self.look()
        return answer.status_code

    async def post(self, body: Any, part: str) -> int:
        answer = await self.http.post(f"{PODS}{part}", json=body)
        self.look()
        return answer.status_code


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    tokens = [TokenEntry("t", "admin", "u", ("system:masters",))]
    app = await server.create(Options(database_url=f"sqlite:///{tmp_path}/x.db", tokens=tokens))
    client = Client(app)
    assert await client.post(POD, "") == 201
    yield client
    await client.http.aclose()
    await app.close()


async def test_writes_of_every_kind_share_without_a_trace(client: Client) -> None:
    ready = {"status": {"phase": "Running", "conditions": [READY]}}
    assert await client.patch(ready, "/status") == 200
    assert await client.patch({"status": {"podIP": "10.0.0.1"}}, "/status", MERGE) == 200
    assert await client.patch({"spec": {"nodeName": "n"}, "status": {"reason": "r"}}, "/status") == 200
    assert "nodeName" not in client.look()["spec"]
    assert await client.patch({"metadata": {"labels": {"a": "b"}, "annotations": {"c": "d"}}}) == 200
    assert await client.patch([{"op": "add", "path": "/metadata/labels/e", "value": "f"}], "", JSON_PATCH) == 200
    assert await client.patch({"spec": {"tolerations": [{"key": "x", "operator": "Exists"}]}}) == 200
    assert (
        await client.post({"metadata": {"name": "p", "annotations": {"g": "h"}}, "target": {"name": "n"}}, "/p/binding")
        == 201
    )
    found = client.look()
    assert (found["spec"]["nodeName"], found["metadata"]["annotations"]) == ("n", {"c": "d", "g": "h"})
    applied = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "status": {"message": "m"}}
    assert await client.patch(applied, "/status", APPLY, "?fieldManager=x") == 200
    found["status"]["phase"] = "Failed"
    assert await client.put(found, "/status") == 409
    found["metadata"]["resourceVersion"] = str(client.record.revision)
    assert await client.put(found, "/status") == 200
    assert client.look()["status"]["phase"] == "Failed"


async def test_writes_that_fail_leave_no_trace(client: Client) -> None:
    assert await client.patch({"status": {"phase": "Running", "conditions": [READY]}}, "/status") == 200
    before = client.record
    generation = {"status": {"conditions": [{"type": "Ready", "observedGeneration": -1, "status": "False"}]}}
    assert await client.patch(generation, "/status") == 422
    assert await client.patch({"status": {"qosClass": "Guaranteed", "podIP": "10.0.0.9"}}, "/status") == 422
    assert await client.patch({"status": {"conditions": [{"type": 1}]}}, "/status") == 422
    assert await client.patch({"spec": {"schedulerName": "other"}, "metadata": {"labels": {"a": "b"}}}) == 422
    assert await client.patch({"metadata": {"uid": "other"}, "status": {"phase": "Failed"}}, "/status") == 422
    assert await client.patch({"metadata": {"resourceVersion": "1"}, "status": {"phase": "x"}}, "/status") == 409
    assert await client.patch({"status": {"phase": "Failed"}}, "/status", STRATEGIC, "?dryRun=All") == 200
    assert client.record is before


async def test_writers_in_a_race_lose_nothing(client: Client) -> None:
    """Whoever comes too late starts over from an object that the first one shared."""

    async def report(number: int) -> int:
        conditions = [{"type": f"example.com/{number}", "status": "True"}]
        return await client.patch({"status": {"conditions": conditions}}, "/status")

    assert set(await asyncio.gather(*map(report, range(20)))) == {200}
    found = client.look()["status"]["conditions"]
    assert {condition["type"] for condition in found} == {f"example.com/{number}" for number in range(20)}


def record_of(name: str, revision: int, obj: Json) -> Record:
    return Record(Key("pods", "default", name), revision, "u", orjson.dumps(obj), {}, 0)


def test_the_oldest_are_forgotten_and_a_record_of_another_writer_is_read() -> None:
    recent = Recent(limit=2)
    objects = [{"kind": "Pod", "apiVersion": "v1", "metadata": {"name": str(at)}, "spec": {}} for at in range(3)]
    records = [record_of(str(at), at, objects[at]) for at in range(3)]
    for record, obj in zip(records, objects, strict=True):
        recent.keep(record, obj)
    kept = [recent.object_of(KINDS[0], record)["metadata"].get("resourceVersion") for record in records]
    assert kept == [None, "1", "2"]
    again = record_of("2", 3, {**objects[2], "spec": {"nodeName": "n"}})
    assert recent.object_of(KINDS[0], again)["spec"] == {"nodeName": "n"}
