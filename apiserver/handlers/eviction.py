"""POST pods/NAME/eviction: a deletion that respects disruption budgets."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import orjson

from apiserver import errors, writeoptions
from apiserver.body import read_object
from apiserver.handlers import delete, read
from apiserver.handlers.commit import write_of
from apiserver.handlers.create import context_of, place
from apiserver.handlers.respond import value_response
from apiserver.handlers.update import modify
from apiserver.kinds.kind import Kind, Object
from apiserver.kinds.pods import eviction
from apiserver.storage.types import Stale, Unavailable
from miniplane.apimachinery.selectors import from_object

if TYPE_CHECKING:
    from apiserver.request import Request, Response
    from apiserver.writeoptions import WriteOptions

EVICTION = Kind("policy", "v1", "Eviction", "evictions", True)
CREATED = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}
ATTEMPTS = 20
"""How often a budget that others spend at the same time is read again."""


async def evict(request: Request) -> Response:
    """Spend one disruption of the pod's budget, mark the pod, delete it. Raises 400, 404, 429, 500."""
    options = writeoptions.parse(request.info, "CreateOptions")
    body = await read_object(request, EVICTION, options.field_validation)
    metadata, name = body.setdefault("metadata", {}), request.info.name
    place(EVICTION, metadata, request.info.namespace)
    await request.server.admission.call(request, EVICTION, body, context_of(request, options))
    if metadata.get("name") != name:
        raise errors.bad_request("name in URL does not match name in Eviction object")
    asked = dict(body.get("deleteOptions") or {})
    if options.dry_run:
        asked["dryRun"] = ["All"]
    wanted = writeoptions.checked(asked)
    pod = orjson.loads(read.find(request).data)
    await _spend(request, pod, dry_run=wanted.dry_run)
    if not wanted.dry_run:
        await _mark(request, options)
    await delete.delete_one(request, name, wanted)
    return value_response(request, dict(CREATED), 201)


async def _spend(request: Request, pod: Object, *, dry_run: bool) -> None:
    server = request.server
    kind = server.registry.find("policy", "v1", "poddisruptionbudgets")
    assert kind is not None
    with server.turns.line() as line:
        for _ in range(ATTEMPTS):
            spent = eviction.spend(pod, _budgets(request, pod), server.now())
            if spent is None or dry_run:
                return
            try:
                await server.store.submit([write_of(kind, spent, int(spent["metadata"]["resourceVersion"]), None)])
            except Stale as error:
                await line.join(error.key)
            except Unavailable as error:
                raise errors.unavailable(str(error)) from None
            else:
                return
    raise errors.too_many_requests(eviction.VIOLATED, eviction.RETRY_SECONDS)


def _budgets(request: Request, pod: Object) -> list[Object]:
    """Those whose selector picks the pod; an empty selector picks every pod."""
    labels = pod["metadata"].get("labels") or {}
    found = request.server.cluster.list("poddisruptionbudgets.policy", request.info.namespace)
    return [budget for budget in found if _selects((budget.get("spec") or {}).get("selector"), labels)]


def _selects(selector: Object | None, labels: dict[str, str]) -> bool:
    return selector is not None and from_object(selector).matches(labels)


async def _mark(request: Request, options: WriteOptions) -> None:
    """A status write of its own, so that whoever watches the pod learns why it goes."""
    called, subresource = request.info, request.subresource
    request.info, request.subresource = replace(called, subresource="status"), None
    try:
        await modify(request, options, lambda pod: eviction.mark(pod, request.server.now()))
    finally:
        request.info, request.subresource = called, subresource
