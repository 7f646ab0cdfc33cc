"""The samples of docs/production.md: what they start exists, and an API server takes them."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import yaml

from tests.plane import Plane, command

StartPlane = Callable[..., Plane]
SAMPLES = Path(__file__).parents[2] / "samples" / "production"
ALONE = ("--nodes", "0", "--no-controllers")


def test_the_manifest_is_taken_without_warnings(plane: Plane) -> None:
    done = plane.kubectl(["apply", "--dry-run=server", "--validate=strict", "-f", str(SAMPLES / "kubernetes.yaml")])
    assert done.stdout.count("created (server dry run)") == 3
    assert done.stderr == ""


def test_replicas_are_started_with_options_that_there_are() -> None:
    known = subprocess.run(command("up", "--help"), capture_output=True, text=True, check=True).stdout
    for name in ("compose.yaml", "kubernetes.yaml"):
        (line,) = re.findall(r"exec miniplane up (.*?)\n\s*(?:volumes|env):", (SAMPLES / name).read_text(), re.DOTALL)
        options = set(re.findall(r"--[a-z-]+", line))
        assert "--database-url" in options
        assert {option for option in options if option not in known} == set()


def test_the_load_balancer_knows_every_replica() -> None:
    compose = yaml.safe_load((SAMPLES / "compose.yaml").read_text())
    replicas = {name for name in compose["services"] if name.startswith("apiserver-")}
    servers = re.findall(r"^ {4}server (\S+) \1:6443$", (SAMPLES / "haproxy.cfg").read_text(), re.MULTILINE)
    assert len(replicas) == 3 and set(servers) == replicas
    assert set(compose["services"]["loadbalancer"]["depends_on"]) == replicas


def test_a_kubeconfig_is_good_for_every_replica(
    start_plane: StartPlane, new_database: Callable[[], str], tmp_path: Path
) -> None:
    url, directories = new_database(), [tmp_path / "a", tmp_path / "b"]
    subprocess.run(command("credentials", "--data", str(directories[0])), check=True, capture_output=True)
    subprocess.run(["cp", "-r", str(directories[0]), str(directories[1])], check=True)
    one, other = (start_plane(*ALONE, "--database-url", url, directory=directory) for directory in directories)
    one.kubectl("create configmap shared --from-literal=a=b")
    found = other.kubectl(["--kubeconfig", str(one.kubeconfig), "--server", other.url, "get", "configmap", "shared"])
    assert "shared" in found.stdout
    one.kubectl("create serviceaccount robot")
    token = one.kubectl("create token robot").stdout.strip()
    other.eventually("/api/v1/namespaces/default/serviceaccounts/robot", bool)
    review = {"spec": {"token": token}}
    status, answer = other.request("POST", "/apis/authentication.k8s.io/v1/tokenreviews", review)
    assert (status, answer["status"]["user"]["username"]) == (201, "system:serviceaccount:default:robot")
