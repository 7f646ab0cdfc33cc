"""How a database is opened: what is durable, what is noticed, who begins transactions."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.pool import StaticPool

NOTICE_LOSS = {
    "connect_timeout": 5,
    "tcp_user_timeout": 8000,
    "keepalives_idle": 4,
    "keepalives_interval": 2,
    "keepalives_count": 2,
}
"""libpq's options for a connection whose other end has vanished; by default the kernel takes minutes to give up. The
URL may say otherwise."""


PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "secure_delete=FAST",  # some builds write zeros over every page that the log lets go of: a third of a write's cost
    "journal_size_limit=4194304",
    "foreign_keys=ON",
)
"""What every connection to SQLite is told first."""


def open_engine(url: str) -> Engine:
    """The database engine of a URL (`sqlite://`, `sqlite:///FILE`, `postgresql+psycopg://...`)."""
    if not url.startswith("sqlite"):
        given = make_url(url).query
        wanted = {name: value for name, value in NOTICE_LOSS.items() if name not in given}
        return create_engine(url, pool_pre_ping=True, connect_args=wanted)
    memory = make_url(url).database in (None, "", ":memory:")
    options: dict[str, Any] = {"poolclass": StaticPool} if memory else {}
    engine = create_engine(url, connect_args={"check_same_thread": False, "timeout": 30}, **options)

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # we begin transactions ourselves
        for pragma in PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        reading = connection.get_execution_options().get("reading")
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")

    return engine
