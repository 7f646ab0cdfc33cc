"""Fixtures for the tests of programs that speak to Kubernetes; installed with miniplane, heavy imports inside.

    def test_service(miniplane):
        subprocess.run(["kubectl", "--kubeconfig", miniplane.kubeconfig, "create", "-f", "svc.yaml"], check=True)

`miniplane_plane` is one API server for the session (one for each pytest-xdist worker); `miniplane` is the same one,
emptied after each test. Options come from the ini option `miniplane`: `nodes=2 controllers`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from miniplane.controlplane import ControlPlane


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini("miniplane", "what runs beside the API server: `nodes=N`, `controllers`", type="args", default=[])


def _started(words: list[str]) -> ControlPlane:
    from miniplane.controlplane import ControlPlane

    nodes, controllers = 0, False
    for word in words:
        if word.startswith("nodes="):
            nodes = int(word.removeprefix("nodes="))
        elif word == "controllers":
            controllers = True
        else:
            raise pytest.UsageError(f"ini option miniplane: {word!r} is neither nodes=N nor controllers")
    return ControlPlane(nodes=nodes, controllers=controllers).start()


@pytest.fixture(scope="session")
def miniplane_plane(request: pytest.FixtureRequest) -> Iterator[ControlPlane]:
    """One running control plane for the session."""
    plane = _started(request.config.getini("miniplane"))
    yield plane
    plane.stop()


@pytest.fixture
def miniplane(miniplane_plane: ControlPlane) -> Iterator[ControlPlane]:
    """The session's control plane; what the test leaves behind is taken away after it."""
    yield miniplane_plane
    miniplane_plane.reset()
