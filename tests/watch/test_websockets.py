"""Watches over websockets, as browsers and the Java client open them."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator

import aiohttp
import pytest

from tests.plane import Plane

ORIGIN = "https://dashboard.example"


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=False)) as opened:
        yield opened


def bearer(token: str) -> str:
    return "base64url.bearer.authorization.k8s.io." + base64.urlsafe_b64encode(token.encode()).decode().rstrip("=")


def url(plane: Plane, namespace: str, query: str = "watch=1") -> str:
    return f"{plane.url}/api/v1/namespaces/{namespace}/configmaps?{query}"


def watching(metrics: str) -> float:
    """How many watches of ConfigMaps are open."""
    lines = [line for line in metrics.splitlines() if line.startswith("apiserver_longrunning_requests{")]
    return sum(float(line.rpartition(" ")[2]) for line in lines if 'resource="configmaps"' in line)


def create(plane: Plane, namespace: str, name: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    assert plane.request("POST", path, {"metadata": {"name": name}})[0] == 201


async def test_each_event_is_a_message(plane: Plane, namespace: str, session: aiohttp.ClientSession) -> None:
    create(plane, namespace, "one")
    create(plane, namespace, "two")
    headers = {"Authorization": f"Bearer {plane.token}"}
    async with session.ws_connect(url(plane, namespace), headers=headers, origin=ORIGIN) as socket:
        first = [await socket.receive(timeout=10) for _ in range(2)]
        create(plane, namespace, "three")
        last = await socket.receive(timeout=10)
    messages = [*first, last]
    assert [message.type for message in messages] == [aiohttp.WSMsgType.TEXT] * 3
    assert [json.loads(message.data)["object"]["metadata"]["name"] for message in messages] == ["one", "two", "three"]
    assert all(message.data.endswith("}\n") for message in messages)


async def test_a_watch_that_is_over_closes(plane: Plane, namespace: str, session: aiohttp.ClientSession) -> None:
    headers = {"Authorization": f"Bearer {plane.token}"}
    address = url(plane, namespace, "watch=1&timeoutSeconds=1")
    async with session.ws_connect(address, headers=headers, origin=ORIGIN) as socket:
        end = await socket.receive(timeout=10)
        assert (end.type, socket.close_code) == (aiohttp.WSMsgType.CLOSE, 1000)


async def test_a_token_comes_as_a_subprotocol(plane: Plane, namespace: str, session: aiohttp.ClientSession) -> None:
    create(plane, namespace, "one")
    protocols = (bearer(plane.token), "v1.watch")
    async with session.ws_connect(url(plane, namespace), protocols=protocols, origin=ORIGIN) as socket:
        assert socket.protocol == "v1.watch"
        assert json.loads((await socket.receive(timeout=10)).data)["type"] == "ADDED"


async def test_protobuf_is_sent_without_lengths(plane: Plane, namespace: str, session: aiohttp.ClientSession) -> None:
    create(plane, namespace, "one")
    headers = {"Authorization": f"Bearer {plane.token}", "Accept": "application/vnd.kubernetes.protobuf;stream=watch"}
    async with session.ws_connect(url(plane, namespace), headers=headers, origin=ORIGIN) as socket:
        message = await socket.receive(timeout=10)
    assert message.type == aiohttp.WSMsgType.BINARY
    assert message.data[:7] == b"\x0a\x05ADDED"


async def test_a_client_that_goes_is_forgotten(plane: Plane, namespace: str, session: aiohttp.ClientSession) -> None:
    headers = {"Authorization": f"Bearer {plane.token}"}
    before = watching(plane.request("GET", "/metrics")[1])
    async with session.ws_connect(url(plane, namespace), headers=headers, origin=ORIGIN):
        plane.eventually("/metrics", lambda text: watching(text) == before + 1)
    plane.eventually("/metrics", lambda text: watching(text) == before)


@pytest.mark.parametrize(
    ("protocols", "origin", "query", "status"),
    [
        (("v1.watch",), ORIGIN, "watch=1", 403),
        (("right",), ORIGIN, "watch=1", 401),
        (("wrong", "v1.watch"), ORIGIN, "watch=1", 401),
        (("right", "right", "v1.watch"), ORIGIN, "watch=1", 401),
        (("right", "v1.watch"), None, "watch=1", 403),
        (("right", "v1.watch", "v2.watch"), ORIGIN, "watch=1", 400),
        (("right", "v1.watch"), ORIGIN, "watch=1&labelSelector=,,", 400),
        (("right", "v1.watch"), ORIGIN, "watch=0", 403),
    ],
)
async def test_refusals(
    plane: Plane,
    namespace: str,
    session: aiohttp.ClientSession,
    protocols: tuple[str, ...],
    origin: str | None,
    query: str,
    status: int,
) -> None:
    """The last one asks for a list, which has no other way in than HTTP's own."""
    known = {"right": bearer(plane.token), "wrong": bearer("wrong")}
    sent = [known.get(name, name) for name in protocols]
    with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
        await session.ws_connect(url(plane, namespace, query), protocols=sent, origin=origin)
    assert refusal.value.status == status


async def test_a_request_that_is_no_watch_is_answered_over_http(
    plane: Plane, namespace: str, session: aiohttp.ClientSession
) -> None:
    asked = {
        "Authorization": f"Bearer {plane.token}",
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(b"0123456789abcdef").decode(),
    }
    async with session.get(url(plane, namespace, "limit=1"), headers=asked) as answer:
        assert (answer.status, (await answer.json())["kind"]) == (200, "ConfigMapList")
