"""ComponentStatus: how the parts of a control plane are, found out when somebody asks; nothing of it is stored.

The storage is asked itself. A manager or scheduler that leads has a Lease which it renews; where there is none, its
health endpoint is asked, at the port on this machine where kube-apiserver looks for it.
"""

from __future__ import annotations

import asyncio
import errno
import os
import ssl
import time
from datetime import datetime
from typing import TYPE_CHECKING

import orjson

from apiserver import errors, listoptions
from apiserver.encoding import head
from apiserver.handlers.lists import Page, render
from apiserver.handlers.read import matching
from apiserver.handlers.respond import object_response
from apiserver.kinds.kind import Kind, Object
from apiserver.request import Response
from apiserver.storage.types import Key, Record

if TYPE_CHECKING:
    from apiserver.request import Request
    from apiserver.server import App

PATIENCE = 2.0
"""Seconds that a health endpoint on this machine has to answer."""
ANSWER_BYTES = 64 * 1024
ELECTED = {
    "controller-manager": ("kube-controller-manager", 10257),
    "scheduler": ("kube-scheduler", 10259),
}
"""Of the components that are elected: the name of the Lease, and the port of the health endpoint."""
COMPONENTS = ("controller-manager", "etcd-0", "scheduler")


async def get_component(request: Request) -> Response:
    """GET of one. Raises 500 for a name that is none."""
    name = request.info.name
    if name not in COMPONENTS:
        raise errors.plain_internal(f"Component not found: {name}")
    return object_response(request, await _record(request.server, request.kind, name), 200)


async def list_components(request: Request) -> Response:
    """GET of all that fit the selectors."""
    options = listoptions.parse(request.info, request.kind, watch=False)
    records = await asyncio.gather(*(_record(request.server, request.kind, name) for name in COMPONENTS))
    return render(request, Page(matching(request.kind, records, options), 0))


async def _record(app: App, kind: Kind, name: str) -> Record:
    healthy, message = await _check(app, name)
    condition = {"type": "Healthy", "status": str(healthy), "message": message}
    content = {"metadata": {"name": name}, "conditions": [condition]}
    return Record(Key(kind.resource, "", name), 0, "", head(kind) + orjson.dumps(content)[1:], {}, 0)


async def _check(app: App, name: str) -> tuple[bool, str]:
    """(whether it is well, what it says)."""
    if name not in ELECTED:
        return (False, "the storage is closed") if app.store.closed else (True, "ok")
    lease, port = ELECTED[name]
    if _leads(app.cluster.get("leases.coordination.k8s.io", "kube-system", lease)):
        return True, "ok"
    url = f"https://127.0.0.1:{port}/healthz"
    try:
        async with asyncio.timeout(PATIENCE):
            return await asked(port)
    except TimeoutError:
        return False, f'Get "{url}": context deadline exceeded'
    except OSError as error:
        return False, f'Get "{url}": {_network_error(error, port)}'


def _leads(lease: Object | None) -> bool:
    """Whether somebody holds the Lease and has renewed it in time."""
    spec = (lease or {}).get("spec") or {}
    renewed, seconds = spec.get("renewTime"), spec.get("leaseDurationSeconds")
    if not spec.get("holderIdentity") or not renewed or not seconds:
        return False
    return bool(datetime.fromisoformat(renewed).timestamp() + seconds > time.time())


async def asked(port: int) -> tuple[bool, str]:
    """What GET /healthz says. Raises OSError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # it is this machine, and nothing is told to it
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, limit=ANSWER_BYTES)
    try:
        writer.write(b"GET /healthz HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")
        opening, _, body = (await reader.read(ANSWER_BYTES)).partition(b"\r\n\r\n")
    finally:
        writer.close()
    good = opening.split(b" ", 2)[1:2] == [b"200"]
    return good, body.decode("utf-8", "replace")


def _network_error(error: OSError, port: int) -> str:
    """As Go's net package says it."""
    if error.errno in (errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH):
        return f"dial tcp 127.0.0.1:{port}: connect: {os.strerror(error.errno).lower()}"
    return str(error)


COMPONENT_HANDLERS = {"components:get": get_component, "components:list": list_components}
