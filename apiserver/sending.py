"""An answer on its way to the client: headers, a body in slices, or a stream for as long as somebody reads it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import lru_cache

from apiserver.exchange import Exchange
from apiserver.feed import FEED, Feed, parts
from apiserver.flowschemas import Headers
from apiserver.request import WHOLE, Receive, Response, Send

BUFFERED = 64 * 1024
"""Bytes of an answer that a connection buffers without waiting for its client (asyncio's default)."""
SLICE = 256 * 1024
"""Bytes handed to TLS at a time: it encrypts what it gets in one go, and asks for a pause only between."""


async def send_answer(answer: Response, exchange: Exchange, receive: Receive, send: Send) -> None:
    headers = [(b"audit-id", exchange.audit_id), *answer.headers]
    if exchange.warnings:
        headers += [(b"warning", _warning(text)) for text in dict.fromkeys(exchange.warnings)]
    always, lines = _always(answer.content_type, exchange.flow)
    body = answer.body
    small = len(body) <= BUFFERED or exchange.scope["method"] == "HEAD"
    if answer.stream is None and answer.feed is None and small and WHOLE in exchange.scope.get("extensions", ()):
        headers.append((b"content-length", b"%d" % len(body)))
        await send({"type": WHOLE, "status": answer.status, "headers": headers, "lines": lines, "body": body})
        return
    headers += always
    if answer.stream is not None or answer.feed is not None:
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        # the headers leave before the first event: clients wait for them (client-node)
        await send({"type": "http.response.body", "body": b"", "more_body": True})
        if answer.feed is None:
            assert answer.stream is not None
            await _stream(answer.stream, receive, send)
        elif FEED in exchange.scope.get("extensions", ()):
            await _hand_over(answer.feed, send)
        else:
            await _stream(parts(answer.feed), receive, send)
        return
    headers.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    if small:
        await send({"type": "http.response.body", "body": body})
        return
    view = memoryview(body)
    for start in range(0, len(body), SLICE):
        await send({"type": "http.response.body", "body": view[start : start + SLICE], "more_body": True})
    # the end waits until the client has read the rest: until then the answer takes a seat
    await send({"type": "http.response.body", "body": b""})


@lru_cache(maxsize=256)
def _always(content_type: str, flow: Headers) -> tuple[Headers, bytes]:
    """What every answer of a kind says of itself, as headers and as lines of a head."""
    headers = ((b"content-type", content_type.encode()), (b"cache-control", b"no-cache, private"), *flow)
    return headers, b"".join(b"%b: %b\r\n" % header for header in headers)


async def _hand_over(feed: Feed, send: Send) -> None:
    try:
        await feed.open()
        await send({"type": FEED, "feed": feed})
    except BaseException:
        feed.stop()
        raise


async def _stream(stream: AsyncIterator[bytes], receive: Receive, send: Send) -> None:
    """An endless answer, until it ends or its client is gone: nothing else would tell an idle watch."""
    gone = asyncio.create_task(_disconnected(receive))
    try:
        async with asyncio.timeout(None) as connected:

            def hang_up(_: object) -> None:
                connected.reschedule(0)

            gone.add_done_callback(hang_up)
            try:
                async for chunk in stream:
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
            finally:
                gone.remove_done_callback(hang_up)
                gone.cancel()
    except TimeoutError:
        if not gone.done():
            raise
        return
    await send({"type": "http.response.body", "body": b""})


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


_QUOTED = dict.fromkeys([*range(32), 127], " ") | {ord("\\"): "\\\\", ord('"'): '\\"'}


def _warning(text: str) -> bytes:
    """A Warning header value (RFC 7234, 5.5): code 299, no agent, quoted text without control characters."""
    return f'299 - "{text.translate(_QUOTED)}"'.encode("utf-8")  # noqa: UP012
