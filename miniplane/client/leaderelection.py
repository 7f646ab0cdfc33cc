"""Leader election on a Lease, as client-go does it: whoever renews it leads; whoever sees it unrenewed takes it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from miniplane.apimachinery.status import StatusError
from miniplane.client import clock
from miniplane.client.api import Client, Object
from miniplane.client.resources import LEASES

logger = logging.getLogger("leaderelection")


@dataclass(slots=True, frozen=True)
class Election:
    """Names the lease and says who we are. Seconds: client-go's defaults."""

    name: str
    identity: str
    namespace: str = "kube-system"
    lease_duration: float = 15.0
    renew_deadline: float = 10.0
    retry_period: float = 2.0
    is_dead: Callable[[str], bool] = lambda holder: False
    """Whether a holder is known to run no more, so that its lease need not expire first."""


class LeaderElector:
    """Times of other holders are never compared with our clock: a lease has expired when *we* saw it unchanged for its
    duration."""

    def __init__(self, client: Client, election: Election) -> None:
        self.client, self.election = client, election
        self._seen: Object | None = None
        self._seen_at = 0.0
        self.leading = False

    async def run(self, lead: Callable[[], Awaitable[None]]) -> None:
        """Wait for the lease, run `lead` while we hold it; returns when it is lost or `lead` returns. Cancelling it
        cancels `lead` and releases the lease."""
        while not await self._try():
            await asyncio.sleep(self.election.retry_period * (1 + 0.2 * random.random()))
        self.leading = True
        leading = asyncio.ensure_future(lead())
        renewing = asyncio.create_task(self._renew())
        try:
            await asyncio.wait((leading, renewing), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.leading = False
            for task in (leading, renewing):
                task.cancel()
            await asyncio.gather(leading, renewing, return_exceptions=True)
            with contextlib.suppress(StatusError, OSError, TimeoutError):
                await asyncio.wait_for(self._release(), 0.5)
        if not leading.cancelled() and leading.exception():
            raise leading.exception() or RuntimeError

    async def _renew(self) -> None:
        """Returns when the lease could not be renewed within the deadline."""
        loop = asyncio.get_running_loop()
        renewed = loop.time()
        while loop.time() - renewed < self.election.renew_deadline:
            await asyncio.sleep(self.election.retry_period)
            if await self._try():
                renewed = loop.time()
            elif self._holder() not in ("", self.election.identity):
                return

    def _holder(self) -> str:
        return str(((self._seen or {}).get("spec") or {}).get("holderIdentity") or "")

    def _note(self, lease: Object) -> None:
        if self._seen is None or self._seen.get("spec") != lease.get("spec"):
            self._seen_at = asyncio.get_running_loop().time()
        self._seen = lease

    async def _try(self) -> bool:
        """Take or renew the lease. False where somebody else holds it or the server does not answer."""
        try:
            async with asyncio.timeout(self.election.renew_deadline / 2):
                return await self._take()
        except (StatusError, OSError, TimeoutError) as error:
            logger.debug("lease %s: %r", self.election.name, error)
            return False

    async def _take(self) -> bool:
        election = self.election
        try:
            self._note(await self.client.get(LEASES, election.name, election.namespace))
        except StatusError as error:
            if error.code != 404:
                raise
            metadata = {"name": election.name, "namespace": election.namespace}
            self._note(await self.client.create(LEASES, {"metadata": metadata, "spec": self._spec({})}))
            return True
        assert self._seen is not None
        old = self._seen.get("spec") or {}
        expired = asyncio.get_running_loop().time() - self._seen_at >= float(old.get("leaseDurationSeconds") or 0)
        if self._holder() not in ("", election.identity) and not expired and not election.is_dead(self._holder()):
            return False
        self._note(await self.client.update(LEASES, {**self._seen, "spec": self._spec(old)}))
        return True

    def _spec(self, old: Object) -> Object:
        now = clock.micro_text(clock.now())
        ours = old.get("holderIdentity") == self.election.identity
        transitions = int(old.get("leaseTransitions") or 0)
        return {
            "holderIdentity": self.election.identity,
            "leaseDurationSeconds": max(1, round(self.election.lease_duration)),
            "acquireTime": old["acquireTime"] if ours and old.get("acquireTime") else now,
            "renewTime": now,
            "leaseTransitions": transitions if ours or not old else transitions + 1,
        }

    async def _release(self) -> None:
        """Give the lease back, so that the next one need not wait (client-go's ReleaseOnCancel)."""
        if self._seen is None or self._holder() != self.election.identity:
            return
        now = clock.micro_text(clock.now())
        spec = {
            "holderIdentity": "",
            "leaseDurationSeconds": 1,
            "acquireTime": now,
            "renewTime": now,
            "leaseTransitions": int(self._seen["spec"].get("leaseTransitions") or 0),
        }
        await self.client.update(LEASES, {**self._seen, "spec": spec})
