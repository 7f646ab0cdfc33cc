"""Which creates are recalled, and how much of them is kept."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from apiserver import server
from apiserver.admission import Admission, Plugin, plugins
from apiserver.auth.authentication import TokenEntry
from apiserver.handlers import create, precedents
from apiserver.options import Options
from apiserver.recall import LARGEST

PODS = "/api/v1/namespaces/default/pods"


class Calls:
    """A server in this process, and how often its pipeline has run."""

    def __init__(self, app: server.App) -> None:
        self.app, self.runs = app, 0
        mutate = app.admission.mutate

        async def counted(*arguments: Any) -> None:
            self.runs += 1
            await mutate(*arguments)

        app.admission.mutate = counted  # type: ignore[method-assign]

    async def create(self, body: Any, path: str = PODS) -> tuple[int, Any]:
        data, parts = json.dumps(body).encode(), []
        headers = {b"content-type": b"application/json", b"authorization": b"Bearer t", b"user-agent": b"tester/1"}
        scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": list(headers.items())}

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": data}

        async def send(message: Any) -> None:
            parts.append(message)

        await self.app(scope, receive, send)
        return parts[0]["status"], json.loads(parts[1]["body"])


def pod(name: str = "", prefix: str = "", **spec: Any) -> dict[str, Any]:
    metadata = {"generateName": prefix} if prefix else {"name": name}
    return {"metadata": metadata, "spec": {"containers": [{"name": "c", "image": "i"}], **spec}}


@pytest.fixture
async def calls(tmp_path: Path) -> AsyncIterator[Calls]:
    tokens = [TokenEntry("t", "admin", "u", ("system:masters",))]
    app = await server.create(Options(database_url=f"sqlite:///{tmp_path}/x.db", tokens=tokens))
    yield Calls(app)
    await app.close()


async def test_the_third_pod_of_a_template_is_recalled(calls: Calls) -> None:
    made = [(await calls.create(pod(f"pod-{number}")))[1] for number in range(5)]
    assert calls.runs == 2
    assert [one["metadata"]["name"] for one in made] == [f"pod-{number}" for number in range(5)]
    assert len({one["metadata"]["uid"] for one in made}) == 5
    assert (await calls.create(pod("pod-1")))[0] == 409
    assert (await calls.create(pod("Pod")))[0] == 422
    assert calls.runs == 3  # for the wrong name


async def test_names_that_the_server_makes(calls: Calls, monkeypatch: pytest.MonkeyPatch) -> None:
    made = [(await calls.create(pod(prefix="web-")))[1]["metadata"] for _ in range(5)]
    assert calls.runs == 2
    assert len({metadata["name"] for metadata in made}) == 5
    assert {metadata["name"][:-5] for metadata in made} == {metadata["generateName"] for metadata in made} == {"web-"}
    taken, free = made[0]["name"], iter([made[0]["name"]] * 3 + ["web-free"])
    monkeypatch.setattr(create, "generated", lambda prefix: next(free))
    assert (await calls.create(pod(prefix="web-")))[1]["metadata"]["name"] == "web-free"
    monkeypatch.setattr(create, "generated", lambda prefix: taken)
    assert (await calls.create(pod(prefix="web-")))[0] == 409
    assert calls.runs == 2


async def test_what_depends_on_the_name_is_not_recalled(calls: Calls) -> None:
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    volume = {"name": "v", "ephemeral": {"volumeClaimTemplate": {"spec": claim}}}
    for number in range(4):
        assert (await calls.create(pod(f"pod-{number}", volumes=[volume])))[0] == 201
    assert calls.runs == 4


async def test_times_of_managed_fields_are_the_clients(calls: Calls, monkeypatch: pytest.MonkeyPatch) -> None:
    then, now = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"
    owned = {"f:metadata": {"f:labels": {"f:gone": {}}}}
    entry = {"manager": "m", "operation": "Update", "apiVersion": "v1", "time": then, "fieldsType": "FieldsV1"}
    for number, time in enumerate((then, then, then, now)):
        monkeypatch.setattr(calls.app, "now", lambda time=time: time)
        body = pod(f"pod-{number}")
        body["metadata"] |= {"managedFields": [{**entry, "fieldsV1": owned}]}
        metadata = (await calls.create(body))[1]["metadata"]
        assert metadata["creationTimestamp"] == time
        assert {entry["manager"]: entry["time"] for entry in metadata["managedFields"]} == {"m": then, "tester": time}
        plain = (await calls.create(pod(f"plain-{number}")))[1]["metadata"]
        assert [entry["time"] for entry in plain["managedFields"]] == [plain["creationTimestamp"]] == [time]


async def test_other_kinds_are_not_recalled(calls: Calls) -> None:
    for number in range(4):
        body = {"metadata": {"name": f"n{number}"}}
        assert (await calls.create(body, "/api/v1/namespaces"))[0] == 201
    assert calls.runs == 4


async def test_a_plugin_that_does_not_say_what_it_looks_at(calls: Calls) -> None:
    class Moody(Plugin):
        name = "Moody"

        async def mutate(self, request: Any, kind: Any, obj: Any, old: Any, context: Any) -> None:
            obj["metadata"].setdefault("labels", {})["mood"] = obj["metadata"]["name"]

    calls.app.admission = Admission([*calls.app.admission.plugins, Moody()])
    calls.app.precedents = precedents.Precedents(calls.app)
    made = [(await calls.create(pod(f"pod-{number}")))[1] for number in range(4)]
    assert [one["metadata"]["labels"] for one in made] == [{"mood": f"pod-{number}"} for number in range(4)]


async def test_what_is_kept_is_bounded(calls: Calls, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precedents, "LIMIT", 3)
    monkeypatch.setattr(precedents, "SEEN", 5)
    found = calls.app.precedents
    for template in range(12):
        for number in range(3):
            assert (await calls.create(pod(f"pod-{template}-{number}", nodeName=f"node-{template}")))[0] == 201
            assert sum(len(known) for known in found._known.values()) == found._count <= 3
            assert len(found._seen) <= 5
    assert calls.runs == 24
    for number in range(3):
        await calls.create(pod(f"large-{number}", nodeName="n" * 63, hostAliases=[{"ip": "1.2.3.4"}] * (LARGEST // 10)))
    assert calls.runs == 27


def test_every_plugin_says_what_it_acts_on_or_looks_at() -> None:
    beyond = {plugin.name for plugin in plugins() if plugin.looks_at is None}
    assert beyond == {
        "ServiceAccount",
        "PodTopologyLabels",
        "CertificateApproval",
        "CertificateSigning",
        "CertificateSubjectRestriction",
        "PrivilegeEscalation",
    }
