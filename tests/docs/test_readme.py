"""What the documentation says, tried: every command of the README exists, every file that it names is there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from miniplane.agents.kubelet import behaviour
from tests.plane import command

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "samples" / "README.md"]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)\)", document.read_text())
    missing = [t for t in targets if "://" not in t and not (document.parent / t).exists()]
    assert not missing


def test_make_targets_exist() -> None:
    text = "".join(document.read_text() for document in DOCUMENTS)
    named = set(re.findall(r"^ {4}make ([a-z]+)", text, re.MULTILINE))
    assert {"up", "test"} <= named
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert named <= targets


def test_options_in_the_readme_are_known() -> None:
    text = (ROOT / "README.md").read_text()
    options = set(re.findall(r"(?<![-\w])--[a-z][a-z-]+", text)) - {"--kubeconfig", "--help"}
    shown = "".join(
        subprocess.run(command(verb, "--help"), capture_output=True, text=True, check=True).stdout
        for verb in ("up", "kubeconfig", "backup")
    )
    assert {option for option in options if option not in shown} == set()


def test_python_examples_run(tmp_path: Path) -> None:
    (example,) = re.findall(
        r"```python\n(from miniplane.*?)```", (ROOT / "docs" / "embedding.md").read_text(), re.DOTALL
    )
    done = subprocess.run([sys.executable, "-c", example], capture_output=True, text=True, timeout=60, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("https://127.0.0.1:")


def test_every_annotation_is_documented() -> None:
    text = (ROOT / "docs" / "kubelet.md").read_text()
    documented = set(re.findall(r"^\| `([a-z-]+)` \|", text, re.MULTILINE))
    assert documented == set(behaviour.READERS)
