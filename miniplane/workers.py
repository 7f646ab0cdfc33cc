"""`--workers N`: several API server processes on one port and one database, started and supervised by this one.

On Linux every worker has a listening socket of its own (SO_REUSEPORT), among which the kernel spreads connections; this
process holds them all open, so that what waits at a worker that died is answered by its successor. Elsewhere they share
one. A worker gets its orders as one line on standard input.
"""

from __future__ import annotations

import base64
import os
import pickle
import socket
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from miniplane.parent import follow_parent
from miniplane.settings import Refused
from miniplane.supervisor import Child, Supervisor

if TYPE_CHECKING:
    from apiserver.options import Options
    from apiserver.storage.peers import PeerGroup

GRACE = 5.0
"""Seconds that workers have to finish what is in flight, beside `--shutdown-delay-duration`."""
SHARED_PAGE = "workers"


@dataclass(slots=True)
class Orders:
    """What one worker is to do. `sockets` are descriptors that it inherits."""

    options: Options
    sockets: list[int]
    logging_format: str
    verbosity: int

    def line(self) -> str:
        return base64.b64encode(pickle.dumps(self)).decode()


class Workers:
    """The workers of this process."""

    def __init__(self, count: int, say: Callable[[str], None], shutdown_delay: float) -> None:
        self.count = count
        self.supervisor = Supervisor(say, grace=GRACE + shutdown_delay)

    def run(self, orders: list[Orders], ready: Callable[[], None], ending: Callable[[], None]) -> None:
        """Start them and return after a signal. Raises Refused (with no text: the worker has said it) where one cannot
        start."""
        try:
            for child in [self._start(index, orders[index]) for index in range(self.count)]:
                self._started(child)
            ready()
            threading.Event().wait()
        except KeyboardInterrupt:
            pass
        finally:
            ending()
            self.supervisor.stop()

    def _start(self, index: int, orders: Orders) -> Child:
        inherited = [*orders.sockets]
        if orders.options.peers is not None:
            inherited += [end for pipe in orders.options.peers.pipes for end in pipe]
        return self.supervisor.start(f"worker {index}", ["worker"], orders=orders.line(), inherited=inherited)

    @staticmethod
    def _started(child: Child) -> None:
        while not child.ready.wait(0.1):
            if child.refused.is_set():
                raise Refused("")


def group(directory: Path, count: int) -> list[PeerGroup]:
    """Each worker's place among those that share the data directory's SQLite file."""
    from apiserver.storage.peers import PeerGroup, new_page

    path = directory / SHARED_PAGE
    new_page(path)
    pipes = tuple(os.pipe() for _ in range(count))
    return [PeerGroup(str(path), index, pipes) for index in range(count)]


def orders(
    options: Options, sockets: list[list[socket.socket]], directory: Path, logs: tuple[str, int]
) -> list[Orders]:
    """What each worker is to do; bounds on requests in flight are for all of them together."""
    count = len(sockets)
    local = options.database_url.startswith("sqlite")
    peers = group(directory, count) if local else [None] * count
    return [
        Orders(
            replace(
                options,
                peers=peers[index],
                max_requests_inflight=-(-options.max_requests_inflight // count),
                max_mutating_requests_inflight=-(-options.max_mutating_requests_inflight // count),
            ),
            [one.fileno() for one in sockets[index]],
            *logs,
        )
        for index in range(count)
    ]


def main() -> int:
    """A worker: follow the orders on standard input until told to stop, or until whoever gave them is gone."""
    given = bytearray()
    while not given.endswith(b"\n"):  # byte by byte would do no harm either: it is one line, once
        chunk = os.read(0, 65536)
        if not chunk:
            return 1
        given += chunk
    found: Orders = pickle.loads(base64.b64decode(given))
    follow_parent()
    from apiserver.logs import configure
    from miniplane import serving

    configure(found.logging_format, found.verbosity)
    sockets = [socket.socket(fileno=number) for number in found.sockets]
    try:
        serving.run(found.options, sockets, lambda: print("ready", flush=True), lambda: None)
    except Refused as refused:
        print(f"miniplane: {refused}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0
