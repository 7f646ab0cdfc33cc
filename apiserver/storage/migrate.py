"""The schema of a database: made for a new one, migrated for an old one, refused for one of a newer version."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text

from apiserver.storage import tables

HEAD = "0002"
"""The newest revision in `alembic/versions`; a test compares them."""


class NewerDatabase(Exception):
    """The database was written by a newer miniplane."""


def scripts() -> Path:
    """The migration scripts: in the wheel beside this file, in a checkout the folder `alembic/`."""
    shipped = Path(__file__).parent / "migrations"
    return shipped if shipped.exists() else Path(__file__).parents[2] / "alembic"


def stated(connection: Connection) -> str | None:
    """The revision that the database says it has; None for an empty database."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return str(found) if found is not None else None


def prepare(engine: Engine) -> None:
    """Bring the schema to HEAD. Alembic is imported only where there is something to migrate: a new database gets the
    tables at once and is stamped (the same schema, a test proves it). Raises NewerDatabase."""
    with engine.connect() as connection:
        version = stated(connection)
        connection.rollback()
        if version == HEAD:
            return
        if version is None and not inspect(connection).has_table("objects"):
            connection.rollback()
            _create(connection)
            return
    upgrade(engine, version)


def _alone(connection: Connection) -> None:
    """Keep others who prepare the same database waiting until this transaction ends; SQLite does so by itself."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(7120442)"))


def _create(connection: Connection) -> None:
    _alone(connection)
    if stated(connection) is not None:
        connection.rollback()
        return
    tables.metadata.create_all(connection)
    connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"))
    connection.execute(text("INSERT INTO alembic_version VALUES (:head)"), {"head": HEAD})
    connection.execute(tables.revision.insert().values(id=1, value=1, compacted=0, swept=0))
    connection.commit()


def upgrade(engine: Engine, version: str | None, target: str = "head") -> None:
    """Run the migrations up to `target`. Raises NewerDatabase for a revision that we do not know."""
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    from alembic import command

    config = Config()
    config.set_main_option("script_location", str(scripts()))
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if version is not None and version not in known:
        raise NewerDatabase(
            f"the database has schema revision {version}, this miniplane knows up to {HEAD}: "
            "it belongs to a newer version"
        )
    with engine.connect() as connection:
        _alone(connection)
        config.attributes["connection"] = connection
        command.upgrade(config, target)
        connection.commit()
