"""Watches over websockets: the same answer as over HTTP, one message for each event.

kube-apiserver does so for clients that cannot read an answer before its end (browsers, the Java client of fabric8). A
browser cannot set headers either, so a token may come as a subprotocol.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Any

from apiserver.request import Message, Receive, Send

Scope = dict[str, Any]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
BEARER = "base64url.bearer.authorization.k8s.io."
"""Subprotocols with this prefix carry a token; it is never sent back (WebSocket authenticator of k8s.io/apiserver)."""
NOBODYS = BEARER.encode()
MOST_RECEIVED = 64 << 10
"""Bytes of one message of a client. Nothing is expected from it."""
LENGTH_BYTES = 4


def protocol(**parts: Any) -> Any:
    """uvicorn's protocol of a connection that has become a websocket; most servers never need one."""
    from apiserver.websocketprotocol import WebSocketProtocol

    return WebSocketProtocol(**parts)


async def watch(application: Application, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request for a websocket as `application` answers it over HTTP."""
    await receive()  # that it connects
    protocols, token = _sorted(scope["subprotocols"])
    connection = _Connection(scope, protocols, receive, send)
    headers = [header for header in scope["headers"] if header[0] != b"sec-websocket-protocol"]
    if token is not None and not any(name == b"authorization" for name, _ in headers):
        headers.append((b"authorization", b"Bearer " + token))
    request = {**scope, "type": "http", "method": "GET", "headers": headers}
    await application(request, connection.receive, connection.send)


def _sorted(protocols: list[str]) -> tuple[list[str], bytes | None]:
    """(subprotocols, the token among them). One that cannot be read, or comes alone or twice, is nobody's token."""
    bearers = [text for text in protocols if text.startswith(BEARER)]
    others = [text for text in protocols if not text.startswith(BEARER)]
    if not bearers:
        return others, None
    text = bearers[0].removeprefix(BEARER)
    try:
        token = base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
    except (binascii.Error, ValueError):
        token = b""
    usable = len(bearers) == 1 and others and token and token.isascii()
    return others, token if usable else NOBODYS


class _Connection:
    """What an application of HTTP says, in the words of a websocket."""

    def __init__(self, scope: Scope, protocols: list[str], receive: Receive, send: Send) -> None:
        self._scope, self._protocols = scope, protocols
        self._receive, self._send = receive, send
        self._refused = asyncio.Event()
        self._accepted = self._binary = False

    async def receive(self) -> Message:
        """Nothing but the end; what a client says is thrown away."""
        while not self._refused.is_set() and (await self._receive())["type"] != "websocket.disconnect":
            pass
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if self._refused.is_set():
            return
        if message["type"] == "http.response.start" and message["status"] == 200:
            await self._open(dict(message["headers"])[b"content-type"])
        elif not self._accepted:
            await self._say({**message, "type": f"websocket.{message['type']}"})
        else:
            for frame in self._frames(message.get("body", b"")):
                await self._say({"type": "websocket.send", "bytes" if self._binary else "text": frame})
            if not message.get("more_body"):
                await self._say({"type": "websocket.close", "code": 1000})

    async def _open(self, content_type: bytes) -> None:
        """The handshake, with the conditions of golang.org/x/net/websocket: an origin, and one subprotocol at most."""
        if not any(name == b"origin" for name, _ in self._scope["headers"]):
            await self._refuse(403)
        elif len(self._protocols) > 1:
            await self._refuse(400)
        else:
            self._accepted, self._binary = True, not content_type.startswith(b"application/json")
            await self._say({"type": "websocket.accept", "subprotocol": next(iter(self._protocols), None)})

    async def _say(self, message: Message) -> None:
        with suppress(OSError):  # the client is gone, which `receive` tells
            await self._send(message)

    async def _refuse(self, status: int) -> None:
        headers = [(b"content-length", b"0")]
        await self._say({"type": "websocket.http.response.start", "status": status, "headers": headers})
        await self._say({"type": "websocket.http.response.body", "body": b""})
        self._refused.set()

    def _frames(self, chunk: bytes) -> Iterator[str | bytes]:
        """A chunk of the stream is one event after the other: lines of JSON, or protobuf behind its length."""
        if not self._binary:
            yield from (line.decode() + "\n" for line in chunk.split(b"\n") if line)
            return
        start = 0
        while start < len(chunk):
            end = start + LENGTH_BYTES + int.from_bytes(chunk[start : start + LENGTH_BYTES])
            yield chunk[start + LENGTH_BYTES : end]
            start = end
