"""uvicorn's websocket protocol with our bounds, and with what the client showed while shaking hands."""

from __future__ import annotations

from typing import cast

from uvicorn.protocols.websockets.wsproto_impl import WSProtocol
from wsproto.events import Request

from apiserver.tlsextension import tls_extension
from apiserver.transport import ReaderWatch


class WebSocketProtocol(ReaderWatch, WSProtocol):
    """A connection that has become a websocket."""

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        cast(dict[str, object], self.scope["extensions"]).update(tls_extension(self.transport) or {})
