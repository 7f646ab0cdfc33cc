"""Certificate signing requests: approved with kubectl, signed by the controller, good for authentication."""

from __future__ import annotations

import base64
import ssl
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from miniplane.apimachinery import pki
from tests.plane import Plane

COLLECTION = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
CLIENT = "kubernetes.io/kube-apiserver-client"
CLIENT_USAGES = ["client auth", "digital signature"]


@pytest.fixture
def name(namespace: str) -> str:
    """Requests are cluster-scoped: a name of the test's own."""
    return namespace


def ask(
    plane: Plane,
    name: str,
    signer: str,
    usages: list[str],
    *groups: str,
    user: str = "carol",
    acting: str = "",
    **spec: Any,
) -> Any:
    """Create a request for `user`, as `acting`; the key that it is for."""
    key = pki.new_key()
    request = x509.CertificateSigningRequestBuilder(pki.subject(user, groups)).sign(key, hashes.SHA256())
    encoded = base64.b64encode(request.public_bytes(Encoding.PEM)).decode()
    body = {"metadata": {"name": name}, "spec": {"request": encoded, "signerName": signer, "usages": usages, **spec}}
    status, answer = plane.request("POST", COLLECTION, body, **({"Impersonate_User": acting} if acting else {}))
    assert status == 201, answer
    return key


def approved(plane: Plane, name: str) -> Any:
    """The request's status once the controller has answered."""
    plane.kubectl(["certificate", "approve", name])

    def answered(found: Any) -> bool:
        kinds = {one["type"] for one in found["status"].get("conditions", ())}
        return "certificate" in found["status"] or "Failed" in kinds

    return plane.eventually(f"{COLLECTION}/{name}", answered)["status"]


def test_a_signed_certificate_authenticates(controlled_plane: Plane, name: str, tmp_path: Path) -> None:
    plane = controlled_plane
    key = ask(plane, name, CLIENT, CLIENT_USAGES, "dev", expirationSeconds=3600)
    pem = base64.b64decode(approved(plane, name)["certificate"])
    certificate = x509.load_pem_x509_certificate(pem)
    lifetime = certificate.not_valid_after_utc - certificate.not_valid_before_utc - pki.EARLIER
    assert round(lifetime.total_seconds()) == 3600
    (tmp_path / "client.pem").write_bytes(pem + pki.key_pem(key))
    context = ssl.create_default_context(cafile=str(plane.directory / "pki" / "ca.crt"))
    context.load_cert_chain(tmp_path / "client.pem")
    reviews = f"{plane.url}/apis/authentication.k8s.io/v1/selfsubjectreviews"
    user = httpx.post(reviews, json={}, verify=context).json()["status"]["userInfo"]
    assert (user["username"], user["groups"]) == ("carol", ["dev", "system:authenticated"])
    assert "Approved,Issued" in plane.kubectl(["get", "csr", name]).stdout


@pytest.mark.parametrize(
    ("signer", "usages", "user", "groups", "why"),
    [
        (CLIENT, ["server auth"], "carol", (), "invalid usage for client certificate: server auth"),
        (CLIENT, ["digital signature"], "carol", (), "missing required usage for client certificate: client auth"),
        (f"{CLIENT}-kubelet", CLIENT_USAGES, "system:node:n", (), "subject organization is not system:nodes"),
        (
            f"{CLIENT}-kubelet",
            CLIENT_USAGES,
            "n",
            ("system:nodes",),
            "subject common name does not begin with system:node:",
        ),
        (
            "kubernetes.io/kubelet-serving",
            ["server auth"],
            "system:node:n",
            ("system:nodes",),
            "DNS or IP subjectAltName is required",
        ),
    ],
)
def test_what_a_signer_refuses(
    controlled_plane: Plane, name: str, signer: str, usages: list[str], user: str, groups: tuple[str, ...], why: str
) -> None:
    ask(controlled_plane, name, signer, usages, *groups, user=user)
    found = approved(controlled_plane, name)
    (failed,) = [one for one in found["conditions"] if one["type"] == "Failed"]
    assert (failed["reason"], failed["message"]) == ("SignerValidationFailure", why)
    assert "certificate" not in found


def test_a_denied_request_stays_unsigned(controlled_plane: Plane, name: str) -> None:
    plane = controlled_plane
    ask(plane, name, CLIENT, CLIENT_USAGES)
    plane.kubectl(["certificate", "deny", name])
    other = f"{name}-later"
    ask(plane, other, CLIENT, CLIENT_USAGES)
    approved(plane, other)
    assert "certificate" not in plane.get(f"{COLLECTION}/{name}")["status"]


KUBELET, KUBELET_USAGES = f"{CLIENT}-kubelet", ["client auth", "digital signature", "key encipherment"]


@pytest.mark.parametrize(
    ("own", "message"),
    [
        (True, "Auto approving self kubelet client certificate after SubjectAccessReview."),
        (False, "Auto approving kubelet client certificate after SubjectAccessReview."),
    ],
)
def test_kubelets_may_be_allowed_to_have_what_they_ask_for(
    controlled_plane: Plane, name: str, message: str, *, own: bool
) -> None:
    plane, node = controlled_plane, f"system:node:{name}"
    user = node if own else f"{name}-bootstrap"
    role = "system:certificates.k8s.io:certificatesigningrequests:" + ("selfnodeclient" if own else "nodeclient")
    bind(plane, f"{name}-ask", "system:node-bootstrapper", user)
    ask(plane, name, KUBELET, KUBELET_USAGES, "system:nodes", user=node, acting=user)
    other = f"{name}-other"
    ask(plane, other, KUBELET, KUBELET_USAGES[1:], "system:nodes", user=node, acting=user)
    assert "conditions" not in plane.get(f"{COLLECTION}/{name}")["status"]  # nobody has allowed it
    bind(plane, f"{name}-have", role, user)
    status = plane.eventually(f"{COLLECTION}/{name}", lambda found: "certificate" in found["status"])["status"]
    (condition,) = status["conditions"]
    assert (condition["type"], condition["reason"], condition["message"]) == ("Approved", "AutoApproved", message)
    assert "conditions" not in plane.get(f"{COLLECTION}/{other}")["status"]  # these are not a kubelet's usages


def bind(plane: Plane, name: str, role: str, user: str) -> None:
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role}
    subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}
    body = {"metadata": {"name": name}, "roleRef": reference, "subjects": [subject]}
    path = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
    assert plane.request("POST", path, body)[0] == 201
