"""Approved CertificateSigningRequests get their certificate, from the signers that Kubernetes has built in.

Source of the rules: the reference of certificates.k8s.io, "Kubernetes signers".
"""

from __future__ import annotations

import base64
import datetime
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from controllers.controller import Controller, Loop, own_key
from miniplane.apimachinery import pki
from miniplane.client.api import Object
from miniplane.client.resources import CERTIFICATE_SIGNING_REQUESTS

if TYPE_CHECKING:
    from cryptography import x509

NODES, NODE_PREFIX = "system:nodes", "system:node:"
LONGEST, SHORTEST = datetime.timedelta(days=365), datetime.timedelta(minutes=10)
"""A request may ask for less than the one and gets no less than the other."""
OPTIONAL = frozenset({"digital signature", "key encipherment"})
Rule = Callable[["x509.CertificateSigningRequest"], str]


@dataclass(slots=True, frozen=True)
class Signer:
    """What a signer demands: the usage that its certificates are for, and a rule on subject and names, which answers
    what is wrong."""

    usage: str
    rule: Rule = lambda _: ""


def _subject(request: x509.CertificateSigningRequest) -> tuple[list[str], str]:
    """(organizations, common name)."""
    from cryptography.x509.oid import NameOID

    organizations = request.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    names = request.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return [str(one.value) for one in organizations], str(names[-1].value) if names else ""


def common_name(request: x509.CertificateSigningRequest) -> str:
    """Whom the certificate is for."""
    return _subject(request)[1]


def alternative_names(request: x509.CertificateSigningRequest) -> x509.SubjectAlternativeName | None:
    """The names beside the subject that a request asks for."""
    from cryptography import x509

    try:
        return request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return None


def _node(request: x509.CertificateSigningRequest) -> str:
    organizations, name = _subject(request)
    if organizations != [NODES]:
        return f"subject organization is not {NODES}"
    return "" if name.startswith(NODE_PREFIX) else f"subject common name does not begin with {NODE_PREFIX}"


def _kubelet_client(request: x509.CertificateSigningRequest) -> str:
    return _node(request) or ("subject alternative names are not allowed" if alternative_names(request) else "")


def _kubelet_serving(request: x509.CertificateSigningRequest) -> str:
    return _node(request) or ("" if alternative_names(request) else "DNS or IP subjectAltName is required")


SIGNERS = {
    "kubernetes.io/kube-apiserver-client": Signer("client auth"),
    "kubernetes.io/kube-apiserver-client-kubelet": Signer("client auth", _kubelet_client),
    "kubernetes.io/kubelet-serving": Signer("server auth", _kubelet_serving),
}


def fault(signer: Signer, usages: Iterable[str], request: x509.CertificateSigningRequest) -> str:
    """Why the signer does not sign, "" where it does."""
    for usage in usages:
        if usage != signer.usage and usage not in OPTIONAL:
            return f"invalid usage for client certificate: {usage}"
    if signer.usage not in usages:
        return f"missing required usage for client certificate: {signer.usage}"
    return signer.rule(request)


def is_due(obj: Object) -> bool:
    """Whether a request is approved and still without an answer."""
    status = obj.get("status") or {}
    conditions = {one.get("type") for one in status.get("conditions") or ()}
    return "Approved" in conditions and not conditions & {"Denied", "Failed"} and not status.get("certificate")


def signed(authority: pki.Authority, spec: Object, request: x509.CertificateSigningRequest) -> bytes:
    """The certificate in PEM."""
    asked = spec.get("expirationSeconds")
    wanted = LONGEST if asked is None else datetime.timedelta(seconds=asked)
    left = authority.certificate.not_valid_after_utc - datetime.datetime.now(datetime.UTC)
    lifetime = min(max(wanted, SHORTEST), LONGEST, left)
    usages = [usage.replace(" ", "_") for usage in spec["usages"]]
    certificate = authority.issue(
        request.subject,
        request.public_key(),
        lifetime,
        [usage for usage in usages if usage.endswith("_auth")],
        usage=pki.key_usage(*usages),
        names=alternative_names(request),
    )
    return pki.certificate_pem(certificate)


def _answer(authority: pki.Authority, obj: Object) -> Object | None:
    """The status with a certificate or with what is wrong; None for signers that are somebody else's."""
    from cryptography import x509

    spec, status = obj["spec"], obj.get("status") or {}
    signer = SIGNERS.get(spec.get("signerName", ""))
    if signer is None:
        return None
    request = x509.load_pem_x509_csr(base64.b64decode(spec["request"]))
    why = fault(signer, spec.get("usages") or (), request)
    if not why:
        return {**status, "certificate": base64.b64encode(signed(authority, spec, request)).decode()}
    failed = {"type": "Failed", "status": "True", "reason": "SignerValidationFailure", "message": why}
    return {**status, "conditions": [*(status.get("conditions") or ()), failed]}


def controller(certificate_file: str, key_file: str) -> Controller:
    """The signing controller over a certificate authority's files, which are read when the first request is due."""
    authorities: list[pki.Authority] = []

    async def reconcile(loop: Loop, key: str) -> None:
        obj = loop[CERTIFICATE_SIGNING_REQUESTS].get(key)
        if obj is None or not is_due(obj):
            return
        if not authorities:
            files = Path(key_file).read_bytes(), Path(certificate_file).read_bytes()
            authorities.append(pki.Authority.load(*files))
        status = _answer(authorities[0], obj)
        if status is not None:
            await loop.update(CERTIFICATE_SIGNING_REQUESTS, {**obj, "status": status}, "status")

    watches = {CERTIFICATE_SIGNING_REQUESTS: own_key}
    return Controller("certificatesigningrequest-signing", watches, reconcile, component="certificate-controller")
