"""The tutorial of samples/README.md, step by step, with the real kubectl. The tests build on each other, in order."""

from __future__ import annotations

import ipaddress
import json
import shutil
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.plane import KUBECTL, Plane

SAMPLES = Path(__file__).parents[2] / "samples"
ENDPOINTS = "/api/v1/namespaces/default/endpoints/myapp"
SLICES = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices?labelSelector=kubernetes.io/service-name=myapp"
SOON = 2.0
"""Seconds within which a change of a pod is to show in Endpoints; they take milliseconds on an idle machine."""
Object = dict[str, Any]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Plane]:
    """A plane of the tutorial's own: namespace default is as a fresh one has it."""
    plane = Plane.start("--nodes", "2")
    yield plane
    plane.stop()
    shutil.rmtree(plane.directory, ignore_errors=True)


def lines(plane: Plane, words: str) -> list[list[str]]:
    """kubectl's table as words."""
    return [line.split() for line in plane.kubectl(words).stdout.splitlines()]


def described(plane: Plane, words: str) -> dict[str, str]:
    """The `Key: value` lines of kubectl describe."""
    output = plane.kubectl(f"describe {words}").stdout
    pairs = (line.partition(":") for line in output.splitlines() if line and not line.startswith(" "))
    return {key: value.strip() for key, _, value in pairs}


def ready_addresses(endpoints: Object) -> set[str]:
    return {a["ip"] for subset in endpoints.get("subsets") or () for a in subset.get("addresses") or ()}


def eventually_ready(plane: Plane, holds: Callable[[set[str]], bool]) -> set[str]:
    """The ready addresses of Service myapp, which Endpoints and EndpointSlices are to agree on."""
    found = plane.eventually(ENDPOINTS, lambda obj: holds(ready_addresses(obj)), SOON)

    def agrees(listed: Object) -> bool:
        shown = [e for item in listed["items"] for e in item["endpoints"] or () if e["conditions"]["ready"]]
        return {address for endpoint in shown for address in endpoint["addresses"]} == ready_addresses(found)

    plane.eventually(SLICES, agrees, SOON)
    return ready_addresses(found)


def pod_address(plane: Plane, name: str) -> str:
    pod = plane.eventually(f"/api/v1/namespaces/default/pods/{name}", lambda obj: bool(obj["status"].get("podIP")))
    return str(pod["status"]["podIP"])


def test_redis(cluster: Plane) -> None:
    assert cluster.kubectl(f"apply -f {SAMPLES}/redis-svc.yaml").stdout == "service/redis created\n"
    assert cluster.kubectl(f"apply -f {SAMPLES}/redis-svc.yaml").stdout == "service/redis unchanged\n"
    table = lines(cluster, "get svc")
    assert table[0] == ["NAME", "TYPE", "CLUSTER-IP", "EXTERNAL-IP", "PORT(S)", "AGE"]
    assert ["kubernetes", "ClusterIP", "10.96.0.1", "<none>", "443/TCP"] in [row[:5] for row in table]
    assert ["redis", "ClusterIP", "10.97.97.97", "<none>", "6379/TCP"] in [row[:5] for row in table]
    shown = described(cluster, "svc redis")
    assert shown["Selector"] == "app=redis,role=logstor"
    assert shown["Endpoints"] in ("", "<none>")
    assert shown["Session Affinity"] == "None"


def test_explain(cluster: Plane) -> None:
    assert "KIND:       Service\nVERSION:    v1\n" in cluster.kubectl("explain svc").stdout
    text = cluster.kubectl("explain svc.spec.sessionAffinity").stdout
    assert "FIELD: sessionAffinity <string>" in text
    assert "ClientIP" in text


def test_five_pods_on_two_nodes(cluster: Plane) -> None:
    cluster.kubectl(f"apply -f {SAMPLES}/myapp-pods.yaml")
    cluster.kubectl("wait --for=condition=Ready pod -l app=myapp --timeout=20s")
    table = lines(cluster, "get pods -o wide --show-labels")
    assert [row[0] for row in table[1:]] == [f"myapp-{n}" for n in range(1, 6)]
    nodes = [row[6] for row in table[1:]]
    assert sorted(map(nodes.count, set(nodes))) == [2, 3]
    for row in table[1:]:
        network = f"10.244.{int(row[6][-2:])}.0/24"
        assert ipaddress.ip_address(row[5]) in ipaddress.ip_network(network)
        assert row[-1] == "app=myapp,release=canary"


def test_node_port(cluster: Plane) -> None:
    cluster.kubectl(f"apply -f {SAMPLES}/myapp-svc.yaml")
    eventually_ready(cluster, lambda found: len(found) == 5)
    shown = described(cluster, "svc myapp")
    assert shown["Type"] == "NodePort"
    assert shown["NodePort"].split() == ["<unset>", "30080/TCP"]
    first, more = shown["Endpoints"].split(",")[0], shown["Endpoints"].endswith(" + 2 more...")
    assert more
    assert first.endswith(":80")
    assert ["myapp", "NodePort", "10.99.99.99", "<none>", "80:30080/TCP"] in [r[:5] for r in lines(cluster, "get svc")]


def test_pods_come_and_go(cluster: Plane) -> None:
    cluster.kubectl("run myapp-6 --image=ikubernetes/myapp:v1 --labels=app=myapp,release=canary")
    address = pod_address(cluster, "myapp-6")
    assert len(eventually_ready(cluster, lambda found: address in found)) == 6
    cluster.kubectl("delete pod myapp-6 --wait=false")
    assert len(eventually_ready(cluster, lambda found: address not in found)) == 5


