"""`--workers`: several processes that clients take for one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.plane import Plane, command

SERVICES = "/api/v1/namespaces/default/services"


@pytest.fixture(scope="module")
def plane() -> Iterator[Plane]:
    plane = Plane.start("--workers", "3", verb="apiserver")
    yield plane
    plane.stop()


def workers(plane: Plane) -> list[int]:
    children = Path(f"/proc/{plane.process.pid}/task").glob("*/children")
    return [int(pid) for path in children for pid in path.read_text().split()]


def test_what_one_worker_has_answered_every_other_shows(plane: Plane) -> None:
    """Every request is a connection of its own, so that the kernel spreads them."""
    for number in range(20):
        status, namespace = plane.request("POST", "/api/v1/namespaces", {"metadata": {"name": f"n{number}"}})
        assert status == 201, namespace
        path = f"/api/v1/namespaces/n{number}/configmaps"
        assert plane.request("POST", path, {"metadata": {"name": "c"}})[0] == 201
        revisions = [int(plane.get(path)["metadata"]["resourceVersion"]) for _ in range(3)]
        assert revisions[0] <= revisions[1] <= revisions[2]
        found = plane.get(f"{path}/c")
        found["data"] = {"number": str(number)}
        status, updated = plane.request("PUT", f"{path}/c", found)
        assert status == 200, updated
        assert plane.get(f"{path}/c") == updated


def test_a_role_counts_at_once_and_everywhere(plane: Plane) -> None:
    plane.request("POST", "/api/v1/namespaces/default/serviceaccounts", {"metadata": {"name": "reader"}})
    path = "/api/v1/namespaces/default/serviceaccounts/reader/token"
    token = plane.request("POST", path, {"spec": {}})[1]["status"]["token"]
    assert plane.request("GET", SERVICES, token=token)[0] == 403
    plane.kubectl("create clusterrolebinding readers --clusterrole=view --serviceaccount=default:reader")
    assert {plane.request("GET", SERVICES, token=token)[0] for _ in range(6)} == {200}
    plane.kubectl("delete clusterrolebinding readers")
    assert {plane.request("GET", SERVICES, token=token)[0] for _ in range(6)} == {403}


def test_addresses_and_ports_are_given_once(plane: Plane) -> None:
    def create(number: int) -> tuple[str, int]:
        body = {"metadata": {"name": f"s{number}"}, "spec": {"type": "NodePort", "ports": [{"port": 80}]}}
        status, service = plane.request("POST", SERVICES, body)
        assert status == 201, service
        return service["spec"]["clusterIP"], service["spec"]["ports"][0]["nodePort"]

    with ThreadPoolExecutor(8) as pool:
        given = list(pool.map(create, range(60)))
    assert len({address for address, _ in given}) == len({port for _, port in given}) == 60


def test_an_idle_watch_hears_of_every_workers_writes(plane: Plane) -> None:
    path = "/api/v1/namespaces/default/secrets"
    since = plane.get(path)["metadata"]["resourceVersion"]
    request = urllib.request.Request(f"{plane.url}{path}?watch=1&resourceVersion={since}")
    request.add_header("Authorization", f"Bearer {plane.token}")
    with urllib.request.urlopen(request, context=plane.tls, timeout=30) as stream:
        for number in range(12):
            assert plane.request("POST", path, {"metadata": {"name": f"secret-{number}"}})[0] == 201
            assert json.loads(stream.readline())["object"]["metadata"]["name"] == f"secret-{number}"


def test_a_custom_kind_is_served_by_all(plane: Plane) -> None:
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    definition = {
        "metadata": {"name": "things.example.com"},
        "spec": {
            "group": "example.com",
            "scope": "Cluster",
            "names": {"plural": "things", "kind": "Thing"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
        },
    }
    status, answer = plane.request("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition)
    assert status == 201, answer
    plane.kubectl("wait --for=condition=Established crd/things.example.com --timeout=10s")
    assert {plane.request("GET", "/apis/example.com/v1/things")[0] for _ in range(8)} == {200}


def test_a_killed_worker_comes_back_and_nothing_is_lost(plane: Plane) -> None:
    path = "/api/v1/namespaces/default/configmaps"
    plane.request("POST", path, {"metadata": {"name": "before"}})
    killed = workers(plane)[0]
    os.kill(killed, signal.SIGKILL)
    deadline = time.monotonic() + 20
    while killed in (now := workers(plane)) or len(now) < 3:
        assert time.monotonic() < deadline, now
        time.sleep(0.05)
    plane.eventually_status("/readyz", 200)
    names = {item["metadata"]["name"] for item in plane.get(path)["items"]}
    assert "before" in names


def test_a_signal_ends_them_all(start_plane: Callable[..., Plane]) -> None:
    plane = start_plane("--workers", "2", verb="apiserver")
    mine = workers(plane)
    assert len(mine) == 2
    assert plane.stop() == 0
    assert not any(Path(f"/proc/{pid}").exists() for pid in mine)


def test_they_end_with_whoever_started_them(start_plane: Callable[..., Plane]) -> None:
    plane = start_plane("--workers", "2", verb="apiserver")
    mine = workers(plane)
    plane.process.kill()
    plane.process.wait()
    deadline = time.monotonic() + 10
    while any(Path(f"/proc/{pid}").exists() for pid in mine):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_what_a_worker_cannot_do_is_said_once(tmp_path: Path) -> None:
    words = ["apiserver", "--port", "0", "--data", str(tmp_path), "--workers", "2", "--admission", "Nonsense"]
    done = subprocess.run(command(*words), capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "unknown admission plugin 'Nonsense'" in done.stderr
    assert "Traceback" not in done.stderr
    assert "starting it again" not in done.stderr
    assert "miniplane: \n" not in done.stderr
