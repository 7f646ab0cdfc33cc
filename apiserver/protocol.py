"""uvicorn's HTTP protocol with bounds on what one connection may cost, and one answer of our own: to a method that its
parser does not know.

The bounds are those of kube-apiserver (Go's net/http): the head of a request has a size and a time, little is read of a
request that is already answered, and whoever does not read is cut off.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any, cast
from urllib.parse import unquote

import httptools
import orjson
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from apiserver import errors, requestinfo
from apiserver.cycle import Cycle, Flow
from apiserver.feed import FEED
from apiserver.request import WHOLE
from apiserver.tlsextension import tls_extension
from apiserver.transport import ReaderWatch

_REQUEST_LINE = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+) (/\S*) HTTP/1\.[01]\r\n")
_KNOWN = frozenset({b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"CONNECT", b"TRACE"})
HEAD_KEPT = 4096
HEAD_BYTES = 1 << 20
"""Of request line and headers (http.DefaultMaxHeaderBytes); more is 431."""
HEAD_SECONDS = 32.0
"""For request line and headers (kube-apiserver's ReadHeaderTimeout)."""
REST_BYTES, REST_SECONDS = 256 << 10, 2.0
"""How much of a request is thrown away, and how long, once it is answered (net/http's maxPostHandlerReadBytes)."""
LINGER_SECONDS = 0.5
"""Between an answer and the end of a connection whose request we do not read (net/http's rstAvoidanceDelay)."""


_EXTENSIONS: dict[str, dict[object, object]] = {FEED: {}, WHOLE: {}}


class Protocol(ReaderWatch, HttpToolsProtocol):
    """uvicorn's protocol, with what it does for every request done once for a connection, or once it is needed.

    The real server answers 405 with a Status where llhttp would only say that the request is invalid.
    """

    __slots__ = (
        "_deadline", "_head", "_head_size", "_idle_since", "_in_head", "_rest_size", "_scope", "_upgrades",
        "access_log", "access_logger", "app", "app_state", "asgi_version", "client", "config", "connections",
        "cycle", "expect_100_continue", "flow", "headers", "limit_concurrency", "logger", "loop", "parser",
        "pipeline", "root_path", "scheme", "scope", "server", "server_state", "tasks", "timeout_keep_alive",
        "timeout_keep_alive_task", "transport", "url", "ws_protocol_class",
    )  # fmt: skip
    cycle: Cycle
    flow: Flow

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._head, self._head_size, self._rest_size = b"", 0, 0
        self._in_head, self._upgrades = True, False
        self._deadline: asyncio.TimerHandle | None = None
        self._idle_since: float | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.flow = Flow(transport)
        self.pipeline = []  # type: ignore[assignment]
        self._scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": self.config.asgi_version, "spec_version": "2.3"},
            "http_version": "1.1",
            "server": self.server,
            "client": self.client,
            "scheme": self.scheme,
            "root_path": self.root_path,
        }
        shown = tls_extension(transport)
        self._scope["extensions"] = _EXTENSIONS if shown is None else {**_EXTENSIONS, **shown}
        self._deadline = self.loop.call_later(HEAD_SECONDS, transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        self._meet_deadline()
        if self.flow.feed is not None:
            self.flow.feed.stop()
            self.cycle.let_go()
        super().connection_lost(exc)
        super()._unset_keepalive_if_required()

    def data_received(self, data: bytes) -> None:
        self._head = data[:HEAD_KEPT]
        super().data_received(data)
        if self._in_head:
            self._partial_head(len(data))

    def _partial_head(self, size: int) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(HEAD_SECONDS, self.transport.close)
        self._head_size += size
        if self._head_size > HEAD_BYTES and not self.flow.read_paused:
            text = b"431 Request Header Fields Too Large"
            self._refuse(text, b"text/plain; charset=utf-8", text)

    def _meet_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def on_message_begin(self) -> None:
        self._in_head, self._head_size = True, 0
        self.url, self.headers, self.expect_100_continue = b"", [], False
        self.scope = self._scope.copy()  # type: ignore[assignment]
        self.scope["headers"] = self.headers

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._meet_deadline()
        parser = self.parser
        self._upgrades = parser.should_upgrade() and super()._should_upgrade() and self._is_watch()
        if self._upgrades:
            super().on_headers_complete()
            return
        version = parser.get_http_version()
        self._complete_scope(parser.get_method().decode("ascii"), version)
        before = self.cycle
        self.cycle = Cycle(
            cast(dict[str, Any], self.scope),
            self.transport,
            self.flow,
            self.server_state.default_headers,
            self.on_response_complete,
            keep_alive=version != "1.0" and parser.should_keep_alive(),
            expect_100_continue=self.expect_100_continue,
        )
        if before is None or before.response_complete:
            self._start_asgi_task(self.cycle, self.app)
        else:
            self.flow.pause_reading()
            self.pipeline.append((self.cycle, self.app))
        # what was asked is the cycle's from now on: connections outlive requests
        self.scope, self.headers, self.url, self._head = None, [], b"", b""  # type: ignore[assignment]

    def _complete_scope(self, method: str, version: str) -> None:
        url, scope = self.url, self.scope
        if url[:1] != b"/" or b"#" in url:  # "*", or as proxies are asked
            parsed = httptools.parse_url(url)
            path, query = parsed.path, parsed.query or b""
        else:
            path, _, query = url.partition(b"?")
        decoded = path.decode("ascii")
        scope["method"], scope["raw_path"], scope["query_string"] = method, path, query
        scope["path"] = unquote(decoded) if "%" in decoded else decoded
        if version != "1.1":
            scope["http_version"] = version

    def _is_watch(self) -> bool:
        """Only watches are sent over websockets; whoever would upgrade for something else gets a plain answer."""
        path, _, query = self.url.decode("latin-1").partition("?")
        return requestinfo.parse(self.parser.get_method().decode(), path, query).verb == "watch"

    def on_body(self, body: bytes) -> None:
        if self.cycle.response_complete:
            self._rest_size += len(body)
            if self._rest_size > REST_BYTES:
                self._hang_up()
            return
        self.cycle.arrived(body)
        if len(self.cycle.body) > HIGH_WATER_LIMIT:
            self.flow.pause_reading()

    def on_message_complete(self) -> None:
        self._meet_deadline()
        if not self._upgrades:
            self.cycle.more_body = False
            self.cycle.message_event.set()

    def _should_upgrade(self) -> bool:
        return self._upgrades

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        self._idle_since = None
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        if self.cycle.response_complete and self.cycle.more_body:  # not a pipelined request that has yet to start
            self._rest_size = 0
            self._deadline = self.loop.call_later(REST_SECONDS, self.transport.close)
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop(0))  # type: ignore[call-arg]
            return
        self._idle_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._close_idle_in(self.timeout_keep_alive)

    def _close_idle_in(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self.timeout_keep_alive_handler)

    def timeout_keep_alive_handler(self) -> None:
        """One timer follows a connection from answer to answer: making one for each costs more than looking again."""
        self.timeout_keep_alive_task = None
        if self._idle_since is None:
            return
        if self._deadline is not None:  # what is coming has a time of its own
            self._idle_since = self.loop.time()
        rest = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if rest > 0:
            self._close_idle_in(rest)
        else:
            super().timeout_keep_alive_handler()

    def _unset_keepalive_if_required(self) -> None:
        """The timer stays: see `timeout_keep_alive_handler`."""

    def send_400_response(self, msg: str) -> None:
        match = _REQUEST_LINE.match(self._head)
        if match is None or match[1] in _KNOWN:
            super().send_400_response(msg)
            return
        status = b"405 Method Not Allowed"
        self._refuse(status, b"application/json", orjson.dumps(errors.method_not_allowed().body()))

    def _refuse(self, status: bytes, content_type: bytes, body: bytes) -> None:
        """An answer to what never becomes a request; the connection is of no further use."""
        lines: list[Any] = [
            b"HTTP/1.1 %s\r\n" % status,
            b"content-type: %s\r\n" % content_type,
            b"content-length: %d\r\n" % len(body),
            b"connection: close\r\n\r\n",
            body,
        ]
        self.transport.write(b"".join(lines))
        self._hang_up()

    def _hang_up(self) -> None:
        """Leave the client a moment to read our answer: a connection with unread bytes ends in a reset."""
        self.flow.pause_reading()
        self.loop.call_later(LINGER_SECONDS, self.transport.abort)
