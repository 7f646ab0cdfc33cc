"""The database fails beneath a running server: what clients are told, and what is kept."""

from __future__ import annotations

import os
import resource
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from miniplane.settings import DATABASE
from tests.plane import Plane, command

StartPlane = Callable[..., Plane]
ALONE = ("--nodes", "0", "--no-controllers")
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
PAGE = 4096


def limit_files(plane: Plane, size: int) -> None:
    """No file of the server may grow beyond `size`: for SQLite that is a full disk, and it can be emptied again."""
    _, hard = resource.prlimit(plane.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(plane.process.pid, resource.RLIMIT_FSIZE, (size, hard))


def write_until_refused(plane: Plane) -> tuple[list[str], str, dict[str, object]]:
    """(the names that were answered 201, the name that was not, its answer)."""
    stored: list[str] = []
    for number in range(1000):
        obj = {"metadata": {"name": f"full-{number}"}, "data": {"a": "x" * 50_000}}
        status, answer = plane.request("POST", CONFIG_MAPS, obj)
        if status != 201:
            assert status == 503, answer
            return stored, f"full-{number}", answer
        stored.append(f"full-{number}")
    raise AssertionError("it was never full")


def names(plane: Plane) -> set[str]:
    return {item["metadata"]["name"] for item in plane.get(CONFIG_MAPS)["items"]}


def test_a_full_disk_refuses_writes_and_loses_none(start_plane: StartPlane, capfd: pytest.CaptureFixture[str]) -> None:
    plane = start_plane(*ALONE)
    limit_files(plane, 512 * 1024)
    stored, refused, answer = write_until_refused(plane)
    assert (answer["reason"], answer["code"]) == ("ServiceUnavailable", 503)
    assert str(answer["message"]).startswith("the database refused the write: ")
    another = {"metadata": {"name": "another"}, "data": {"a": "x" * 99_999}}
    assert [plane.request("POST", CONFIG_MAPS, another)[0] for _ in range(3)] == [503] * 3
    assert set(stored) <= names(plane) and refused not in names(plane)
    assert plane.request("GET", "/readyz")[0] == 200, "reads are served"

    limit_files(plane, resource.RLIM_INFINITY)
    assert plane.request("POST", CONFIG_MAPS, {"metadata": {"name": refused}})[0] == 201
    everything = names(plane)
    plane.process.kill()
    plane.process.wait()
    said = capfd.readouterr().err
    assert said.count("the database refuses writes") == 1 and "takes writes again" in said and "Traceback" not in said
    assert names(start_plane(*ALONE, directory=plane.directory)) == everything


def test_a_database_that_is_read_only_is_read(start_plane: StartPlane) -> None:
    plane = start_plane(*ALONE)
    plane.stop()
    url = f"sqlite:///file:{plane.directory / DATABASE}?mode=ro&uri=true"
    again = start_plane(*ALONE, "--database-url", url, directory=plane.directory)
    status, answer = again.request("POST", CONFIG_MAPS, {"metadata": {"name": "a"}})
    assert (status, answer["reason"]) == (503, "ServiceUnavailable")
    assert answer["message"] == "the database refused the write: attempt to write a readonly database"
    assert again.request("GET", "/api/v1/namespaces/default")[0] == 200


def test_a_log_that_cannot_be_read_is_told_to_the_watch_that_needs_it(start_plane: StartPlane) -> None:
    plane = start_plane(*ALONE)
    plane.stop()
    again = start_plane(*ALONE, directory=plane.directory)  # what is older than this start is in the log only
    with sqlite3.connect(plane.directory / DATABASE) as connection:
        connection.execute("ALTER TABLE log RENAME TO lost")
    status, answer = again.request("GET", f"{CONFIG_MAPS}?watch=1&resourceVersion=2&timeoutSeconds=1")
    assert status == 200 and answer["type"] == "ERROR"
    assert answer["object"]["reason"] == "ServiceUnavailable"
    assert "no such table" in answer["object"]["message"]
    assert again.request("POST", CONFIG_MAPS, {"metadata": {"name": "a"}})[0] == 503
    with sqlite3.connect(plane.directory / DATABASE) as connection:
        connection.execute("ALTER TABLE lost RENAME TO log")
    assert again.request("POST", CONFIG_MAPS, {"metadata": {"name": "a"}})[0] == 201


def damaged_header(data: bytes) -> bytes:
    return b"x" * 100 + data[100:]


def damaged_page(data: bytes) -> bytes:
    middle = len(data) // 2 // PAGE * PAGE
    return data[:middle] + os.urandom(3 * PAGE) + data[middle + 3 * PAGE :]


def cut_off(data: bytes) -> bytes:
    return data[: len(data) // 2 // PAGE * PAGE]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A database of a few hundred pages."""
    directory = tmp_path_factory.mktemp("written")
    plane = Plane.start(*ALONE, directory=directory)
    for number in range(20):
        plane.request("POST", CONFIG_MAPS, {"metadata": {"name": f"a-{number}"}, "data": {"a": "x" * 20_000}})
    plane.stop()
    return (directory / DATABASE).read_bytes()


def refusal(directory: Path) -> str:
    words = command("apiserver", "--port", "0", "--data", str(directory))
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert done.returncode == 2, done
    return done.stderr


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (damaged_header, "file is not a database"),
        (damaged_page, "database disk image is malformed"),
        (cut_off, "database disk image is malformed"),
    ],
)
def test_a_damaged_database_is_one_line_at_start(
    tmp_path: Path, written: bytes, damage: Callable[[bytes], bytes], reason: str
) -> None:
    path = tmp_path / DATABASE
    path.write_bytes(damage(written))
    assert refusal(tmp_path) == f"miniplane: the database sqlite:///{path} cannot be used: {reason}\n"


@pytest.mark.parametrize(
    "damage", ["UPDATE log SET labels = x'ffffff' WHERE name = 'a-3'", "DELETE FROM log WHERE name = 'a-3'"]
)
def test_a_damaged_row_is_one_line_at_start(tmp_path: Path, written: bytes, damage: str) -> None:
    path = tmp_path / DATABASE
    path.write_bytes(written)
    with sqlite3.connect(path) as connection:
        connection.execute(damage)
    said = refusal(tmp_path)
    assert said.startswith(f"miniplane: the database sqlite:///{path} cannot be used: a row is damaged: ")
    assert said.count("\n") == 1
