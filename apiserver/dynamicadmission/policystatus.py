"""`status.typeChecking` of stored ValidatingAdmissionPolicies (in a cluster a controller beside the server has it)."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from apiserver.encoding import decode
from apiserver.handlers.commit import write_of
from apiserver.kinds.kind import Object
from apiserver.storage.types import Event, Record, Stale, Unavailable

if TYPE_CHECKING:
    from apiserver.server import App

log = logging.getLogger("miniplane.apiserver")
RESOURCE = "validatingadmissionpolicies.admissionregistration.k8s.io"


class PolicyStatus:
    """Follows the stored policies. Each generation is looked at once; every replica does, the first one writes."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Look at what is there and follow what comes."""
        self._app.store.listeners.setdefault(RESOURCE, []).append(self._changed)
        for record in self._app.store.list(RESOURCE):
            self._take(record)

    def _changed(self, event: Event) -> None:
        if event.type != "DELETED":
            self._take(event.record)

    def _take(self, record: Record) -> None:
        policy = decode(record)
        observed = (policy.get("status") or {}).get("observedGeneration") or 0
        if policy["metadata"].get("generation", 0) <= observed:
            return
        task = asyncio.get_running_loop().create_task(self._check(policy, record.revision))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _check(self, policy: Object, revision: int) -> None:
        from apiserver.dynamicadmission.typechecking import expression_warnings

        registry = self._app.registry
        try:
            warnings = expression_warnings(policy, registry.kinds(), registry.schemas)
            found = {"expressionWarnings": warnings} if warnings else {}
            observed = {"observedGeneration": policy["metadata"]["generation"], "typeChecking": found}
            policy["status"] = {**(policy.get("status") or {}), **observed}
            kind = registry.companion("admissionregistration.k8s.io", "v1", "ValidatingAdmissionPolicy")
            await self._app.store.submit([write_of(kind, policy, revision, None)])
        except (ImportError, Stale, Unavailable):
            return  # nothing can be said of it, or whoever was faster looks at it too
        except Exception:
            log.exception("the types of a ValidatingAdmissionPolicy could not be checked")
