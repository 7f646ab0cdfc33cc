"""uvicorn's HTTP protocol with one answer of our own: to a method that its parser does not know."""

from __future__ import annotations

import re
from typing import Any

import orjson

from apiserver import errors
from apiserver.tlsextension import TLSExtension

_REQUEST_LINE = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+) (/\S*) HTTP/1\.[01]\r\n")
_KNOWN = frozenset({b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"CONNECT", b"TRACE"})
HEAD_BYTES = 4096


class Protocol(TLSExtension):
    """The real server answers 405 with a Status where llhttp would only say that the request is invalid."""

    _head = b""

    def data_received(self, data: bytes) -> None:
        self._head = data[:HEAD_BYTES]
        super().data_received(data)

    def send_400_response(self, msg: str) -> None:
        match = _REQUEST_LINE.match(self._head)
        if match is None or match[1] in _KNOWN:
            super().send_400_response(msg)
            return
        body = orjson.dumps(errors.method_not_allowed().body())
        lines: list[Any] = [
            b"HTTP/1.1 405 Method Not Allowed\r\n",
            b"content-type: application/json\r\n",
            b"content-length: %d\r\n" % len(body),
            b"connection: close\r\n\r\n",
            body,
        ]
        self.transport.write(b"".join(lines))
        self.transport.close()
