"""objects, log, claims and the revision row

Revision ID: 0001
"""

from __future__ import annotations

import sqlalchemy as sa

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

Revision = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "objects",
        sa.Column("resource", sa.String(253), primary_key=True),
        sa.Column("namespace", sa.String(253), primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("uid", sa.String(64), nullable=False),
        sa.Column("revision", Revision, nullable=False),
        sa.Column("version_at", sa.Integer, nullable=False),
        sa.Column("labels", sa.LargeBinary, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
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
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("previous_revision", Revision, nullable=False),
        sa.Column("previous_at", sa.Integer, nullable=False),
        sa.Column("previous", sa.LargeBinary, nullable=True),
        sa.Column("created_at", sa.Integer, nullable=False),
    )
    op.create_table(
        "claims",
        sa.Column("space", sa.String(64), primary_key=True),
        sa.Column("value", sa.String(128), primary_key=True),
        sa.Column("resource", sa.String(253), nullable=False),
        sa.Column("namespace", sa.String(253), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
    )
    op.create_index("claims_owner", "claims", ["resource", "namespace", "name"])
    table = op.create_table(
        "revision",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("value", Revision, nullable=False),
        sa.Column("compacted", Revision, nullable=False),
    )
    op.bulk_insert(table, [{"id": 1, "value": 1, "compacted": 0}])


def downgrade() -> None:
    for name in ("revision", "claims", "log", "objects"):
        op.drop_table(name)
