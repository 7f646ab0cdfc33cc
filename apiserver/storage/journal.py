"""SQLite: a batch as one statement that is a transaction by itself.

The `sqlite3` module lets go of the interpreter for every statement, and has to wait for the event loop to get it back:
what one statement does costs one wait. So triggers of the writer's connection (temporary: no schema, no other process
knows them) keep `objects` and the position in step with the log, and refuse a row that does not continue it, which
takes the place of reading the position under the lock first.
"""

from __future__ import annotations

import sqlite3
from typing import Any

from sqlalchemy import Connection

from apiserver.storage import bulk, tables

AT_ONCE = 32
"""Rows of one statement at most. Every number of rows up to this is a statement of its own, which the driver keeps
prepared (4 KB a row, 2 MB for all of them)."""
SIZES = tuple(range(AT_ONCE, 0, -1))
_COLUMNS = tuple(tables.objects.columns.keys())
_KEY = tuple(column.name for column in tables.objects.primary_key)
_TRIGGERS = (
    """
    CREATE TEMP TRIGGER continues BEFORE INSERT ON main.log BEGIN
        SELECT RAISE(ABORT, 'the log has moved on') WHERE (SELECT value FROM revision) <> new.revision - 1;
    END""",
    f"""
    CREATE TEMP TRIGGER stored AFTER INSERT ON main.log WHEN new.type <> 'DELETED' BEGIN
        INSERT INTO objects ({", ".join(_COLUMNS)}) VALUES ({", ".join(f"new.{name}" for name in _COLUMNS)})
            ON CONFLICT ({", ".join(_KEY)})
            DO UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in _COLUMNS if name not in _KEY)};
        UPDATE revision SET value = new.revision;
    END""",
    f"""
    CREATE TEMP TRIGGER deleted AFTER INSERT ON main.log WHEN new.type = 'DELETED' BEGIN
        DELETE FROM objects WHERE {" AND ".join(f"{name} = new.{name}" for name in _KEY)};
        UPDATE revision SET value = new.revision;
    END""",
)


def install(connection: Connection) -> None:
    """From now on what this connection adds to the log, it does to `objects` and the position. Outside of a
    transaction. Raises sqlite3.Error."""
    if "journal" not in connection.info:
        driver = _driver(connection)
        for trigger in _TRIGGERS:
            driver.execute(trigger)
        connection.info["journal"] = True


def append(connection: Connection, rows: list[tuple[Any, ...]]) -> bool:
    """Commit up to AT_ONCE rows of the log, all or none: whether they continue it; if not, another process has written.

    Raises sqlite3.Error.
    """
    statement, values = bulk.insertion(tables.log, rows, "?")
    try:
        _driver(connection).execute(statement, values)
    except sqlite3.IntegrityError:
        return False
    return True


def _driver(connection: Connection) -> sqlite3.Connection:
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    return driver
