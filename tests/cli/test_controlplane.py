"""The embedded control plane and the fixtures that come with it."""

from __future__ import annotations

import ssl
import subprocess
import threading
import time
import urllib.request

import pytest

from miniplane.controlplane import ControlPlane
from tests.plane import KUBECTL


def kubectl(plane: ControlPlane, *words: str) -> str:
    argv = [KUBECTL, "--kubeconfig", plane.kubeconfig, *words]
    return subprocess.run(argv, capture_output=True, text=True, check=True, timeout=30).stdout


def test_fixture_runs(miniplane: ControlPlane) -> None:
    assert "kubernetes" in kubectl(miniplane, "get", "svc")


def test_reset_takes_away_and_puts_back(miniplane: ControlPlane) -> None:
    kubectl(miniplane, "create", "configmap", "mine", "-n", "default")
    kubectl(miniplane, "delete", "svc", "kubernetes", "-n", "default")
    miniplane.reset()
    assert kubectl(miniplane, "get", "configmap,svc", "-n", "default", "-o", "name").split() == ["service/kubernetes"]


def test_reset_is_quick(miniplane: ControlPlane) -> None:
    context = ssl.create_default_context(cafile=miniplane.ca)
    for number in range(50):
        body = f'{{"metadata":{{"name":"c{number}"}}}}'.encode()
        headers = {"Authorization": f"Bearer {miniplane.token}", "Content-Type": "application/json"}
        path = f"{miniplane.url}/api/v1/namespaces/default/configmaps"
        urllib.request.urlopen(urllib.request.Request(path, body, headers), context=context).close()
    began = time.monotonic()
    miniplane.reset()
    assert time.monotonic() - began < 0.25


async def test_async_and_several_at_once() -> None:
    async with ControlPlane() as one, ControlPlane() as two:
        assert one.port != two.port


def test_stop_ends_the_thread() -> None:
    with ControlPlane() as plane:
        before = [thread for thread in threading.enumerate() if thread.name == "miniplane"]
        assert before
    plane.stop()
    with pytest.raises(RuntimeError, match="does not run"):
        plane.reset()


def test_a_refusal_reaches_the_caller() -> None:
    with pytest.raises(ValueError, match="Nonsense"):
        ControlPlane(admission=["Nonsense"]).start()
