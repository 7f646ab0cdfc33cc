"""The tables. Migrations in `alembic/` make the same ones; a test compares them.

An object is stored once, in the row of `log` of the event that made it so. `objects` says which row that is. The log
keeps what somebody may still ask for: the events after `revision.compacted`, what they replaced, and what is current.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, MetaData, String, Table, Text

metadata = MetaData()
Revision = BigInteger().with_variant(Integer, "sqlite")

objects = Table(
    "objects",
    metadata,
    Column("resource", String(253), primary_key=True),
    Column("namespace", String(253), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("revision", Revision, nullable=False),
    sqlite_with_rowid=False,  # else the key is stored twice, in the table and in an index of it
)

log = Table(
    "log",
    metadata,
    Column("revision", Revision, primary_key=True, autoincrement=False),
    Column("resource", String(253), nullable=False),
    Column("namespace", String(253), nullable=False),
    Column("name", Text, nullable=False),
    Column("type", String(8), nullable=False),
    Column("uid", String(64), nullable=False),
    Column("version_at", Integer, nullable=False),
    Column("labels", LargeBinary, nullable=False),
    Column("previous_revision", Revision, nullable=False),
    Column("created_at", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),  # last: SQLite has to read past it to what comes after
)

claims = Table(
    "claims",
    metadata,
    Column("space", String(64), primary_key=True),
    Column("value", String(128), primary_key=True),
    Column("resource", String(253), nullable=False),
    Column("namespace", String(253), nullable=False),
    Column("name", Text, nullable=False),
    Index("claims_owner", "resource", "namespace", "name"),
)

revision = Table(
    "revision",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("value", Revision, nullable=False),
    Column("compacted", Revision, nullable=False),
    Column("swept", Revision, nullable=False),
)
"""One row. What only events up to `compacted` need is deleted up to `swept`, which follows in slices."""
