"""A webhook of the test's own, and registrations that go away with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.admission.webhook import Webhook
from tests.plane import Plane

REGISTRATIONS = "/apis/admissionregistration.k8s.io/v1/"


@pytest.fixture
def webhook(tmp_path: Path) -> Iterator[Webhook]:
    found = Webhook(tmp_path)
    yield found
    found.stop()


@pytest.fixture
def register(plane: Plane) -> Iterator[Callable[..., Any]]:
    """Create objects of admissionregistration.k8s.io (or any path); they are deleted after the test."""
    made: list[str] = []

    def create(collection: str, body: dict[str, Any]) -> Any:
        path = collection if collection.startswith("/") else REGISTRATIONS + collection
        status, answer = plane.request("POST", path, body)
        assert status == 201, answer
        made.append(f"{path}/{body['metadata']['name']}")
        return answer

    yield create
    for path in reversed(made):
        plane.request("DELETE", path)
