"""`python -m benchmarks.limit [PORT]`, the calibration: a bare ASGI callable on uvicorn (httptools, uvloop) answering
one small object, without TLS. Several may share a port."""

from __future__ import annotations

import socket
import sys
from typing import Any

BODY = b'{"kind":"Service","apiVersion":"v1","metadata":{"name":"redis","namespace":"default"}}'
HEADERS = [(b"content-type", b"application/json"), (b"content-length", str(len(BODY)).encode())]


async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": BODY})


def main() -> None:
    import uvicorn

    port = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    listening = socket.create_server(("127.0.0.1", port), backlog=2048, reuse_port=port > 0)
    configuration = uvicorn.Config(
        app, http="httptools", loop="uvloop", ws="none", lifespan="off", log_level="error", access_log=False
    )
    print(f"listening {listening.getsockname()[1]}", flush=True)
    uvicorn.Server(configuration).run(sockets=[listening])


if __name__ == "__main__":
    main()
