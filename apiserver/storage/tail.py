"""What other replicas commit, as soon as they commit it: PostgreSQL's notifications wake the writer to read the log."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

logger = logging.getLogger("miniplane.storage")
LOOK_SECONDS = 0.5
"""How long one wait for notifications lasts; between two of them the thread sees that it is to end."""
RETRY_SECONDS = 0.5
"""Between attempts to reach a database that is gone."""


class Tail:
    """A thread that listens. `wake` is called on the loop for what was said, and after every (re)connection: what was
    said in between was not heard."""

    def __init__(self, engine: Engine, loop: asyncio.AbstractEventLoop, wake: Callable[[], None]) -> None:
        self._engine, self._loop, self._wake = engine, loop, wake
        self._stopping = threading.Event()
        self._lost = False  # said once, not at every attempt
        self._thread = threading.Thread(target=self._run, name="storage-tail", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the thread, which takes as long as one look; one that is still connecting is left behind."""
        self._stopping.set()
        self._thread.join(2 * LOOK_SECONDS)

    def _run(self) -> None:
        import psycopg

        while not self._stopping.is_set():
            try:
                self._listen()
            except (SQLAlchemyError, OSError, psycopg.Error) as error:  # the pool hands on the driver's own errors
                if not self._lost:
                    logger.warning("not listening to the database: %s", str(error).split("\n")[0])
                self._lost = True
                self._stopping.wait(RETRY_SECONDS)

    def _listen(self) -> None:
        """Until told to stop. Raises SQLAlchemyError, OSError or psycopg.Error where the connection breaks."""
        import psycopg

        held = self._engine.raw_connection()
        connection = held.driver_connection
        held.detach()  # never back to the pool: it is another kind of connection now
        assert isinstance(connection, psycopg.Connection)
        try:
            connection.autocommit = True
            connection.execute("LISTEN miniplane")
            if self._lost:
                logger.warning("listening to the database again")
            self._lost = False
            self._call()
            while not self._stopping.is_set():
                if any(True for _ in connection.notifies(timeout=LOOK_SECONDS, stop_after=1)):
                    self._call()
        finally:
            connection.close()

    def _call(self) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake)
