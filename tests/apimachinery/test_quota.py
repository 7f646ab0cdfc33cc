"""What a pod asks for, all of its containers together."""

from __future__ import annotations

from typing import Any

import pytest

from miniplane.apimachinery.quota import pod_amounts


def container(cpu: str, **more: Any) -> dict[str, Any]:
    return {"resources": {"requests": {"cpu": cpu}}, **more}


@pytest.mark.parametrize(
    ("spec", "cpu"),
    [
        ({"containers": [container("1"), container("500m")]}, "1500m"),
        ({"containers": [container("1")], "initContainers": [container("3")]}, "3"),
        ({"containers": [container("1")], "initContainers": [container("3", restartPolicy="Always")]}, "4"),
        ({"containers": [container("1")], "resources": {"requests": {"cpu": "2"}}}, "2"),
        ({"containers": [container("1")], "resources": {"requests": {"cpu": "2"}}, "overhead": {"cpu": "1"}}, "3"),
    ],
)
def test_requests_of_a_pod(spec: dict[str, Any], cpu: str) -> None:
    assert pod_amounts(spec, "requests")["cpu"].canonical() == cpu
