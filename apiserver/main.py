"""Running the API server: sockets, TLS, uvicorn, and an end that does not wait for watches."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import signal
import socket
import ssl
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from apiserver.options import Options
    from apiserver.server import App

BACKLOG = 2048
GRACE = 4.0
"""Seconds that requests in flight have to finish when the server is told to stop."""
LAST_WORDS = 0.3
"""Seconds for the last bytes of answers to leave."""
KEEP_ALIVE = 300
"""Seconds that an idle connection stays open; longer than clients keep theirs, so that they close first."""


def listen(host: str, port: int, *, spread: bool = False) -> socket.socket:
    """A listening socket; `spread`: one of several on this port, among which the kernel spreads connections.

    Raises OSError, its `filename` says which address, where the port is taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if spread:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        found.bind((host, port))
        found.listen(BACKLOG)
    except OSError as error:
        found.close()
        raise OSError(error.errno, error.strerror, f"{host} port {port}") from error
    return found


def listeners(options: Options, count: int = 1) -> list[list[socket.socket]]:
    """The sockets that the options ask for, for each of `count` servers; ports that were 0 are filled in. Clients may
    connect from now on: they wait in the backlog until the server runs. Raises OSError."""
    options.port, secure = _on_port(options.bind, options.port, count)
    if options.insecure_port is None:
        return [[one] for one in secure]
    try:
        options.insecure_port, insecure = _on_port("127.0.0.1", options.insecure_port, count)
    except OSError:
        for one in secure:
            one.close()
        raise
    return [list(pair) for pair in zip(secure, insecure, strict=True)]


def _on_port(host: str, port: int, count: int) -> tuple[int, list[socket.socket]]:
    first = listen(host, port)
    port = first.getsockname()[1]
    if count == 1 or not sys.platform.startswith("linux"):
        return port, [first] * count
    first.close()  # it has shown that nobody else has the port: sockets that may share it would not notice
    return port, [listen(host, port, spread=True) for _ in range(count)]


def _configuration(app: Any, options: Options, *, tls: bool) -> Any:
    import uvicorn

    from apiserver import websocket
    from apiserver.protocol import Protocol

    secure: dict[str, Any] = {}
    if tls and options.tls_cert_file:
        secure = {
            "ssl_certfile": options.tls_cert_file,
            "ssl_keyfile": options.tls_key_file,
            "ssl_ca_certs": options.client_ca_file or None,
            "ssl_context_factory": _without_tickets,
            "ssl_cert_reqs": ssl.CERT_OPTIONAL if options.client_ca_file else ssl.CERT_NONE,
        }
    return uvicorn.Config(
        app,
        http=Protocol,
        loop="uvloop",
        ws=websocket.protocol,  # type: ignore[arg-type]
        ws_max_size=websocket.MOST_RECEIVED,
        ws_ping_interval=None,
        ws_per_message_deflate=False,
        lifespan="off",
        log_level="critical",
        access_log=False,
        server_header=False,
        date_header=True,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=GRACE,  # type: ignore[arg-type]
        **secure,
    )


def _without_tickets(_: Any, default: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
    """Kubernetes' clients keep their connections and resume no sessions: tickets would be made for nobody."""
    context = default()
    context.num_tickets = 0
    return context


class _Insecure:
    """The insecure port: whoever reaches it may do everything, unless the request brings credentials of its own.

    Asked under another name than a loopback one it refuses: a web page that points its name at 127.0.0.1 (DNS
    rebinding) gets nothing.
    """

    def __init__(self, app: App, options: Options) -> None:
        self.app = app
        names = ("127.0.0.1", "localhost")
        self.hosts = {f"{name}:{options.insecure_port}".encode() for name in names} | {n.encode() for n in names}
        self.credentials = (b"authorization", f"Bearer {unsecured(options)}".encode())

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            headers = dict(scope["headers"])
            if headers.get(b"host", b"localhost") not in self.hosts:
                await _refuse(send)
                return
            if b"authorization" not in headers:
                scope["headers"].append(self.credentials)
        await self.app(scope, receive, send)


UNSECURED = "system:unsecured"


def unsecured(options: Options) -> str:
    """The token that stands for requests on the insecure port; made at the first call."""
    from apiserver.auth.authentication import TokenEntry

    for entry in options.tokens:
        if entry.name == UNSECURED:
            return entry.token
    options.tokens.append(TokenEntry(secrets.token_urlsafe(32), UNSECURED, "", ("system:masters",)))
    return options.tokens[-1].token


async def _refuse(send: Any) -> None:
    body = b"the insecure port answers under 127.0.0.1 and localhost only\n"
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 403, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class _Serving:
    """One or two uvicorn servers over one App."""

    def __init__(self, app: App, options: Options) -> None:
        import uvicorn

        self.app = app
        self.servers = [uvicorn.Server(_configuration(app, options, tls=True))]
        if options.insecure_port is not None:
            self.servers.append(uvicorn.Server(_configuration(_Insecure(app, options), options, tls=False)))
        for server in self.servers:
            server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign, assignment]

    async def stop(self) -> None:
        """Readiness fails at once, so that load balancers look elsewhere; then watches end, and no more is accepted."""
        self.app.draining = True
        await asyncio.sleep(self.app.options.shutdown_delay)
        self.app.shutting_down()
        for server in self.servers:
            server.should_exit = True
        await self._hang_up()

    async def _hang_up(self) -> None:
        """Once everything in flight is answered, wait for no client to say goodbye."""
        while running := [task for server in self.servers for task in server.server_state.tasks]:
            await asyncio.wait(running)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GRACE):
                await self.app.agenda.emptied()  # watches end with what their clients have yet to read
        await asyncio.sleep(LAST_WORDS)
        for server in self.servers:
            for connection in list(server.server_state.connections):
                connection.transport.abort()

    async def run(self, sockets: Sequence[socket.socket], ready: Callable[[], None]) -> None:
        tasks = [
            asyncio.create_task(server.serve(sockets=[listening]))
            for server, listening in zip(self.servers, sockets, strict=True)
        ]
        while not all(server.started for server in self.servers):
            done, _ = await asyncio.wait(tasks, timeout=0.005)
            for task in done:
                task.result()
        ready()
        await asyncio.gather(*tasks)


async def serve(
    options: Options,
    *,
    ready: Callable[[App], None],
    stopping: asyncio.Event,
    sockets: Sequence[socket.socket] | None = None,
) -> None:
    """Serve until `stopping` is set; `ready` is called once requests are answered. `sockets` come from `listeners`.

    Raises OSError for a taken port, and what the storage raises.
    """
    from apiserver.server import create

    sockets = sockets or listeners(options)[0]
    if options.insecure_port is not None:
        unsecured(options)
    app = await create(options)
    serving = _Serving(app, options)
    stopper = asyncio.create_task(_stop_when(stopping, serving))
    try:
        await serving.run(sockets, lambda: ready(app))
    finally:
        stopper.cancel()
        await app.close()


async def _stop_when(stopping: asyncio.Event, serving: _Serving) -> None:
    await stopping.wait()
    await serving.stop()


def stop_on_signals(stopping: asyncio.Event) -> None:
    """SIGTERM and SIGINT set the event of the running loop."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
