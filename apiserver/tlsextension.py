"""The TLS extension of ASGI for uvicorn, which does not offer it: what a client proved while shaking hands.

Only `client_cert_chain` is filled in (https://asgi.readthedocs.io/en/latest/specs/tls.html).
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from typing import Any


def tls_extension(transport: asyncio.BaseTransport) -> dict[str, dict[object, object]] | None:
    """What the scope of a connection's requests says of its client; None where it has shown nothing."""
    connection = transport.get_extra_info("ssl_object")
    shown = connection.getpeercert(binary_form=True) if connection is not None else None
    return {"tls": {"client_cert_chain": [ssl.DER_cert_to_PEM_cert(shown)]}} if shown else None


def client_certificate(scope: Mapping[str, Any]) -> str:
    """The certificate (PEM) that the client of a request has shown and that our authorities vouch for; "" for none."""
    extensions = scope.get("extensions")
    if not extensions or "tls" not in extensions:
        return ""
    return next(iter(extensions["tls"].get("client_cert_chain") or ()), "")
