"""Many rows in one statement.

The `sqlite3` module lets go of the interpreter for every statement that it steps, and has to wait for the event loop to
get it back. `executemany` steps once a row, so that a batch of writes would wait once for each of its rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import chain
from typing import Any

from sqlalchemy import Connection, Dialect, Table

SIZES = (64, 16, 4, 1)
"""Rows of one statement. Few sizes: the driver keeps prepared statements by their text. Parameters stay far below the
32,766 of SQLite and the 65,535 of PostgreSQL."""

Row = tuple[Any, ...]


def insert_rows(
    connection: Connection, table: Table, rows: Sequence[Row], *, sizes: Sequence[int] = SIZES, replace: bool = False
) -> None:
    """Insert rows, all with a value for every column of `table`, in its order. `replace`: a row of the same primary key
    is overwritten; `rows` then have each key once. `sizes`: how many rows one statement may have, most first."""
    mark, start = placeholder(connection.dialect), 0
    for size in sizes:
        while len(rows) - start >= size:
            connection.exec_driver_sql(*insertion(table, rows[start : start + size], mark, replace=replace))
            start += size


def insertion(table: Table, rows: Sequence[Row], mark: str, *, replace: bool = False) -> tuple[str, Row]:
    """The statement that inserts these rows, and its parameters."""
    return _statement(table, len(rows), mark, replace), tuple(chain.from_iterable(rows))


def placeholder(dialect: Dialect) -> str:
    """How the driver marks a parameter."""
    return "%s" if dialect.name == "postgresql" else "?"


@cache
def _statement(table: Table, size: int, mark: str, replace: bool) -> str:
    names = tuple(table.columns.keys())
    row = f"({', '.join(mark for _ in names)})"
    statement = f"INSERT INTO {table.name} ({', '.join(names)}) VALUES {', '.join([row] * size)}"
    if not replace:
        return statement
    keys = [column.name for column in table.primary_key]
    changed = ", ".join(f"{name} = excluded.{name}" for name in names if name not in keys)
    return f"{statement} ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {changed}"
