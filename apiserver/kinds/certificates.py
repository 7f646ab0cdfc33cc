"""certificates.k8s.io/v1: CertificateSigningRequest."""

from __future__ import annotations

from apiserver.kinds.kind import STATUS, Column, Kind, Object, Strategy, Subresource
from apiserver.kinds.workload_columns import at
from apiserver.table import AGE, human_duration


def _conditions(obj: Object) -> str:
    found = [item.get("type") for item in (obj.get("status") or {}).get("conditions") or ()]
    text = ",".join(name for name in ("Approved", "Denied", "Failed") if name in found) or "Pending"
    return text + (",Issued" if (obj.get("status") or {}).get("certificate") else "")


def _requested(obj: Object) -> str:
    seconds = (obj.get("spec") or {}).get("expirationSeconds")
    return human_duration(seconds) if seconds else "<none>"


KINDS: tuple[Kind, ...] = (
    Kind(
        "certificates.k8s.io",
        "v1",
        "CertificateSigningRequest",
        "certificatesigningrequests",
        False,
        Strategy(),
        short_names=("csr",),
        selectable_fields=("spec.signerName",),
        columns=(
            AGE,
            Column("SignerName", at("spec", "signerName", default="<none>")),
            Column("Requestor", at("spec", "username", default="")),
            Column("RequestedDuration", _requested),
            Column("Condition", _conditions),
        ),
        subresources=(Subresource("approval", STATUS), Subresource("status", STATUS)),
    ),
)
