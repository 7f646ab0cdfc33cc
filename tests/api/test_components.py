"""`kubectl get componentstatuses`, and Tables with more cells than columns."""

from __future__ import annotations

import asyncio
import datetime
import ssl
from pathlib import Path
from typing import Any

import pytest

from apiserver.handlers import components
from miniplane.apimachinery import pki
from miniplane.client import clock
from tests.plane import Plane

STATUSES = "/api/v1/componentstatuses"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases"
MERGE = {"Content_Type": "application/merge-patch+json"}
TABLE = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}


def healthy(name: str) -> dict[str, Any]:
    return {"metadata": {"name": name}, "conditions": [{"type": "Healthy", "status": "True", "message": "ok"}]}


def test_the_storage_is_well(plane: Plane) -> None:
    found = plane.get(STATUSES)
    assert (found["kind"], found["metadata"]) == ("ComponentStatusList", {})
    assert [item["metadata"]["name"] for item in found["items"]] == ["controller-manager", "etcd-0", "scheduler"]
    assert found["items"][1] == healthy("etcd-0")
    one = plane.get(f"{STATUSES}/etcd-0")
    assert one == {"kind": "ComponentStatus", "apiVersion": "v1", **healthy("etcd-0")}
    named = plane.get(f"{STATUSES}?fieldSelector=metadata.name=scheduler")["items"]
    assert [item["metadata"]["name"] for item in named] == ["scheduler"]
    status, answer = plane.request("GET", f"{STATUSES}/nosuch")
    assert (status, answer["message"]) == (500, "Component not found: nosuch")


def test_a_manager_is_well_while_it_leads(plane: Plane) -> None:
    now = clock.now()
    spec = {"holderIdentity": "me", "leaseDurationSeconds": 600, "renewTime": clock.micro_text(now)}
    lease = {"metadata": {"name": "kube-controller-manager"}, "spec": spec}
    assert plane.request("POST", LEASES, lease)[0] == 201
    try:
        assert plane.get(STATUSES)["items"][0] == healthy("controller-manager")
        rows = plane.request("GET", STATUSES, **TABLE)[1]["rows"]
        assert rows[0]["cells"] == ["controller-manager", "Healthy", "ok", ""]
        late = {"spec": {"renewTime": clock.micro_text(now - datetime.timedelta(hours=1))}}
        assert plane.request("PATCH", f"{LEASES}/kube-controller-manager", late, **MERGE)[0] == 200
        assert plane.get(STATUSES)["items"][0] != healthy("controller-manager")
    finally:
        plane.request("DELETE", f"{LEASES}/kube-controller-manager")


@pytest.mark.parametrize(
    ("code", "body", "good"), [("200 OK", "ok", True), ("500 No", "[-]leaderElection failed", False)]
)
async def test_a_health_endpoint_is_asked(tmp_path: Path, code: str, body: str, *, good: bool) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.0 {code}\r\nContent-Type: text/plain\r\n\r\n{body}".encode())
        writer.close()

    authority, key = pki.Authority.new("test", datetime.timedelta(hours=1)), pki.new_key()
    issued = authority.issue(pki.subject("a", ()), key.public_key(), datetime.timedelta(minutes=5), ["server_auth"])
    (tmp_path / "pem").write_bytes(pki.certificate_pem(issued) + pki.key_pem(key))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "pem")
    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    async with server:
        assert await components.asked(server.sockets[0].getsockname()[1]) == (good, body)


def test_addresses_have_an_age_that_no_column_names(plane: Plane) -> None:
    found = plane.request("GET", "/apis/networking.k8s.io/v1/ipaddresses", **TABLE)[1]
    assert [column["name"] for column in found["columnDefinitions"]] == ["Name", "ParentRef"]
    own = next(row["cells"] for row in found["rows"] if row["cells"][1] == "services/default/kubernetes")
    assert len(own) == 3
    assert own[0] == "10.96.0.1"
