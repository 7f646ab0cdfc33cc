"""What belongs to the server itself comes back when somebody deletes it: the IPAddress of a Service that has the
address, and the default ServiceCIDR (kube-apiserver's repair and default ServiceCIDR controllers)."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from apiserver.handlers.commit import write_of
from apiserver.kinds.kind import Object
from apiserver.kinds.networking import address_object, default_service_cidr
from apiserver.kinds.service_ranges import ADDRESS_SPACE, DEFAULT_SERVICE_CIDR, IP_ADDRESSES, SERVICE_CIDRS
from apiserver.storage.types import Event, Exists, Unavailable

if TYPE_CHECKING:
    from apiserver.server import App

log = logging.getLogger("miniplane.apiserver")


class Repair:
    """Follows deletions. Every replica does; the first one makes the object."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        for resource in (IP_ADDRESSES, SERVICE_CIDRS):
            self._app.store.listeners.setdefault(resource, []).append(self._changed)

    def _changed(self, event: Event) -> None:
        if event.type == "DELETED":
            task = asyncio.get_running_loop().create_task(self._restore(event))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _restore(self, event: Event) -> None:
        """Runs when the whole transaction is known: an address that went with its Service is nobody's."""
        resource, name = event.record.key.resource, event.record.key.name
        missing = self._address(name) if resource == IP_ADDRESSES else self._default_range(name)
        if missing is None or self._app.store.get(event.record.key) is not None:
            return
        self._app.complete_metadata(missing)
        kind = self._app.registry.companion("networking.k8s.io", "v1", missing["kind"])
        try:
            await self._app.store.submit([write_of(kind, missing, 0, None)])
        except (Exists, Unavailable):
            return
        except Exception:
            log.exception("%s %s could not be restored", missing["kind"], name)

    def _address(self, name: str) -> Object | None:
        owner = self._app.cluster.claimed(ADDRESS_SPACE, name)
        return None if owner is None else address_object(name, owner.namespace, owner.name)

    def _default_range(self, name: str) -> Object | None:
        return default_service_cidr(self._app.options.service_cidrs) if name == DEFAULT_SERVICE_CIDR else None
