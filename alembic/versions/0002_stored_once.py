"""an object is stored once, in the log; watches from before the migration have to list again

Revision ID: 0002
"""

from __future__ import annotations

import sqlalchemy as sa

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

Revision = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.drop_table("log")
    op.create_table(
        "log",
        sa.Column("revision", Revision, primary_key=True, autoincrement=False),
        sa.Column("resource", sa.String(253), nullable=False),
        sa.Column("namespace", sa.String(253), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("type", sa.String(8), nullable=False),
        sa.Column("uid", sa.String(64), nullable=False),
        sa.Column("version_at", sa.Integer, nullable=False),
        sa.Column("labels", sa.LargeBinary, nullable=False),
        sa.Column("previous_revision", Revision, nullable=False),
        sa.Column("created_at", sa.Integer, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    op.execute(
        "INSERT INTO log SELECT revision, resource, namespace, name, 'MODIFIED', uid, version_at, labels, 0, 0, body "
        "FROM objects ORDER BY revision"
    )
    op.drop_table("objects")
    op.create_table(
        "objects",
        sa.Column("resource", sa.String(253), primary_key=True),
        sa.Column("namespace", sa.String(253), primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("revision", Revision, nullable=False),
        sqlite_with_rowid=False,
    )
    op.execute("INSERT INTO objects SELECT resource, namespace, name, revision FROM log")
    op.add_column("revision", sa.Column("swept", Revision, nullable=False, server_default="0"))
    op.execute("UPDATE revision SET compacted = value, swept = value")


def downgrade() -> None:
    raise NotImplementedError("go back to a backup of before the migration")
