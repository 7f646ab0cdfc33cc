"""A request on its way through the house, and the answer on its way back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Generator, MutableMapping
from dataclasses import dataclass, field
from functools import partial
from types import coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from apiserver import errors
from apiserver.kinds.kind import Kind, Subresource, User
from apiserver.negotiation import JSON, PLAIN, Output
from apiserver.requestinfo import RequestInfo

if TYPE_CHECKING:
    from apiserver.feed import Feed
    from apiserver.server import App

T = TypeVar("T")
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

WHOLE = "http.response.whole"
"""The message of an answer in one piece, with status, headers and body: most are short. An extension of ASGI that a
server offers in the scope under this name. An answer to HEAD has the body that a GET would have had. `lines` are
headers besides `headers`, each with its line break: what many answers say alike is put together once."""
BODY_LIMIT = 3 * 1024 * 1024
"""kube-apiserver's `--max-request-body-bytes` default."""


@dataclass(slots=True)
class Request:
    """`headers`: lower-case names, both sides bytes. `kind` and `subresource` are set once routing found them,
    `received` before the handler runs: the body, None where it is too large."""

    server: App
    info: RequestInfo
    headers: dict[bytes, bytes]
    receive: Receive
    user: User
    kind: Kind
    subresource: Subresource | None = None
    output: Output = PLAIN
    warnings: list[str] = field(default_factory=list)
    received: bytes | None = None
    audit_annotations: dict[str, str] | None = None

    def annotate(self, key: str, value: str) -> None:
        """Add to the annotations of the audit event; the first value of a key stays."""
        if self.audit_annotations is None:
            self.audit_annotations = {}
        self.audit_annotations.setdefault(key, value)

    def header(self, name: bytes) -> str:
        return self.headers.get(name, b"").decode("latin-1")

    async def receive_body(self, seconds: float) -> None:
        """Read the body before anything is held for this request, no further than the limit.

        Raises 504 where the client takes longer than `seconds`, ClientGone.
        """
        declared = self.headers.get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > BODY_LIMIT:
            return
        receiving = self._received()
        try:
            awaited = receiving.send(None)  # most bodies are here already: no timer is set for them
        except StopIteration as whole:
            self.received = whole.value
            return
        try:
            async with asyncio.timeout(seconds):
                self.received = await _resumed(receiving, awaited)
        except TimeoutError:
            raise errors.timeout() from None

    async def _received(self) -> bytes | None:
        """All that comes; None where it is too much."""
        chunks: list[bytes] = []
        size = 0
        while True:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            chunk: bytes = message.get("body", b"")
            size += len(chunk)
            if size > BODY_LIMIT:
                return None
            if not message.get("more_body", False):
                return b"".join((*chunks, chunk)) if chunks else chunk
            chunks.append(chunk)

    async def body(self) -> bytes:
        """The whole body. Raises 413."""
        if self.received is None:
            raise errors.too_large_body(BODY_LIMIT)
        return self.received


@coroutine
def _resumed(begun: Coroutine[Any, Any, T], awaited: Any) -> Generator[Any, Any, T]:
    """Await the rest of a coroutine that waits for `awaited`."""
    while True:
        try:
            value = yield awaited
        except BaseException as error:
            step = partial(begun.throw, error)
        else:
            step = partial(begun.send, value)
        try:
            awaited = step()
        except StopIteration as end:
            result: T = end.value
            return result


class ClientGone(Exception):
    """The client closed the connection before its request was whole."""


@dataclass(slots=True)
class Response:
    """An answer. `stream` is a body that is sent part by part, as in large lists; `feed` one that goes on by itself."""

    status: int = 200
    body: bytes = b""
    content_type: str = JSON
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    stream: AsyncIterator[bytes] | None = None
    feed: Feed | None = None
