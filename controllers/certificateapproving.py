"""Kubelets get the client certificates that they ask for, where RBAC says that the one who asks may.

Source of the rules: the documentation of TLS bootstrapping, "Approval".
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import TYPE_CHECKING

from controllers.certificatesigning import SIGNERS, common_name
from controllers.controller import Controller, Loop, Retry, own_key
from miniplane.client import clock
from miniplane.client.api import Object
from miniplane.client.resources import CERTIFICATE_SIGNING_REQUESTS, SUBJECT_ACCESS_REVIEWS

if TYPE_CHECKING:
    from cryptography import x509

SIGNER = "kubernetes.io/kube-apiserver-client-kubelet"
USAGES = frozenset({"client auth", "digital signature"})
WITH_RSA = USAGES | {"key encipherment"}
OWN, ANY = "selfnodeclient", "nodeclient"
"""Which subresource of certificate requests one must be allowed to create: for the certificate of the node that asks,
or of any."""
MESSAGES = {
    OWN: "Auto approving self kubelet client certificate after SubjectAccessReview.",
    ANY: "Auto approving kubelet client certificate after SubjectAccessReview.",
}


def is_open(obj: Object) -> bool:
    """Whether a kubelet's request is still to be decided."""
    status = obj.get("status") or {}
    decided = {"Approved", "Denied"} & {one.get("type") for one in status.get("conditions") or ()}
    return obj["spec"].get("signerName") == SIGNER and not decided and not status.get("certificate")


def permissions(spec: Object, request: x509.CertificateSigningRequest) -> Iterator[str]:
    """The subresources of which one is enough; none where this is not what a kubelet asks for."""
    if frozenset(spec.get("usages") or ()) not in (USAGES, WITH_RSA) or SIGNERS[SIGNER].rule(request):
        return
    if spec.get("username") == common_name(request):
        yield OWN
    yield ANY


def review(spec: Object, subresource: str) -> Object:
    """The question whether the one who asks may have it."""
    attributes = {
        "group": CERTIFICATE_SIGNING_REQUESTS.group,
        "resource": CERTIFICATE_SIGNING_REQUESTS.plural,
        "verb": "create",
        "version": "*",
        "subresource": subresource,
    }
    asking = {"user": spec.get("username", ""), "uid": spec.get("uid", ""), "groups": spec.get("groups") or []}
    return {"metadata": {}, "spec": {**asking, "extra": spec.get("extra") or {}, "resourceAttributes": attributes}}


def approved(obj: Object, message: str) -> Object:
    """The request with the condition that approves it."""
    status = obj.get("status") or {}
    now = clock.text(clock.now())
    condition = {"type": "Approved", "status": "True", "reason": "AutoApproved", "message": message}
    condition |= {"lastUpdateTime": now, "lastTransitionTime": now}
    return {**obj, "status": {**status, "conditions": [*(status.get("conditions") or ()), condition]}}


async def reconcile(loop: Loop, key: str) -> None:
    """Raises Retry where nobody has allowed it yet."""
    from cryptography import x509

    obj = loop[CERTIFICATE_SIGNING_REQUESTS].get(key)
    if obj is None or not is_open(obj):
        return
    spec = obj["spec"]
    tried = list(permissions(spec, x509.load_pem_x509_csr(base64.b64decode(spec["request"]))))
    for subresource in tried:
        answer = await loop.client.create(SUBJECT_ACCESS_REVIEWS, review(spec, subresource))
        if answer["status"].get("allowed"):
            await loop.update(CERTIFICATE_SIGNING_REQUESTS, approved(obj, MESSAGES[subresource]), "approval")
            return
    if tried:
        raise Retry(f"recognized csr {key!r} as {tried} but subject access review was not approved")


CONTROLLER = Controller(
    "certificatesigningrequest-approving",
    {CERTIFICATE_SIGNING_REQUESTS: own_key},
    reconcile,
    component="certificate-controller",
    base_delay=0.2,
)
