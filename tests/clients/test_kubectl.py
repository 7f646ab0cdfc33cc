"""kubectl: what it creates, patches, applies, watches, pages through and deletes."""

from __future__ import annotations

import json
import subprocess

from tests.plane import KUBECTL, Plane

MANIFEST = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: m}
data: {%s}
---
apiVersion: v1
kind: Service
metadata: {name: s}
spec: {selector: {app: s}, ports: [{port: 80, name: http}, {port: %d, name: other}]}
"""


def test_apply_both_ways(plane: Plane, namespace: str) -> None:
    first, second = MANIFEST % ("a: '1', b: '2'", 81), MANIFEST % ("a: '9'", 82)
    out = plane.kubectl("apply -f -", stdin=first, namespace=namespace).stdout
    assert out.splitlines() == ["configmap/m created", "service/s created"]
    out = plane.kubectl("apply -f -", stdin=first, namespace=namespace).stdout
    assert out.splitlines() == ["configmap/m unchanged", "service/s unchanged"]
    shown = plane.kubectl("diff -f -", stdin=second, namespace=namespace, check=False)
    assert shown.returncode == 1 and '-  b: "2"' in shown.stdout
    plane.kubectl("apply -f -", stdin=second, namespace=namespace)
    ports = plane.kubectl("get service s -o jsonpath={.spec.ports[*].port}", namespace=namespace).stdout
    assert ports == "80 82"
    plane.kubectl("apply --server-side -f -", stdin=second, namespace=namespace)
    found = json.loads(plane.kubectl("get configmap m -o json --show-managed-fields", namespace=namespace).stdout)
    assert found["data"] == {"a": "9"}
    assert {entry["operation"] for entry in found["metadata"]["managedFields"]} == {"Apply"}
    out = plane.kubectl("delete -f -", stdin=second, namespace=namespace).stdout
    assert out.count(" deleted") == 2


def test_patch_in_three_ways(plane: Plane, namespace: str) -> None:
    plane.kubectl("create deployment web --image=nginx", namespace=namespace)

    def patch(kind: str, body: object) -> None:
        words = ["patch", "deployment", "web", "--type", kind, "-p", json.dumps(body)]
        plane.kubectl(words, namespace=namespace)

    patch("strategic", {"spec": {"template": {"spec": {"containers": [{"name": "nginx", "tty": True}]}}}})
    patch("merge", {"spec": {"replicas": 2}})
    patch("json", [{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "nginx:2"}])
    out = plane.kubectl("get deployment web -o json", namespace=namespace).stdout
    spec = json.loads(out)["spec"]
    (container,) = spec["template"]["spec"]["containers"]
    assert (spec["replicas"], container["image"], container["tty"]) == (2, "nginx:2", True)


def test_pages_and_a_watch(plane: Plane, namespace: str) -> None:
    for number in range(5):
        plane.kubectl(f"create configmap m{number} --from-literal=k={number}", namespace=namespace)
    out = plane.kubectl("get configmaps --chunk-size=2 -o name", namespace=namespace).stdout
    assert out.split() == [f"configmap/m{number}" for number in range(5)]
    words = [KUBECTL, "--kubeconfig", str(plane.kubeconfig), "-n", namespace, "get", "configmap", "m0"]
    words += ["-w", "--output-watch-events", "--no-headers"]
    watching = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    assert watching.stdout is not None
    try:
        seen = [watching.stdout.readline().split()[0]]
        plane.kubectl("label configmap m0 x=y", namespace=namespace)
        seen.append(watching.stdout.readline().split()[0])
        plane.kubectl("delete configmap m0", namespace=namespace)
        seen.append(watching.stdout.readline().split()[0])
    finally:
        watching.kill()
        watching.wait()
        watching.stdout.close()
    assert seen == ["ADDED", "MODIFIED", "DELETED"]


def test_wait_ends_with_the_condition(plane: Plane, namespace: str) -> None:
    plane.kubectl("create configmap m", namespace=namespace)
    words = [KUBECTL, "--kubeconfig", str(plane.kubeconfig), "-n", namespace, "wait", "configmap/m"]
    waiting = subprocess.Popen([*words, "--for=jsonpath={.data.done}=yes", "--timeout=60s"], stdout=subprocess.PIPE)
    plane.kubectl(["patch", "configmap", "m", "-p", '{"data":{"done":"yes"}}'], namespace=namespace)
    out, _ = waiting.communicate(timeout=90)
    assert (waiting.returncode, out) == (0, b"configmap/m condition met\n")
