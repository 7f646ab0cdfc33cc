"""Admission of certificate signing requests: who may approve and sign, and whom certificates may name."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from apiserver import errors
from apiserver.admission import Plugin
from apiserver.auth.authorization import MASTERS, Attributes
from apiserver.kinds.kind import Context, Kind, Object

if TYPE_CHECKING:
    from apiserver.request import Request

GROUP = "certificates.k8s.io"
RESOURCE = f"certificatesigningrequests.{GROUP}"
CLIENT_SIGNER = "kubernetes.io/kube-apiserver-client"


def may(request: Request, verb: str, signer: str) -> bool:
    """Whether the user may do this for a signer, or for all signers of its domain."""
    names = (signer, f"{signer.partition('/')[0]}/*")
    authorizer = request.server.authorizer
    return any(authorizer.allowed(request.user, Attributes(verb, GROUP, "signers", name=name)) for name in names)


def must(request: Request, verb: str, kind: Kind, live: Object) -> None:
    """Raises 403 for a user who may not do this with the request of a certificate."""
    signer = live["spec"].get("signerName", "")
    if not may(request, verb, signer):
        why = f'user not permitted to {verb} requests with signerName "{signer}"'
        raise errors.forbidden_object(kind, live["metadata"]["name"], why)


class CertificateApproval(Plugin):
    """Approval needs the permission to approve for the signer."""

    name = "CertificateApproval"
    resources = frozenset({RESOURCE})

    async def validate(self, request: Request, kind: Kind, obj: Object, old: Object | None, context: Context) -> None:
        if kind.resource != RESOURCE or context.subresource != "approval" or old is None:
            return
        must(request, "approve", kind, old)


class CertificateSigning(Plugin):
    """Whoever writes a certificate or conditions needs the permission to sign for the signer."""

    name = "CertificateSigning"
    resources = frozenset({RESOURCE})

    async def validate(self, request: Request, kind: Kind, obj: Object, old: Object | None, context: Context) -> None:
        if kind.resource != RESOURCE or context.subresource != "status" or old is None:
            return
        new, before = obj.get("status") or {}, old.get("status") or {}
        if all((new.get(name) or None) == (before.get(name) or None) for name in ("certificate", "conditions")):
            return
        must(request, "sign", kind, old)


class CertificateSubjectRestriction(Plugin):
    """No client certificate makes its holder a member of system:masters."""

    name = "CertificateSubjectRestriction"
    resources = frozenset({RESOURCE})

    async def validate(self, request: Request, kind: Kind, obj: Object, old: Object | None, context: Context) -> None:
        if kind.resource != RESOURCE or old is not None or obj["spec"].get("signerName") != CLIENT_SIGNER:
            return
        name = obj["metadata"].get("name", "")
        try:
            groups = _organizations(base64.b64decode(obj["spec"].get("request") or ""))
        except ValueError as error:
            raise errors.forbidden_object(kind, name, f"failed to parse CSR: {error}") from None
        if MASTERS in groups:
            why = f"use of {CLIENT_SIGNER} signer with {MASTERS} group is not allowed"
            raise errors.forbidden_object(kind, name, why)


def _organizations(pem: bytes) -> list[str]:
    """The organizations of a PEM request's subject: the groups of the certificate's holder. Raises ValueError."""
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    subject = x509.load_pem_x509_csr(pem).subject
    return [str(one.value) for one in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]
