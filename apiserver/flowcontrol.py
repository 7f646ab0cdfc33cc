"""Who may be served next: a bound on requests in flight, and turns that go round between users.

Two mechanisms, both a comparison for a server that is not busy:

- `Seats` bound what is in flight, mutating and read-only apart (kube-apiserver's `--max-mutating-requests-inflight` and
  `--max-requests-inflight`). Who finds none free waits in a queue of the user's own; a full queue is 429.
- `Rounds` share the event loop. Once the requests of one round of the loop have taken their time, the others wait, and
  users are served in rotation: one who sends a thousand at once waits for himself (KEP-1040's fair queuing, with the
  interpreter's time as the one resource).

Watches hold no seat and health checks wait for nobody.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque

READ_ONLY_SEATS, MUTATING_SEATS = 400, 200
"""kube-apiserver's defaults."""
QUEUE_FACTOR = 2
"""How many requests of one user may wait, as a multiple of the seats."""
PATIENCE = 15.0
"""Seconds in a queue before 429: a quarter of the request timeout, as in kube-apiserver."""
ROUND_SECONDS, WOKEN = 0.004, 8
"""How long the requests of one round of the loop run, and how many of those who wait go on in the next."""


class TooManyRequests(Exception):
    """The queue of this user is full, or it took too long."""


class FairQueue:
    """Futures of those who wait: first in, first out for a user; users in rotation."""

    def __init__(self) -> None:
        self.users: dict[str, deque[asyncio.Future[None]]] = {}

    def __len__(self) -> int:
        return sum(map(len, self.users.values()))

    def length(self, user: str) -> int:
        """How many requests of a user wait."""
        return len(self.users.get(user, ()))

    def push(self, user: str) -> asyncio.Future[None]:
        """Queue up; the future is done when it is this one's turn."""
        future = asyncio.get_running_loop().create_future()
        self.users.setdefault(user, deque()).append(future)
        return future

    def wake(self) -> bool:
        """Let the next one go on. False where nobody waits."""
        while self.users:
            user = next(iter(self.users))
            queue = self.users.pop(user)
            future = queue.popleft()
            if queue:
                self.users[user] = queue  # at the end: the other users are first
            if not future.done():
                future.set_result(None)
                return True
        return False


class Seats:
    """At most `limit` requests between `enter` and `leave`."""

    def __init__(self, limit: int) -> None:
        self.limit, self.taken, self.rejected = limit, 0, 0
        self.waiting = FairQueue()

    @property
    def full(self) -> bool:
        return self.taken >= self.limit or bool(self.waiting.users)

    async def enter(self, user: str) -> None:
        """Take a seat. Raises TooManyRequests."""
        if not self.full:
            self.taken += 1
            return
        if self.waiting.length(user) >= self.limit * QUEUE_FACTOR:
            self.rejected += 1
            raise TooManyRequests
        future = self.waiting.push(user)
        try:
            async with asyncio.timeout(PATIENCE):
                await future
        except BaseException as error:
            if future.done() and not future.cancelled():
                self.leave()  # it was given to us in the meantime
            future.cancel()
            if isinstance(error, TimeoutError):
                self.rejected += 1
                raise TooManyRequests from None
            raise

    def leave(self) -> None:
        """Give the seat to the next who waits, or back."""
        if not self.waiting.wake():
            self.taken -= 1


class Rounds:
    """Rounds of the event loop that are not much longer than ROUND_SECONDS."""

    def __init__(self) -> None:
        self._began = 0.0  # of the round; 0 before its first request
        self._waiting = FairQueue()

    def free(self) -> bool:
        """Whether a request may go on at once."""
        if self._waiting.users:
            return False
        if not self._began:
            self._began = time.perf_counter()
            asyncio.get_running_loop().call_soon(self._next_round)
            return True
        return time.perf_counter() - self._began < ROUND_SECONDS

    async def wait(self, user: str) -> None:
        """Wait for a turn."""
        await self._waiting.push(user)

    def _next_round(self) -> None:
        self._began = 0.0
        for _ in range(WOKEN):
            if not self._waiting.wake():
                return
        self._began = time.perf_counter()
        asyncio.get_running_loop().call_soon(self._next_round)


class FlowControl:
    """The bounds of one server."""

    def __init__(self, read_only: int, mutating: int) -> None:
        self.rounds = Rounds()
        self.seats = {"readOnly": Seats(read_only), "mutating": Seats(mutating)}

    def at_once(self, kind: str) -> Seats | None:
        """A seat (to be left) and a turn where nobody has to wait for them."""
        seats = self.seats[kind]
        if seats.full or not self.rounds.free():
            return None
        seats.taken += 1
        return seats

    async def enter(self, kind: str, user: str) -> Seats:
        """A seat (to be left) and a turn. Raises TooManyRequests."""
        seats = self.seats[kind]
        try:
            await seats.enter(user)
        except TooManyRequests:
            await self._turn(user)  # or whoever asks again at once would have the loop to himself
            raise
        try:
            await self._turn(user)
        except BaseException:
            seats.leave()
            raise
        return seats

    async def _turn(self, user: str) -> None:
        if not self.rounds.free():
            await self.rounds.wait(user)
