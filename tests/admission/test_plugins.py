"""Built-in admission plugins that look at other objects: classes, certificates, storage in use."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from apiserver.classadmission import merged_tolerations
from tests.plane import Plane

Register = Callable[..., Any]
MERGE = {"Content_Type": "application/merge-patch+json"}
STORAGE, CLASSES = "/apis/storage.k8s.io/v1/storageclasses", "/apis/node.k8s.io/v1/runtimeclasses"


def claim(name: str, **spec: Any) -> dict[str, Any]:
    wanted = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}, **spec}
    return {"metadata": {"name": name}, "spec": wanted}


def pod(name: str, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": "web"}], **spec}}


def storage_class(name: str, *, default: bool = False, **more: Any) -> dict[str, Any]:
    annotations = {"storageclass.kubernetes.io/is-default-class": str(default).lower()}
    return {"metadata": {"name": name, "annotations": annotations}, "provisioner": "example.com/x", **more}


def test_the_default_storage_class(plane: Plane, namespace: str, register: Register) -> None:
    path = f"/api/v1/namespaces/{namespace}/persistentvolumeclaims"
    assert "storageClassName" not in plane.request("POST", path, claim("none"))[1]["spec"]
    register(STORAGE, storage_class(f"{namespace}-other"))
    register(STORAGE, storage_class(f"{namespace}-default", default=True))
    assert plane.request("POST", path, claim("a"))[1]["spec"]["storageClassName"] == f"{namespace}-default"
    assert plane.request("POST", path, claim("b", storageClassName=""))[1]["spec"]["storageClassName"] == ""


def test_one_default_priority_class(plane: Plane, namespace: str, register: Register) -> None:
    path, first, second = "/apis/scheduling.k8s.io/v1/priorityclasses", f"{namespace}-first", f"{namespace}-second"
    register(path, {"metadata": {"name": first}, "value": 7, "globalDefault": True})
    register(path, {"metadata": {"name": second}, "value": 8})
    third = {"metadata": {"name": f"{namespace}-third"}, "value": 9, "globalDefault": True}
    why = f"PriorityClass {first} is already marked as default. Only one default can exist"
    status, answer = plane.request("POST", path, third)
    assert (status, answer["message"].partition("forbidden: ")[2]) == (403, why)
    assert plane.request("PATCH", f"{path}/{second}", {"globalDefault": True}, **MERGE)[0] == 403
    assert plane.request("PATCH", f"{path}/{first}", {"description": "still it"}, **MERGE)[0] == 200
    made = plane.request("POST", f"/api/v1/namespaces/{namespace}/pods", pod("p"))[1]["spec"]
    assert (made["priorityClassName"], made["priority"]) == (first, 7)


def test_claims_grow_when_their_class_lets_them(plane: Plane, namespace: str, register: Register) -> None:
    path = f"/api/v1/namespaces/{namespace}/persistentvolumeclaims"
    register(STORAGE, storage_class(f"{namespace}-fixed"))
    register(STORAGE, storage_class(f"{namespace}-grows", allowVolumeExpansion=True))
    for name in ("fixed", "grows"):
        body = claim(name, storageClassName=f"{namespace}-{name}", volumeName="v")
        assert plane.request("POST", path, body)[0] == 201
    bigger = {"spec": {"resources": {"requests": {"storage": "2Gi"}}}}
    bound = {"status": {"phase": "Bound", "capacity": {"storage": "1Gi"}}}
    for name in ("fixed", "grows"):
        assert plane.request("PATCH", f"{path}/{name}/status", bound, **MERGE)[0] == 200
    status, answer = plane.request("PATCH", f"{path}/fixed", bigger, **MERGE)
    assert (status, answer["message"]) == (
        403,
        'persistentvolumeclaims "fixed" is forbidden: only dynamically provisioned pvc can be resized and the '
        "storageclass that provisions the pvc must support resize",
    )
    assert plane.request("PATCH", f"{path}/grows", bigger, **MERGE)[0] == 200


def test_a_claim_in_use_stays(controlled_plane: Plane, namespace: str) -> None:
    plane, root = controlled_plane, f"/api/v1/namespaces/{namespace}"
    status, made = plane.request("POST", f"{root}/persistentvolumeclaims", claim("data"))
    assert (status, made["metadata"]["finalizers"]) == (201, ["kubernetes.io/pvc-protection"])
    volumes = [{"name": "d", "persistentVolumeClaim": {"claimName": "data"}}]
    assert plane.request("POST", f"{root}/pods", pod("user", nodeName="n", volumes=volumes))[0] == 201
    plane.eventually(f"{root}/pods/user", lambda found: True)
    assert plane.request("DELETE", f"{root}/persistentvolumeclaims/data")[0] == 200
    waiting = plane.get(f"{root}/persistentvolumeclaims/data")
    assert waiting["metadata"]["deletionTimestamp"]
    assert plane.request("DELETE", f"{root}/pods/user?gracePeriodSeconds=0")[0] == 200
    plane.eventually(f"{root}/persistentvolumeclaims", lambda found: not found["items"])


def test_a_volume_goes_when_it_is_not_bound(controlled_plane: Plane, namespace: str) -> None:
    plane, path = controlled_plane, "/api/v1/persistentvolumes"
    spec = {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/x"}}
    body = {"metadata": {"name": namespace}, "spec": {**spec, "storageClassName": namespace}}
    status, made = plane.request("POST", path, body)
    assert (status, made["metadata"]["finalizers"]) == (201, ["kubernetes.io/pv-protection"])
    assert plane.request("DELETE", f"{path}/{namespace}")[0] == 200
    plane.eventually(f"{path}?fieldSelector=metadata.name={namespace}", lambda found: not found["items"])


def test_runtime_classes(plane: Plane, namespace: str, register: Register) -> None:
    path = f"/api/v1/namespaces/{namespace}/pods"
    status, answer = plane.request("POST", path, pod("a", runtimeClassName="nosuch"))
    assert (status, answer["message"]) == (
        403,
        'pods "a" is forbidden: pod rejected: RuntimeClass "nosuch" not found',
    )
    toleration = {"key": "sandbox", "operator": "Exists"}
    body = {
        "metadata": {"name": namespace},
        "handler": "gvisor",
        "overhead": {"podFixed": {"cpu": "250m"}},
        "scheduling": {"nodeSelector": {"sandbox": "yes"}, "tolerations": [toleration]},
    }
    register(CLASSES, body)
    status, made = plane.request("POST", path, pod("b", runtimeClassName=namespace))
    assert status == 201, made
    assert (made["spec"]["overhead"], made["spec"]["nodeSelector"]) == ({"cpu": "250m"}, {"sandbox": "yes"})
    assert toleration in made["spec"]["tolerations"]
    status, answer = plane.request("POST", path, pod("c", overhead={"cpu": "1"}))
    assert answer["message"].endswith("Pod Overhead set without corresponding RuntimeClass defined Overhead")
    status, answer = plane.request("POST", path, pod("d", runtimeClassName=namespace, nodeSelector={"sandbox": "no"}))
    assert answer["message"].endswith(
        "conflict: runtimeClass.scheduling.nodeSelector[sandbox] = yes; pod.spec.nodeSelector[sandbox] = no"
    )


def test_the_default_ingress_class(plane: Plane, namespace: str, register: Register) -> None:
    classes, path = (
        "/apis/networking.k8s.io/v1/ingressclasses",
        f"/apis/networking.k8s.io/v1/namespaces/{namespace}/ingresses",
    )
    annotations = {"ingressclass.kubernetes.io/is-default-class": "true"}
    backend = {"defaultBackend": {"service": {"name": "web", "port": {"number": 80}}}}
    spec = {"controller": "example.com/x"}
    register(classes, {"metadata": {"name": namespace, "annotations": annotations}, "spec": spec})
    status, made = plane.request("POST", path, {"metadata": {"name": "a"}, "spec": backend})
    assert (status, made["spec"]["ingressClassName"]) == (201, namespace)
    register(classes, {"metadata": {"name": f"{namespace}-2", "annotations": annotations}, "spec": spec})
    status, answer = plane.request("POST", path, {"metadata": {"name": "b"}, "spec": backend})
    assert (status, answer["message"]) == (
        403,
        'ingresses.networking.k8s.io "b" is forbidden: Internal error occurred: 2 default IngressClasses were found, '
        "only 1 allowed",
    )


def test_a_bound_pod_has_its_nodes_zone(plane: Plane, namespace: str, register: Register) -> None:
    zone = {"topology.kubernetes.io/zone": "z1"}
    register("/api/v1/nodes", {"metadata": {"name": namespace, "labels": {**zone, "other": "x"}}})
    path = f"/api/v1/namespaces/{namespace}/pods"
    assert plane.request("POST", path, pod("a"))[0] == 201
    binding = {"metadata": {"name": "a"}, "target": {"kind": "Node", "name": namespace}}
    assert plane.request("POST", f"{path}/a/binding", binding)[0] == 201
    assert plane.get(f"{path}/a")["metadata"]["labels"] == zone


def signing_request(organization: str) -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization)])
    made = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    return base64.b64encode(made.public_bytes(serialization.Encoding.PEM)).decode()


def test_no_certificate_for_masters(plane: Plane, register: Register) -> None:
    path = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
    signer = "kubernetes.io/kube-apiserver-client"
    spec = {"request": signing_request("system:masters"), "signerName": signer, "usages": ["client auth"]}
    status, answer = plane.request("POST", path, {"metadata": {"name": "m"}, "spec": spec})
    assert (status, answer["message"]) == (
        403,
        'certificatesigningrequests.certificates.k8s.io "m" is forbidden: use of kubernetes.io/kube-apiserver-client '
        "signer with system:masters group is not allowed",
    )
    register(path, {"metadata": {"name": "dev"}, "spec": {**spec, "request": signing_request("dev")}})


def test_approval_needs_a_permission_for_the_signer(plane: Plane, register: Register) -> None:
    path = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
    signer = "example.com/x"
    spec = {"request": signing_request("dev"), "signerName": signer, "usages": ["client auth"]}
    register(path, {"metadata": {"name": "ask"}, "spec": spec})
    roles = "/apis/rbac.authorization.k8s.io/v1/clusterroles"
    rule = {"apiGroups": ["certificates.k8s.io"], "resources": ["certificatesigningrequests/approval"], "verbs": ["*"]}
    register(roles, {"metadata": {"name": "approver"}, "rules": [rule]})
    subject = {"kind": "User", "name": "ann", "apiGroup": "rbac.authorization.k8s.io"}
    reference = {"kind": "ClusterRole", "name": "approver", "apiGroup": "rbac.authorization.k8s.io"}
    register(
        "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
        {
            "metadata": {"name": "approver"},
            "subjects": [subject],
            "roleRef": reference,
        },
    )
    condition = {"type": "Approved", "status": "True", "reason": "r", "message": "m"}
    patch = {"status": {"conditions": [condition]}}
    status, answer = plane.request("PATCH", f"{path}/ask/approval", patch, Impersonate_User="ann", **MERGE)
    assert (status, answer["message"]) == (
        403,
        'certificatesigningrequests.certificates.k8s.io "ask" is forbidden: user not permitted to approve requests '
        'with signerName "example.com/x"',
    )
    assert plane.request("PATCH", f"{path}/ask/approval", patch, **MERGE)[0] == 200


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [
        ([{"key": "a", "operator": "Exists"}], [{"key": "a", "value": "1"}], [{"key": "a", "operator": "Exists"}]),
        ([{"key": "a", "value": "1"}], [{"operator": "Exists"}], [{"operator": "Exists"}]),
        ([{"key": "a", "value": "1"}], [{"key": "a", "value": "1"}], [{"key": "a", "value": "1"}]),
        (
            [{"key": "a", "effect": "NoSchedule"}],
            [{"key": "a", "effect": "NoExecute"}],
            [{"key": "a", "effect": "NoSchedule"}, {"key": "a", "effect": "NoExecute"}],
        ),
    ],
)
def test_tolerations_that_others_cover_go(first: list[Any], second: list[Any], kept: list[Any]) -> None:
    assert merged_tolerations(first, second) == kept
