"""A work queue with client-go's promises: a key waits at most once, is worked on by one worker at a time, and comes
back after a delay that grows with its failures."""

from __future__ import annotations

import asyncio
from collections import deque

BASE_DELAY, MAX_DELAY = 0.005, 1000.0


class WorkQueue:
    """`get` a key, work, then `done` it; `add` while it is worked on makes it wait until `done`."""

    def __init__(self, base_delay: float = BASE_DELAY, max_delay: float = MAX_DELAY) -> None:
        self.base_delay, self.max_delay = base_delay, max_delay
        self._queue: deque[str] = deque()
        self._dirty: set[str] = set()
        self._processing: set[str] = set()
        self._failures: dict[str, int] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._waiters: deque[asyncio.Future[None]] = deque()
        self.closed = False

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def idle(self) -> bool:
        """Nothing waits and nothing is worked on (timers may run)."""
        return not self._queue and not self._processing

    def add(self, key: str) -> None:
        if self.closed or key in self._dirty:
            return
        self._dirty.add(key)
        if key not in self._processing:
            self._queue.append(key)
            self._wake()

    def _wake(self) -> None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    async def get(self) -> str | None:
        """The next key; None once the queue is closed."""
        while not self._queue:
            if self.closed:
                return None
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            await waiter
        key = self._queue.popleft()
        self._dirty.discard(key)
        self._processing.add(key)
        return key

    def done(self, key: str) -> None:
        self._processing.discard(key)
        if key in self._dirty:
            self._queue.append(key)
            self._wake()

    def add_after(self, key: str, delay: float) -> None:
        """Add it then; of several waiting additions the earliest counts."""
        if delay <= 0:
            self.add(key)
            return
        if self.closed:
            return
        loop = asyncio.get_running_loop()
        when = loop.time() + delay
        pending = self._timers.get(key)
        if pending is not None:
            if pending.when() <= when:
                return
            pending.cancel()
        self._timers[key] = loop.call_at(when, self._due, key)

    def _due(self, key: str) -> None:
        self._timers.pop(key, None)
        self.add(key)

    def add_rate_limited(self, key: str, cap: float | None = None) -> None:
        """After a failure: 5 ms, doubled with each one, at most 1000 s (or `cap`)."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        delay = min(self.base_delay * 2 ** min(failures, 40), self.max_delay)
        self.add_after(key, delay if cap is None else min(delay, cap))

    def failures(self, key: str) -> int:
        return self._failures.get(key, 0)

    def forget(self, key: str) -> None:
        """It went well: the next failure starts from the first delay."""
        self._failures.pop(key, None)

    def close(self) -> None:
        self.closed = True
        for timer in self._timers.values():
            timer.cancel()
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
