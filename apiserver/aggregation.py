"""APIServices that name a Service. Nothing is proxied here: their groups answer 503, as they do in a cluster where the
extension server is down, and the Available condition says why."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from apiserver.encoding import decode
from apiserver.handlers.commit import write_of
from apiserver.kinds.kind import Cluster, Object
from apiserver.request import Response
from apiserver.storage.types import Event, Record, Stale, Unavailable
from apiserver.webhookclient import endpoint

if TYPE_CHECKING:
    from apiserver.server import App

log = logging.getLogger("miniplane.apiserver")
RESOURCE = "apiservices.apiregistration.k8s.io"
LOOKED_AT = ("services", "endpointslices.discovery.k8s.io", "endpoints")
"""A change of one of these may change what is missing."""
UNAVAILABLE = Response(503, b"service unavailable\n", "text/plain; charset=utf-8")
Verdict = tuple[str, str, str]
"""(status, reason, message) of the condition Available."""


def verdict(cluster: Cluster, spec: Object) -> Verdict:
    """Whether an APIService is available, in the words of kube-aggregator."""
    reference = spec.get("service")
    if reference is None:
        return "True", "Local", "Local APIServices are always available"
    namespace, name, port = reference["namespace"], reference["name"], reference.get("port") or 443
    service = cluster.get("services", namespace, name)
    shown = f'service/{name} in "{namespace}"'
    if service is None:
        return "False", "ServiceNotFound", f"{shown} is not present"
    if service["spec"].get("type") == "ClusterIP":
        ports = [one for one in service["spec"].get("ports") or () if one["port"] == port]
        if not ports:
            return "False", "ServicePortError", f"{shown} is not listening on port {port}"
        try:
            endpoint(cluster, namespace, name, port)
        except LookupError:
            called = ports[0].get("name") or ""
            why = f'endpointslices for {shown} have no addresses with port name "{called}"'
            return "False", "MissingEndpoints", why
    return "False", "FailedDiscoveryCheck", "this server does not proxy to extension API servers"


class Aggregation:
    """Follows the stored APIServices."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._remote: dict[str, tuple[str, str]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Take what is there and follow what comes."""
        listeners = self._app.store.listeners
        listeners.setdefault(RESOURCE, []).append(self._changed)
        for resource in LOOKED_AT:
            listeners.setdefault(resource, []).append(self._look_again)
        for record in self._app.store.list(RESOURCE):
            self._take(record)

    def answers(self, group: str, version: str) -> Response | None:
        """The answer to every request for a group and version that an extension server would serve."""
        return UNAVAILABLE if self._remote and (group, version) in self._remote.values() else None

    def _changed(self, event: Event) -> None:
        if event.type == "DELETED":
            self._remote.pop(event.record.key.name, None)
        else:
            self._take(event.record)

    def _look_again(self, _: Event) -> None:
        if self._remote:
            for record in self._app.store.list(RESOURCE):
                self._take(record)

    def _take(self, record: Record) -> None:
        found = decode(record)
        spec = found.get("spec") or {}
        if spec.get("service") is not None:
            self._remote[record.key.name] = (spec.get("group", ""), spec.get("version", ""))
        else:
            self._remote.pop(record.key.name, None)
        wanted = verdict(self._app.cluster, spec)
        if _stated(found) != wanted:
            task = asyncio.get_running_loop().create_task(self._write(found, wanted, record.revision))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _write(self, found: Object, wanted: Verdict, revision: int) -> None:
        status, reason, message = wanted
        held = _condition(found)
        kept = held is not None and held.get("status") == status
        when = held["lastTransitionTime"] if held is not None and kept else self._app.now()
        entry = {"type": "Available", "status": status, "reason": reason, "message": message}
        entry["lastTransitionTime"] = when
        others = [one for one in (found.get("status") or {}).get("conditions") or () if one is not held]
        found["status"] = {**(found.get("status") or {}), "conditions": [*others, entry]}
        kind = self._app.registry.companion("apiregistration.k8s.io", "v1", "APIService")
        try:
            await self._app.store.submit([write_of(kind, found, revision, None)])
        except (Stale, Unavailable):
            return  # whoever was faster looks at it too
        except Exception:
            log.exception("the condition of an APIService could not be written")


def _condition(found: Object) -> Object | None:
    conditions = (found.get("status") or {}).get("conditions") or ()
    return next((one for one in conditions if one.get("type") == "Available"), None)


def _stated(found: Object) -> Verdict:
    held = _condition(found) or {}
    return held.get("status", ""), held.get("reason", ""), held.get("message", "")
