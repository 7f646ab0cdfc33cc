"""A database copied while servers use it, and an empty one filled from such a copy.

A copy is a SQLite file with our schema, whatever the database is: objects and claims as they were at one revision,
without the events before it. A restored database begins at a later revision than anything a client can have seen
(etcd's `--bump-revision`): a watch from before gets 410 and lists again, instead of taking other events for those it
missed.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event, func, select
from sqlalchemy.engine import make_url

from apiserver.storage import log, migrate, tables
from apiserver.storage.engine import open_engine

BUMP = 1_000_000_000
"""Revisions that writes after the backup may have used: a thousand a second for eleven days."""
ROWS = 500
COPIED = {tables.log: log.current(), tables.objects: select(tables.objects), tables.claims: select(tables.claims)}
Progress = Callable[[int], None]


class NotEmpty(Exception):
    """The database to restore into holds objects."""


class NotABackup(Exception):
    """The file is no backup, or one of a newer version."""


def backup(url: str, file: Path, progress: Progress) -> int:
    """Copy the database at `url` into a new SQLite `file`: how many objects. `progress` hears how many are done.

    Raises SQLAlchemyError where the database cannot be read or the file cannot be written.
    """
    source, target = _reading(url), open_engine(f"sqlite:///{file}")
    try:
        migrate.prepare(target)
        with source.connect() as reading, target.begin() as writing:
            row = reading.execute(select(tables.revision)).one()
            writing.execute(tables.revision.update().values(value=row.value, compacted=row.value, swept=row.value))
            return _copy(reading, writing, progress)
    finally:
        source.dispose()
        target.dispose()


def restore(file: Path, url: str, progress: Progress) -> int:
    """Fill the empty database at `url` from a backup: how many objects. The file is brought to our schema on the way.

    Raises NotEmpty, NotABackup, or SQLAlchemyError where the database cannot be written; then nothing was.
    """
    source, target = open_engine(f"sqlite:///{file}"), open_engine(url)
    try:
        _check(source)
        migrate.prepare(target)
        with source.connect() as reading, target.begin() as writing:
            revision = reading.execute(select(tables.revision.c.value)).scalar_one() + BUMP
            _take(writing)
            writing.execute(tables.revision.update().values(value=revision, compacted=revision, swept=revision))
            return _copy(reading, writing, progress)
    finally:
        source.dispose()
        target.dispose()


def _reading(url: str) -> Engine:
    """An engine whose transactions see one state of the database and hold up nobody."""
    if not url.startswith("sqlite"):
        return create_engine(url, isolation_level="REPEATABLE READ")
    engine = create_engine(f"sqlite:///file:{make_url(url).database}?mode=ro&uri=true")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    return engine


def _check(source: Engine) -> None:
    with source.connect() as connection:
        version = migrate.stated(connection)
        connection.rollback()
    if version is None:
        raise NotABackup("it is not a backup of a control plane")
    try:
        migrate.prepare(source)
    except migrate.NewerDatabase as error:
        raise NotABackup(str(error)) from error


def _take(connection: Connection) -> None:
    """Lock out servers that start meanwhile, and refuse what is in use."""
    connection.execute(select(tables.revision.c.value).with_for_update())
    held = connection.execute(select(func.count()).select_from(tables.objects)).scalar_one()
    if held:
        raise NotEmpty(f"it holds {held} objects; restore into a new one")


def _copy(reading: Connection, writing: Connection, progress: Progress) -> int:
    done = 0
    for table, rows in COPIED.items():
        for page in reading.execution_options(yield_per=ROWS).execute(rows).partitions(ROWS):
            writing.execute(table.insert(), [row._asdict() for row in page])
            done += len(page) if table is tables.objects else 0
            progress(done)
    return done
