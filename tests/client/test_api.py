"""The client over a real socket: retries, errors, streams."""

from __future__ import annotations

import pytest

from miniplane.apimachinery.status import StatusError
from miniplane.client.config import load
from miniplane.client.resources import PODS
from tests.client.server import Exchange, Server


async def test_a_busy_server_is_asked_again() -> None:
    async def handler(exchange: Exchange) -> None:
        if len(server.requests) == 1:
            await exchange.answer({}, 429, Retry_After="0")
        else:
            await exchange.answer({"metadata": {"name": "a"}})

    async with Server(handler) as server:
        assert (await server.client().get(PODS, "a", "ns"))["metadata"]["name"] == "a"
        assert server.requests == ["GET /api/v1/namespaces/ns/pods/a"] * 2


async def test_a_broken_connection_is_retried_for_reads_and_not_for_creates() -> None:
    async def handler(exchange: Exchange) -> None:
        if exchange.method == "POST" or len(server.requests) == 1:
            exchange.cut()
        else:
            await exchange.answer({})

    async with Server(handler) as server:
        client = server.client()
        await client.get(PODS, "a", "ns")
        with pytest.raises(ConnectionError):
            await client.create(PODS, {"metadata": {"name": "a", "namespace": "ns"}})
        assert [request.split()[0] for request in server.requests] == ["GET", "GET", "POST"]


async def test_a_status_becomes_an_error() -> None:
    async def handler(exchange: Exchange) -> None:
        status = {
            "kind": "Status",
            "code": 404,
            "reason": "NotFound",
            "message": "no such pod",
            "details": {"uid": "u"},
        }
        await exchange.answer(status, 404)

    async with Server(handler) as server:
        with pytest.raises(StatusError) as caught:
            await server.client().get(PODS, "a", "ns")
        assert (caught.value.code, caught.value.reason, caught.value.details) == (404, "NotFound", {"uid": "u"})


async def test_a_list_is_read_page_by_page() -> None:
    async def handler(exchange: Exchange) -> None:
        if "continue" in exchange.target:
            await exchange.answer({"metadata": {"resourceVersion": "7"}, "items": [{"n": 2}]})
        else:
            await exchange.answer({"metadata": {"resourceVersion": "7", "continue": "c"}, "items": [{"n": 1}]})

    async with Server(handler) as server:
        items, version = await server.client().list(PODS, query={"resourceVersion": "0"}, page=1)
        assert ([item["n"] for item in items], version) == ([1, 2], "7")
        assert server.requests[1] == "GET /api/v1/pods?limit=1&continue=c"


async def test_connections_are_kept() -> None:
    peers = set()

    async def handler(exchange: Exchange) -> None:
        peers.add(exchange.writer.get_extra_info("peername"))
        await exchange.answer({})

    async with Server(handler) as server:
        client = server.client()
        for _ in range(5):
            await client.get(PODS, "a", "ns")
    assert len(peers) == 1


def test_a_kubeconfig_that_names_no_cluster_is_refused(tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "config"
    path.write_text("current-context: x\ncontexts: [{name: x, context: {cluster: gone, user: u}}]\n")
    with pytest.raises(ValueError, match="no cluster named 'gone'"):
        load(path)