def test_an_unready_pod_leaves(cluster: Plane) -> None:
    address = pod_address(cluster, "myapp-1")
    cluster.kubectl("annotate pod myapp-1 kubelet.miniplane.dev/ready=false")
    eventually_ready(cluster, lambda found: address not in found)
    not_ready = cluster.get(ENDPOINTS)["subsets"][0]["notReadyAddresses"]
    assert [entry["targetRef"]["name"] for entry in not_ready] == ["myapp-1"]
    cluster.kubectl("annotate pod myapp-1 kubelet.miniplane.dev/ready-")
    eventually_ready(cluster, lambda found: address in found)


def test_apply_configures(cluster: Plane) -> None:
    changed = (
        (SAMPLES / "myapp-svc.yaml")
        .read_text()
        .replace("type: NodePort", "type: NodePort\n  sessionAffinity: ClientIP")
    )
    assert cluster.kubectl("apply -f -", stdin=changed).stdout == "service/myapp configured\n"
    spec = cluster.get("/api/v1/namespaces/default/services/myapp")["spec"]
    assert spec["sessionAffinityConfig"] == {"clientIP": {"timeoutSeconds": 10800}}


def test_patch_session_affinity(cluster: Plane) -> None:
    refused = cluster.kubectl(["patch", "svc", "myapp", "-p", '{"spec":{"sessionAffinity":"ClusterIP"}}'], check=False)
    assert refused.returncode == 1
    assert refused.stderr == (
        'The Service "myapp" is invalid: spec.sessionAffinity: Unsupported value: "ClusterIP": '
        'supported values: "ClientIP", "None"\n'
    )
    accepted = cluster.kubectl(["patch", "svc", "myapp", "-p", '{"spec":{"sessionAffinity":"None"}}'])
    assert accepted.stdout == "service/myapp patched\n"


def test_other_types(cluster: Plane) -> None:
    for name in ("myapp-headless-svc", "loadbalancer-svc", "externalname-svc"):
        cluster.kubectl(f"apply -f {SAMPLES}/{name}.yaml")
    table = {row[0]: row[1:5] for row in lines(cluster, "get svc")}
    assert table["myapp-headless"] == ["ClusterIP", "None", "<none>", "80/TCP"]
    assert table["db"] == ["ExternalName", "<none>", "db.example.com", "<none>"]
    assert table["myapp-lb"][0::2] == ["LoadBalancer", "<pending>"]
    patch = '{"status":{"loadBalancer":{"ingress":[{"ip":"192.0.2.10"}]}}}'
    cluster.kubectl(["patch", "svc", "myapp-lb", "--subresource=status", "--type=merge", "-p", patch])
    assert lines(cluster, "get svc myapp-lb")[1][3] == "192.0.2.10"
    headless = "/api/v1/namespaces/default/endpoints/myapp-headless"
    cluster.eventually(headless, lambda obj: len(ready_addresses(obj)) == 5)


def test_a_port_is_missing(cluster: Plane) -> None:
    done = cluster.kubectl(f"apply -f {SAMPLES}/invalid/port-missing-svc.yaml", check=False)
    assert done.returncode == 1
    assert done.stderr == (
        'The Service "redis-broken" is invalid: \n'
        "* spec.ports[0].name: Required value\n"
        "* spec.ports[1].name: Required value\n"
        "* spec.ports[1].port: Invalid value: 0: must be between 1 and 65535, inclusive\n"
    )


def test_all_samples_apply_cleanly(cluster: Plane) -> None:
    done = cluster.kubectl(f"apply -f {SAMPLES}")
    assert done.stderr == ""
    assert cluster.kubectl(f"diff -f {SAMPLES}").stdout == ""


def test_watch_streams_while_kubectl_changes_things(cluster: Plane) -> None:
    version = cluster.get("/api/v1/services")["metadata"]["resourceVersion"]
    seen: list[tuple[str, str]] = []
    with _open_watch(cluster, f"/api/v1/services?watch=1&resourceVersion={version}") as stream:
        cluster.kubectl("create service clusterip fleeting --tcp=80")
        cluster.kubectl("label svc fleeting a=b")
        cluster.kubectl("delete svc fleeting")
        for line in stream:
            event = json.loads(line)
            seen.append((event["type"], event["object"]["metadata"]["name"]))
            if len(seen) == 3:
                break
    assert seen == [("ADDED", "fleeting"), ("MODIFIED", "fleeting"), ("DELETED", "fleeting")]


def _open_watch(plane: Plane, path: str) -> Any:
    context: ssl.SSLContext = plane.tls
    request = urllib.request.Request(plane.url + path, headers={"Authorization": f"Bearer {plane.token}"})
    return urllib.request.urlopen(request, context=context, timeout=10)


def test_kubectl_watch_shows_changes(cluster: Plane) -> None:
    argv = [KUBECTL, "--kubeconfig", str(cluster.kubeconfig), "get", "svc", "redis", "-w", "--no-headers"]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        assert process.stdout.readline().split()[0] == "redis"
        time.sleep(0.2)
        cluster.kubectl("label svc redis seen=yes")
        assert process.stdout.readline().split()[0] == "redis"
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
