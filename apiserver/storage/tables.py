"""The tables. Migrations in `alembic/` make the same ones; a test compares them."""

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
    Column("uid", String(64), nullable=False),
    Column("revision", Revision, nullable=False),
    Column("version_at", Integer, nullable=False),
    Column("labels", LargeBinary, nullable=False),
    Column("body", LargeBinary, nullable=False),
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
    Column("body", LargeBinary, nullable=False),
    Column("previous_revision", Revision, nullable=False),
    Column("previous_at", Integer, nullable=False),
    Column("previous", LargeBinary, nullable=True),
    Column("created_at", Integer, nullable=False),
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
)
