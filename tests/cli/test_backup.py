"""`miniplane backup` and `miniplane restore`, with servers that run and on both databases."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.plane import Plane, command

StartPlane = Callable[..., Plane]
ALONE = ("--nodes", "0", "--no-controllers")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*arguments), capture_output=True, text=True, timeout=60)


def service(port: int) -> dict[str, object]:
    return {"metadata": {"name": "web"}, "spec": {"type": "NodePort", "ports": [{"port": 80, "nodePort": port}]}}


def check_restored(plane: Plane, before: dict[str, object], seen: str) -> None:
    """Objects and claims are there, and a watch from before is sent back to list."""
    status, found = plane.request("GET", "/api/v1/namespaces/default/services/web")
    assert (status, found) == (200, before)
    other = service(30123) | {"metadata": {"name": "other"}}
    status, answer = plane.request("POST", "/api/v1/namespaces/default/services", other)
    assert status == 422 and "provided port is already allocated" in str(answer)
    status, answer = plane.request("GET", f"/api/v1/services?watch=1&timeoutSeconds=1&resourceVersion={seen}")
    assert "Expired" in str(answer) and "too old resource version" in str(answer)


def test_a_running_plane_is_copied_and_restored(start_plane: StartPlane, tmp_path: Path) -> None:
    plane, archive = start_plane(*ALONE), tmp_path / "plane.tar.gz"
    status, before = plane.request("POST", "/api/v1/namespaces/default/services", service(30123))
    assert status == 201
    done = run("backup", str(archive), "--data", str(plane.directory))
    assert (done.returncode, done.stderr) == (0, "") and done.stdout.startswith(f"{archive}: ")
    assert archive.stat().st_mode & 0o077 == 0, "it holds secrets"
    _, later = plane.request("POST", "/api/v1/namespaces/default/configmaps", {"metadata": {"name": "later"}})

    done = run("restore", str(archive), "--data", str(tmp_path / "new"))
    assert done.returncode == 0, done.stderr
    again = start_plane(*ALONE, directory=tmp_path / "new")
    check_restored(again, before, later["metadata"]["resourceVersion"])
    assert again.token == plane.token
    assert (again.directory / "pki/ca.crt").read_bytes() == (plane.directory / "pki/ca.crt").read_bytes()
    assert again.request("GET", "/api/v1/namespaces/default/configmaps/later")[0] == 404


def test_between_postgresql_databases(start_plane: StartPlane, new_database: Callable[[], str], tmp_path: Path) -> None:
    databases, archive = [new_database(), new_database()], tmp_path / "plane.tar.gz"
    plane = start_plane(*ALONE, "--database-url", databases[0])
    _, before = plane.request("POST", "/api/v1/namespaces/default/services", service(30123))
    assert run("backup", str(archive), "--data", str(plane.directory), "--database-url", databases[0]).returncode == 0
    held = run("restore", str(archive), "--data", str(tmp_path / "new"), "--database-url", databases[0])
    assert held.returncode == 2 and "objects; restore into a new one" in held.stderr
    done = run("restore", str(archive), "--data", str(tmp_path / "new"), "--database-url", databases[1])
    assert done.returncode == 0, done.stderr
    again = start_plane(*ALONE, "--database-url", databases[1], directory=tmp_path / "new")
    check_restored(again, before, before["metadata"]["resourceVersion"])


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["backup", "{new}", "--data", "{empty}"], "has no database"),
        (["backup", "{file}", "--data", "{empty}"], "has no database"),
        (["restore", "{missing}", "--data", "{empty}"], "No such file"),
        (["restore", "{file}", "--data", "{empty}"], "cannot be read"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(tmp_path: Path, arguments: list[str], reason: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("no archive")
    words = {name: str(tmp_path / name) for name in ("new", "empty", "file", "missing")}
    done = run(*(word.format(**words) for word in arguments))
    assert done.returncode == 2
    assert done.stderr.startswith("miniplane: ") and reason in done.stderr and done.stderr.count("\n") == 1


def test_a_restore_never_overwrites(plane: Plane, tmp_path: Path) -> None:
    archive = tmp_path / "plane.tar.gz"
    assert run("backup", str(archive), "--data", str(plane.directory)).returncode == 0
    assert run("backup", str(archive), "--data", str(plane.directory)).returncode == 2, "nor does a backup"
    done = run("restore", str(archive), "--data", str(plane.directory))
    assert done.returncode == 2 and "in use by another miniplane" in done.stderr
