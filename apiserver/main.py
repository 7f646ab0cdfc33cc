"""Running the API server: sockets, TLS, uvicorn, and an end that does not wait for watches."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from apiserver.options import Options
    from apiserver.server import App

BACKLOG = 2048
GRACE = 3
"""Seconds that requests in flight have to finish when the server is told to stop."""


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises OSError where the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        found.bind((host, port))
        found.listen(BACKLOG)
    except OSError:
        found.close()
        raise
    return found


def _configuration(app: Any, options: Options, *, tls: bool) -> Any:
    import uvicorn

    secure: dict[str, Any] = {}
    if tls and options.tls_cert_file:
        secure = {
            "ssl_certfile": options.tls_cert_file,
            "ssl_keyfile": options.tls_key_file,
            "ssl_ca_certs": options.client_ca_file or None,
            "ssl_cert_reqs": ssl.CERT_OPTIONAL if options.client_ca_file else ssl.CERT_NONE,
        }
    return uvicorn.Config(
        app,
        http="httptools",
        loop="uvloop",
        ws="none",
        lifespan="off",
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=True,
        timeout_keep_alive=300,
        timeout_graceful_shutdown=GRACE,
        h11_max_incomplete_event_size=1 << 20,
        **secure,
    )


class _Serving:
    """One or two uvicorn servers over one App."""

    def __init__(self, app: App, options: Options) -> None:
        import uvicorn

        self.app = app
        self.servers = [uvicorn.Server(_configuration(app, options, tls=True))]
        if options.insecure_port is not None:
            self.servers.append(uvicorn.Server(_configuration(app, options, tls=False)))
        for server in self.servers:
            server.capture_signals = contextlib.nullcontext  # type: ignore[assignment, method-assign]

    def stop(self) -> None:
        self.app.shutting_down()
        for server in self.servers:
            server.should_exit = True

    async def run(self, sockets: list[socket.socket], ready: Callable[[], None]) -> None:
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


async def serve(options: Options, *, ready: Callable[[int], None], stopping: asyncio.Event | None = None) -> None:
    """Serve until SIGTERM or SIGINT (or until `stopping` is set); `ready` is called with the bound port.

    Raises OSError for a taken port, and what the storage raises.
    """
    from apiserver.server import create

    sockets = [listen(options.bind, options.port)]
    if options.insecure_port is not None:
        sockets.append(listen("127.0.0.1", options.insecure_port))
    port = sockets[0].getsockname()[1]
    options.port = port
    app = await create(options)
    serving = _Serving(app, options)
    loop = asyncio.get_running_loop()
    if stopping is None:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, serving.stop)
        watcher = None
    else:
        watcher = asyncio.create_task(_stop_when(stopping, serving))
    try:
        await serving.run(sockets, lambda: ready(port))
    finally:
        if watcher is not None:
            watcher.cancel()
        await app.close()


async def _stop_when(stopping: asyncio.Event, serving: _Serving) -> None:
    await stopping.wait()
    serving.stop()


def run(options: Options, *, ready: Callable[[int], None]) -> None:
    """`serve` on an event loop of its own (uvloop)."""
    import uvloop

    uvloop.run(serve(options, ready=ready))
