"""A webhook over HTTPS, as somebody would write one; it keeps what it was asked."""

from __future__ import annotations

import base64
import json
import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from miniplane.kubeconfig import ensure_certificates

Answer = Callable[[dict[str, Any]], dict[str, Any]]
SERVICE_NAME = "hook.default.svc"


class Webhook:
    """`answer` turns a request (of an AdmissionReview or ConversionReview) into a response, without its uid."""

    def __init__(self, directory: Path) -> None:
        files = ensure_certificates(directory, ["127.0.0.1", SERVICE_NAME])
        self.bundle = base64.b64encode(files.ca.read_bytes()).decode()
        self.answer: Answer = lambda request: {"allowed": True}
        self.reviews: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.raw: tuple[int, bytes] | None = None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(files.certificate, files.key)
        self.server = ThreadingHTTPServer(("", 0), self._handler())
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        webhook = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                webhook.reviews.append(review)
                webhook.paths.append(self.path)
                status, body = webhook.raw or (200, webhook.reply(review))
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Tests read `reviews`."""

        return Handler

    def reply(self, review: dict[str, Any]) -> bytes:
        response = {"uid": review["request"]["uid"], **self.answer(review["request"])}
        return json.dumps({**{k: review[k] for k in ("apiVersion", "kind")}, "response": response}).encode()

    @property
    def requests(self) -> list[dict[str, Any]]:
        return [review["request"] for review in self.reviews]

    def config(self, path: str = "/") -> dict[str, Any]:
        """`clientConfig` of this server."""
        return {"url": f"https://127.0.0.1:{self.port}{path}", "caBundle": self.bundle}

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def patching(*operations: dict[str, Any], **more: Any) -> Answer:
    """Allow with a JSON patch."""
    patch = base64.b64encode(json.dumps(operations).encode()).decode()
    return lambda request: {"allowed": True, "patchType": "JSONPatch", "patch": patch, **more}
