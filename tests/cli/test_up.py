"""`miniplane up`: files, credentials, supervision, and an end that leaves nothing."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.plane import Plane, wait_until

StartPlane = Callable[..., Plane]


def children(pid: int) -> set[int]:
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True).stdout
    return {int(word) for word in listed.split()} - {0}


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_secrets_are_private(plane: Plane) -> None:
    for name in ("kubeconfig", "admin.token", "pki/ca.key", "pki/apiserver.key", "pki/sa.key"):
        assert mode(plane.directory / name) == 0o600, name
    assert mode(plane.directory / "pki") == 0o700


def test_kubectl_trusts_the_certificate(plane: Plane) -> None:
    names = plane.kubectl("get svc kubernetes -o jsonpath={.spec.clusterIP}:{.spec.ports[0].port}").stdout
    assert names == "10.96.0.1:443"


@pytest.mark.parametrize(("token", "status"), [("wrong", 401), ("", 403)])
def test_who_brings_no_credentials(plane: Plane, token: str, status: int) -> None:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(plane.url + "/api/v1/secrets", headers=headers)
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, context=plane.tls)
    assert caught.value.code == status


def test_a_restart_keeps_state_and_credentials(start_plane: StartPlane) -> None:
    first = start_plane("--nodes", "0", "--no-controllers")
    first.kubectl("create configmap kept --from-literal=a=b")
    first.kubectl("create serviceaccount robot")
    token = first.kubectl("create token robot").stdout.strip()
    before = {
        name: (first.directory / name).read_bytes()
        for name in ("admin.token", "pki/ca.crt", "pki/apiserver.crt", "pki/sa.key")
    }
    assert first.stop() == 0
    again = start_plane("--nodes", "0", "--no-controllers", directory=first.directory)
    assert again.kubectl("get configmap kept -o jsonpath={.data.a}").stdout == "b"
    whoami = again.kubectl(f"auth whoami --token {token} -o jsonpath={{.status.userInfo.username}}").stdout
    assert whoami == "system:serviceaccount:default:robot", "tokens outlive the process that signed them"
    assert before == {name: (again.directory / name).read_bytes() for name in before}


def test_ephemeral_leaves_nothing() -> None:
    from tests.plane import READY, command, read_until

    process = subprocess.Popen(
        command("up", "--ephemeral", "--port", "0", "--nodes", "0", "--no-controllers"),
        stdout=subprocess.PIPE,
        text=True,
    )
    read_until(process, READY, 30)
    directories = [
        path for path in Path("/tmp").glob("miniplane-*/lock") if path.read_text().split() == [str(process.pid)]
    ]
    process.terminate()
    assert process.wait(5) == 0
    assert not directories


def test_insecure_port_is_for_curl(start_plane: StartPlane, unused_tcp_port: int) -> None:
    plane = start_plane("--nodes", "0", "--no-controllers", "--insecure-port", str(unused_tcp_port))
    base = f"http://127.0.0.1:{unused_tcp_port}"
    assert b'"kubernetes"' in urllib.request.urlopen(f"{base}/api/v1/services", timeout=5).read()
    rebound = urllib.request.Request(f"{base}/api/v1/services", headers={"Host": "evil.example"})
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(rebound, timeout=5)
    assert caught.value.code == 403
    assert plane.process.poll() is None


def test_token_file_and_token(start_plane: StartPlane, tmp_path: Path) -> None:
    file = tmp_path / "tokens.csv"
    file.write_text('admintoken,admin,admin-uid,"system:masters"\nusertoken,alice,alice-uid,"dev,ops"\n')
    plane = start_plane("--nodes", "0", "--no-controllers", "--token-auth-file", str(file))
    assert plane.kubectl("auth whoami -o jsonpath={.status.userInfo.username}").stdout == "admin"
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    status, answer = plane.request("POST", path, review, token="usertoken")
    assert status == 201
    assert answer["status"]["userInfo"]["groups"] == ["dev", "ops", "system:authenticated"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_everything_within_two_seconds(start_plane: StartPlane, number: signal.Signals) -> None:
    plane = start_plane("--nodes", "1")
    started = children(plane.process.pid)
    assert len(started) == 2
    watch = subprocess.Popen(
        [*_kubectl(plane), "get", "pods", "--watch"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    time.sleep(0.3)  # a watch that is open must not hold up the end
    began = time.monotonic()
    plane.process.send_signal(number)
    assert plane.process.wait(5) == 0
    assert time.monotonic() - began < 2.0
    assert not any(alive(pid) for pid in started)
    watch.kill()
    watch.wait()


def _kubectl(plane: Plane) -> list[str]:
    from tests.plane import KUBECTL

    return [KUBECTL, "--kubeconfig", str(plane.kubeconfig)]


def test_kill_9_leaves_no_orphans(start_plane: StartPlane) -> None:
    plane = start_plane("--nodes", "1")
    started = children(plane.process.pid)
    plane.process.kill()
    plane.process.wait()
    wait_until(lambda: not any(alive(pid) for pid in started), 3.0)


def test_a_crashed_child_is_started_again(start_plane: StartPlane, capfd: pytest.CaptureFixture[str]) -> None:
    plane = start_plane("--nodes", "1", "--no-controllers")
    (kubelet,) = children(plane.process.pid)
    os.kill(kubelet, signal.SIGKILL)
    wait_until(lambda: bool(children(plane.process.pid) - {kubelet}))
    assert "kubelet ended with signal 9; starting it again in 0.5 s" in capfd.readouterr().err
