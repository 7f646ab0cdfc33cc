"""Alembic's environment: the connection is handed over by `apiserver.storage.migrate`."""

from __future__ import annotations

from alembic import context
from apiserver.storage import tables

connection = context.config.attributes.get("connection")
if connection is None:
    raise SystemExit("run migrations through miniplane (it migrates at start); there is no offline mode")
context.configure(connection=connection, target_metadata=tables.metadata)
with context.begin_transaction():
    context.run_migrations()
