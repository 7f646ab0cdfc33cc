"""The command explains itself, quickly."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from miniplane import __version__
from tests.plane import command


def output(*arguments: str) -> str:
    return subprocess.run(command(*arguments), capture_output=True, text=True, check=True, timeout=20).stdout


def test_help_names_every_command() -> None:
    text = output("--help")
    for word in ("up", "apiserver", "controllers", "kubelet", "kubeconfig", "backup", "restore", "version"):
        assert f"\n    {word}" in text


@pytest.mark.parametrize("verb", ["up", "apiserver", "controllers", "kubelet", "kubeconfig", "backup", "restore"])
def test_help_of_a_command(verb: str) -> None:
    assert "--" in output(verb, "--help")


def test_version() -> None:
    assert output("version") == f"miniplane {__version__}\n"


def test_help_is_quick() -> None:
    """Best of five: the machine may be busy."""
    taken = []
    for _ in range(5):
        began = time.monotonic()
        output("--help")
        taken.append(time.monotonic() - began)
    assert min(taken) < 0.1


def test_help_imports_nothing_heavy() -> None:
    program = "import sys, miniplane.cli; miniplane.cli._parser(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert not loaded & {"asyncio", "fastapi", "sqlalchemy", "uvicorn", "yaml", "cryptography", "apiserver", "ssl"}
