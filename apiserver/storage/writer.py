"""The one writer: a thread that commits whatever waits in one transaction (group commit).

Under the lock of the revision row the thread first reads what other processes have committed; its own picture of the
database is then exact, and preconditions are checked against it without SQL. On SQLite, where other processes
hardly ever write, it plans on the picture that it has, and the database refuses what is planned on an old one
(`journal.py`).
"""

from __future__ import annotations

import asyncio
import logging
import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from sqlalchemy import Connection, Engine, delete, select, text, tuple_, update
from sqlalchemy.exc import SQLAlchemyError

from apiserver.storage import journal, log, tables
from apiserver.storage.bulk import insert_rows, placeholder
from apiserver.storage.claims import Plan
from apiserver.storage.peers import Peers
from apiserver.storage.state import POSITION, State
from apiserver.storage.tasks import Group, Picture, Task
from apiserver.storage.types import Event, Unavailable

logger = logging.getLogger("miniplane.storage")
BATCH_LIMIT = 256
COMPACTION_SLICE = 2000
LAST_SILENCE = 1.0
"""Seconds that the end of the process waits for a database that says nothing."""


Answers = list[tuple[Any, Any]]
Deliver = Callable[[list[Event], Answers], None]


class Writer:
    """Owns the write connection and the exact state."""

    def __init__(
        self,
        engine: Engine,
        loop: asyncio.AbstractEventLoop,
        deliver: Deliver,
        replace: Callable[[Picture], None],
        bounds: log.Bounds,
        peers: Peers | None = None,
    ) -> None:
        self._engine, self._loop, self._deliver, self._bounds = engine, loop, deliver, bounds
        self._replace, self._peers = replace, peers
        self.state = State()
        self._queue: queue.SimpleQueue[Group | Task | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="storage-writer", daemon=True)
        self._postgresql = engine.dialect.name == "postgresql"
        # as text, made once: every batch runs these two, and SQLAlchemy's way to a statement costs more than SQLite's
        self._read_position = str(POSITION.with_for_update().compile(dialect=engine.dialect))
        self._move_position = f"UPDATE revision SET value = {placeholder(engine.dialect)}"
        self.batches = [0] * (BATCH_LIMIT.bit_length() + 1)  # by size: up to 1, 2, 4, ..., BATCH_LIMIT writes, more
        self.writes = self.failures = 0
        self._failing = False
        self._busy_since: float | None = None

    def start(self) -> None:
        self._thread.start()

    def put(self, item: Group | Task) -> None:
        self._queue.put(item)

    @property
    def waiting(self) -> int:
        """How many groups and tasks wait."""
        return self._queue.qsize()

    @property
    def silence(self) -> float:
        """Seconds since the database last said something, where the thread waits for it."""
        since = self._busy_since
        return time.monotonic() - since if since is not None else 0.0

    def stop(self) -> None:
        """Finish what waits and end the thread; it is left behind where the database says nothing."""
        self._queue.put(None)
        self._thread.join(1.0)
        while self._thread.is_alive() and self.silence < LAST_SILENCE:
            self._thread.join(1.0)
        if self._thread.is_alive():
            logger.warning("the database does not answer: not waiting for it")

    def _run(self) -> None:
        with self._engine.connect() as connection:
            running = True
            while running:
                self._busy_since = None
                groups, tasks, running = self._take()
                self._heard()
                if groups:
                    self._commit_groups(connection, groups)
                for task in tasks:
                    self._heard()
                    self._run_task(connection, task)
                self._compact_if_due(connection)

    def _heard(self) -> None:
        self._busy_since = time.monotonic()

    def _take(self) -> tuple[list[Group], list[Task], bool]:
        """Everything that waits, at least one item."""
        groups: list[Group] = []
        tasks: list[Task] = []
        try:
            item = self._queue.get(timeout=self._bounds.idle_limit)
        except queue.Empty:
            return groups, tasks, True
        while True:
            if item is None:
                return groups, tasks, False
            if not item.done.done():  # else nobody waits for it any more
                (groups if isinstance(item, Group) else tasks).append(item)  # type: ignore[arg-type]
            if len(groups) >= BATCH_LIMIT:
                return groups, tasks, True
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                return groups, tasks, True

    def _run_task(self, connection: Connection, task: Task) -> None:
        self._begin_as(connection, reading=task.reads)
        try:
            result: Any = task.run(connection)
            connection.rollback()
        except (SQLAlchemyError, OSError) as error:
            self._rollback(connection, Plan())
            result = Unavailable(f"the database refused the read: {reason(error)}")
        except Exception as error:
            self._rollback(connection, Plan())
            result = error
        self._begin_as(connection, reading=False)
        self._send([], [(task.done, result)])

    def _begin_as(self, connection: Connection, *, reading: bool) -> None:
        """What the next transactions are: those that read see one state of the database all along."""
        connection.execution_options(reading=reading)
        if self._postgresql:
            try:
                connection.execution_options(isolation_level="REPEATABLE READ" if reading else "READ COMMITTED")
            except SQLAlchemyError:
                connection.invalidate()

    def _commit_groups(self, connection: Connection, groups: list[Group]) -> None:
        plan, answers = Plan(), []
        foreign: list[Event] = []
        try:
            if not self._postgresql:
                journal.install(connection)
            with self._turn():
                answers = self._commit_at_once(connection, plan, groups) or self._commit_locked(
                    connection, plan, groups, foreign
                )
                self._publish()
        except (SQLAlchemyError, sqlite3.Error, OSError) as error:
            self._rollback(connection, plan)
            self._failed(error)
            answers = [
                (group.done, Unavailable(f"the database refused the write: {reason(error)}")) for group in groups
            ]
        except Exception as error:  # a fault in one write: its neighbours go on without it
            self._rollback(connection, plan)
            self._send(foreign, [(groups[0].done, error)] if len(groups) == 1 else [])
            for group in groups if len(groups) > 1 else ():
                self._commit_groups(connection, [group])
            return
        else:
            self._bounds.add(self.state.revision, len(plan.events), log.sizes(plan.events), int(time.time()))
            if self._failing:
                self._failing = False
                logger.warning("the database takes writes again")
            if plan.events:
                self.batches[min((len(plan.events) - 1).bit_length(), len(self.batches) - 1)] += 1
                self.writes += len(plan.events)
        self._send(foreign + (plan.events if self._committed(answers) else []), answers)

    def _commit_at_once(self, connection: Connection, plan: Plan, groups: list[Group]) -> Answers | None:
        """SQLite: plan on what we know and let the database refuse it where another process has written meanwhile.

        None where that, or what one statement cannot do, makes us take the lock first. A batch that only refuses
        does as well: nothing in it would tell that our picture is old.
        """
        if self._postgresql or self._behind:
            return None
        answers = self._plan_groups(plan, groups)
        if plan.claimed or plan.released or not 0 < len(plan.events) <= journal.AT_ONCE:
            plan.take_back()
            return None
        now = int(time.time())
        if journal.append(connection, [log.log_row(event, now) for event in plan.events]):
            return answers
        plan.take_back()
        return None

    def _commit_locked(self, connection: Connection, plan: Plan, groups: list[Group], foreign: list[Event]) -> Answers:
        """Take the lock, add to `foreign` what others have committed, plan on that and commit."""
        foreign += self.lock(connection)
        answers = self._plan_groups(plan, groups)
        if plan.events:
            self._write(connection, plan)
        connection.commit()
        return answers

    def _plan_groups(self, plan: Plan, groups: list[Group]) -> Answers:
        return [(group.done, self.state.plan(plan, group)) for group in groups]

    @property
    def _behind(self) -> bool:
        return self._peers is not None and self._peers.newest > self.state.revision

    def _turn(self) -> AbstractContextManager[None]:
        return nullcontext() if self._peers is None else self._peers.turn()

    def _publish(self) -> None:
        if self._peers is not None:
            self._peers.publish(self.state.revision)

    def _failed(self, error: BaseException) -> None:
        """Told once, not for every write: nobody is helped by a log that fills the disk as well."""
        if not self._failing:
            logger.error("the database refuses writes: %s", reason(error))
        self._failing = True
        self.failures += 1

    @staticmethod
    def _committed(answers: Answers) -> bool:
        return not all(isinstance(result, Unavailable) for _, result in answers)

    def _rollback(self, connection: Connection, plan: Plan) -> None:
        plan.take_back()
        try:
            connection.rollback()
        except SQLAlchemyError:
            connection.invalidate()

    def lock(self, connection: Connection) -> list[Event]:
        """Take the lock; read and apply what others committed since we last held it."""
        value, self.state.compacted = connection.exec_driver_sql(self._read_position).one()
        return self.catch_up(connection, value) if value != self.state.revision else []

    def follow(self, connection: Connection) -> list[Event]:
        """Read and apply what others have committed. The transaction must see one state of the database."""
        value, self.state.compacted = connection.execute(POSITION).one()
        return self.catch_up(connection, value) if value != self.state.revision else []

    def catch_up(self, connection: Connection, until: int) -> list[Event]:
        """Events of other processes up to `until`, applied to our state; nothing is where the database fails meanwhile.

        Where the log no longer has them (compacted by another, or a database put back to an earlier state) everything
        is read anew, and readers are told before this returns.
        """
        after = self.state.revision
        missed = tables.log.c.revision.between(after + 1, until)
        rows = connection.execute(select(tables.log).where(missed).order_by(tables.log.c.revision)).all()
        if len(rows) != until - after:
            self._read_anew(connection)
            return []
        found = self.state.events_of(rows)
        if found:
            self.state.take_over(connection, found)
            self._bounds.add(self.state.revision, len(found), log.sizes(found), int(time.time()))
        return found

    def _read_anew(self, connection: Connection) -> None:
        """Take the database as it is now; the loop is told with what came before it."""
        logger.warning("the log does not reach back to revision %d: everything is read anew", self.state.revision)
        self.state.load(connection)
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._replace, self.state.picture())

    def _write(self, connection: Connection, plan: Plan) -> None:
        now = int(time.time())
        rows = [log.log_row(event, now) for event in plan.events]
        if self._postgresql:
            insert_rows(connection, tables.log, rows)
            self._write_objects(connection, plan, rows)
            connection.execute(text("SELECT pg_notify('miniplane', '')"))
        else:
            insert_rows(connection, tables.log, rows, sizes=journal.SIZES)
        self.state.claims.write(connection, plan)

    def _write_objects(self, connection: Connection, plan: Plan, rows: list[tuple[Any, ...]]) -> None:
        """What the log says, in the other tables."""
        last = {event.record.key: (event.type, row) for event, row in zip(plan.events, rows, strict=True)}
        stored = [log.object_row(row) for kind, row in last.values() if kind != "DELETED"]
        gone = [key for key, (kind, _) in last.items() if kind == "DELETED"]
        insert_rows(connection, tables.objects, stored, replace=True)
        if gone:
            columns = (tables.objects.c.resource, tables.objects.c.namespace, tables.objects.c.name)
            connection.execute(delete(tables.objects).where(tuple_(*columns).in_(gone)))
        connection.exec_driver_sql(self._move_position, (self.state.revision,))

    def _send(self, events: list[Event], answers: Answers) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._deliver, events, answers)

    def _compact_if_due(self, connection: Connection) -> None:
        cut = self._bounds.excess(int(time.time()))
        if cut > self.state.compacted:
            try:
                self.compact(connection, cut)
            except SQLAlchemyError:
                connection.rollback()

    def compact(self, connection: Connection, cut: int) -> None:
        """Forget the log up to `cut`, in slices so that writers do not wait long."""
        with self._turn():
            connection.execute(update(tables.revision).where(tables.revision.c.compacted < cut).values(compacted=cut))
            connection.commit()
        self.state.compacted = cut
        while True:
            self._heard()
            with self._turn():
                swept = connection.execute(select(tables.revision.c.swept).with_for_update()).scalar_one()
                until = min(swept + COMPACTION_SLICE, cut)
                if swept < until:
                    log.sweep(connection, swept, until)
                connection.commit()
            if until >= cut:
                return


def reason(error: BaseException) -> str:
    """The first line of what the database says."""
    return next(iter(str(getattr(error, "orig", None) or error).splitlines()), type(error).__name__)
