"""What cannot be started says so in one line, with exit code 2."""

from __future__ import annotations

import os
import socket
import sqlite3
import subprocess
from pathlib import Path

import pytest

from tests.plane import Plane, command


def refused(*arguments: str) -> str:
    """The one line of a refusal."""
    done = subprocess.run(command(*arguments), capture_output=True, text=True, timeout=20)
    assert done.returncode == 2, (done.returncode, done.stdout, done.stderr)
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    return lines[0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--service-cidr", "10.96.0.0/40"), "--service-cluster-ip-range 10.96.0.0/40"),
        (("--service-cidr", "10.96.0.1/12"), "has host bits set"),
        (("--service-node-port-range", "32767-30000"), "want FIRST-LAST"),
        (("--kubernetes-version", "1.12"), "want one of 1.25 to 1.37"),
        (("--port", "70000"), "--port 70000"),
        (("--bind", "nowhere"), "want an IP address"),
        (("--bind", "0.0.0.0"), "say --token or --token-auth-file"),
        (("--token", "two words"), "without spaces"),
        (("--token-auth-file", "/nowhere/tokens.csv"), "No such file"),
        (("--client-ca-file", "/nowhere/ca.crt"), "No such file"),
        (("--client-ca-file", "pyproject.toml"), "want certificates in PEM form"),
        (("--watch-history", "1 parsec"), "--watch-history"),
        (("--nodes", "-1"), "--nodes -1"),
        (("--nodes", "255"), "--nodes 255: want 0 to 254"),
        (("--admission", "Nonsense"), "Nonsense"),
    ],
)
def test_bad_arguments(arguments: tuple[str, ...], words: str) -> None:
    assert words in refused("up", "--ephemeral", "--port", "0", *arguments)


def test_bad_token_file(tmp_path: Path) -> None:
    file = tmp_path / "tokens.csv"
    file.write_text("onlytoken\n")
    assert "line 1" in refused("up", "--ephemeral", "--port", "0", "--token-auth-file", str(file))


def test_port_in_use() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert f"127.0.0.1 port {port} is in use" in refused("up", "--ephemeral", "--port", str(port))


def test_data_directory_is_a_file(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    assert f"data directory {file} cannot be written" in refused("up", "--data", str(file), "--port", "0")


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is unwritable to root")
def test_data_directory_not_ours(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    assert "cannot be written" in refused("up", "--data", str(tmp_path), "--port", "0")


def test_data_directory_in_use(plane: Plane) -> None:
    line = refused("up", "--data", str(plane.directory), "--port", "0")
    assert f"in use by another miniplane (process {plane.process.pid})" in line


def test_data_of_a_newer_version(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "miniplane.db") as database:
        database.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
        database.execute("INSERT INTO alembic_version VALUES ('9999')")
    assert "belongs to a newer version" in refused("up", "--data", str(tmp_path), "--port", "0")


def test_database_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "miniplane.db").write_bytes(b"this is no database at all" * 100)
    assert "file is not a database" in refused("up", "--data", str(tmp_path), "--port", "0")


def test_kubeconfig_of_nothing(tmp_path: Path) -> None:
    assert "`miniplane up` writes it" in refused("kubeconfig", "--data", str(tmp_path))
