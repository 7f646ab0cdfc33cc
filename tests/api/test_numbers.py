"""Numbers in texts that no integer holds, and digits that are none: refused in Go's words, never a fault of ours."""

from __future__ import annotations

from typing import Any

import pytest

from tests.plane import Plane

DIGITS = "9" * 5000
RANGE = f'parsing "{DIGITS}": value out of range'
PODS = "/api/v1/namespaces/default/pods"


@pytest.mark.parametrize(
    ("path", "code"),
    [
        (f"{PODS}?resourceVersion={DIGITS}", 400),
        (f"{PODS}?watch=1&resourceVersion={DIGITS}", 500),  # as the real server has it
        (f"/api/v1/namespaces/default?resourceVersion={DIGITS}", 500),
        (f"{PODS}/none/log?tailLines={DIGITS}", 400),
    ],
)
def test_in_queries(plane: Plane, path: str, code: int) -> None:
    status, answer = plane.request("GET", path)
    assert status == code
    assert answer["message"].endswith(RANGE)


def test_of_a_service_port_to_proxy_to(plane: Plane) -> None:
    status, answer = plane.request("GET", f"/api/v1/namespaces/default/services/kubernetes:{DIGITS}/proxy/")
    assert status in (404, 503), answer


@pytest.mark.parametrize("surge", [f"{DIGITS}%", "²%", "٣%"])
def test_in_percentages(plane: Plane, surge: str) -> None:
    labels = {"matchLabels": {"a": "b"}}
    pod: dict[str, Any] = {
        "metadata": {"labels": {"a": "b"}},
        "spec": {"containers": [{"name": "c", "image": "i"}]},
    }
    strategy = {"rollingUpdate": {"maxUnavailable": surge}}
    body = {"metadata": {"name": "d"}, "spec": {"selector": labels, "template": pod, "strategy": strategy}}
    status, answer = plane.request("POST", "/apis/apps/v1/namespaces/default/deployments?dryRun=All", body)
    assert status == 422
    assert "spec.strategy.rollingUpdate.maxUnavailable" in answer["message"]


@pytest.mark.parametrize("block", [f"10.0.0.0/{DIGITS}", "10.0.0.0/²"])
def test_in_networks(plane: Plane, block: str) -> None:
    ports = [{"port": 80}]
    spec = {"ports": ports, "type": "LoadBalancer", "loadBalancerSourceRanges": [block]}
    body = {"metadata": {"name": "s"}, "spec": spec}
    status, answer = plane.request("POST", "/api/v1/namespaces/default/services?dryRun=All", body)
    assert status == 422
    assert "spec.LoadBalancerSourceRanges" in answer["message"]


def test_in_texts_shown_as_yaml(plane: Plane) -> None:
    maps = "/api/v1/namespaces/default/configmaps"
    assert plane.request("POST", maps, {"metadata": {"name": "digits"}, "data": {"a": DIGITS}})[0] == 201
    assert plane.request("GET", f"{maps}/digits", Accept="application/yaml")[0] == 200
