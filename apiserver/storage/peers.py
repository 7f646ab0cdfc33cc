"""Processes that share one SQLite file: what the newest revision is, whose turn it is to write, a pipe to wake each.

The newest revision stands in a page of memory that all of them map, so that a reader who is up to date knows it without
asking the database. It is written there after the commit and before the commit is answered: nobody can know of a write
that the page does not tell of.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import mmap
import os
import select
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

PAGE = mmap.PAGESIZE


@dataclass(frozen=True, slots=True)
class PeerGroup:
    """What a process needs to join: the shared file, which of the pipes is its own, and the (read, write) ends of all.

    Whoever starts the processes makes the pipes and passes them on; they outlive every one of them.
    """

    path: str
    index: int
    pipes: tuple[tuple[int, int], ...]


def new_page(path: Path) -> None:
    """An empty page for processes that are about to start. Raises OSError."""
    path.write_bytes(bytes(PAGE))


class Peers:
    """One process's place among the others."""

    def __init__(self, group: PeerGroup) -> None:
        """Raises OSError."""
        self._file = os.open(group.path, os.O_RDWR | os.O_CLOEXEC)  # a description of our own: flock is bound to it
        self._page = mmap.mmap(self._file, PAGE)
        self._newest = memoryview(self._page).cast("q")
        self._first = group.index == 0
        self._own = group.pipes[group.index][0]
        self._others = [write for index, (_, write) in enumerate(group.pipes) if index != group.index]
        for end in (self._own, *self._others):
            os.set_blocking(end, False)

    @property
    def newest(self) -> int:
        """The newest revision that anybody has been told of."""
        return self._newest[0]

    def wait_for_first(self) -> None:
        """Let the first process make or migrate the database. Blocks."""
        while not self._first and not self.newest:
            select.select([self._own], [], [])
            self._drain()

    @contextlib.contextmanager
    def turn(self) -> Iterator[None]:
        """Only one process at a time writes. They wait in line in the kernel, where SQLite would sleep and try again;
        a process that dies lets go."""
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def publish(self, revision: int) -> None:
        """Tell the others of a commit. Only the one whose turn it is may."""
        if revision <= self._newest[0]:
            return
        self._newest[0] = revision
        self._wake_others()

    def _wake_others(self) -> None:
        for end in self._others:
            with contextlib.suppress(BlockingIOError):  # a full pipe wakes its reader just as well
                os.write(end, b"\0")

    def join(self, revision: int, loop: asyncio.AbstractEventLoop, wake: Callable[[], None]) -> None:
        """From now on call `wake` on the loop when another process has committed. `revision` is where we stand: who
        died in our place may have committed and not told."""
        with self.turn():
            self.publish(revision)
        self._wake_others()

        def called() -> None:
            self._drain()
            wake()

        loop.add_reader(self._own, called)

    def _drain(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._own, PAGE)

    def close(self, loop: asyncio.AbstractEventLoop) -> None:
        """Leave. The pipes stay open for whoever takes this place."""
        loop.remove_reader(self._own)
        self._newest.release()
        self._page.close()
        os.close(self._file)
