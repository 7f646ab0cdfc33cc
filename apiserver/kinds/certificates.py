"""certificates.k8s.io/v1: CertificateSigningRequest."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping

from apiserver import validation as rules
from apiserver.field import FieldError, duplicate, forbidden, invalid, not_supported, required
from apiserver.kinds.kind import STATUS, Column, Context, Kind, Object, Strategy, Subresource
from apiserver.kinds.pods.checks import one_of
from apiserver.kinds.pods.internal import diff
from apiserver.kinds.workload_columns import at
from apiserver.table import AGE, human_duration

LEGACY_SIGNER = "kubernetes.io/legacy-unknown"
LEAST_SECONDS = 600
USAGES = (
    "any",
    "cert sign",
    "client auth",
    "code signing",
    "content commitment",
    "crl sign",
    "data encipherment",
    "decipher only",
    "digital signature",
    "email protection",
    "encipher only",
    "ipsec end system",
    "ipsec tunnel",
    "ipsec user",
    "key agreement",
    "key encipherment",
    "microsoft sgc",
    "netscape sgc",
    "ocsp signing",
    "s/mime",
    "server auth",
    "signing",
    "timestamping",
)
DECISIONS = ("Approved", "Denied")
LASTING = (*DECISIONS, "Failed")


class RequestStrategy(Strategy):
    """CertificateSigningRequest: who asks is written down by the server, what is asked for never changes."""

    def validate_name(self, name: str, prefix: bool = False) -> list[str]:
        return []

    def prepare_for_create(self, obj: Object, context: Context) -> None:
        spec, user = obj.setdefault("spec", {}), context.user
        for name in ("username", "uid", "groups", "extra"):
            spec.pop(name, None)
        extra = {key: list(values) for key, values in user.extra.items()}
        known = (("username", user.name), ("uid", user.uid), ("groups", list(user.groups)), ("extra", extra))
        spec.update({name: value for name, value in known if value})
        obj["status"] = {}

    def validate(self, obj: Object, context: Context) -> list[FieldError]:
        return _request(obj, {}) + _certificate(obj)

    def prepare_for_update(self, obj: Object, old: Object, context: Context) -> None:
        super().prepare_for_update(obj, old, context)
        obj["spec"] = old["spec"]

    def validate_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        return _request(obj, old) + _changes(obj, old)

    def prepare_for_status_update(self, obj: Object, old: Object, context: Context) -> None:
        """Decisions are the approval's; conditions get their times."""
        super().prepare_for_status_update(obj, old, context)
        status, before = obj.setdefault("status", {}), old.get("status") or {}
        kept = [item for item in before.get("conditions") or () if item.get("type") in DECISIONS]
        new = [item for item in status.get("conditions") or () if item.get("type") not in DECISIONS]
        _put_conditions(status, kept + new if kept or new else [], before, context)

    def field_values(self, obj: Object) -> Mapping[str, str]:
        return {"spec.signerName": (obj.get("spec") or {}).get("signerName", "")}

    def validate_status_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        changed = (obj.get("status") or {}).get("certificate") != (old.get("status") or {}).get("certificate")
        return _request(obj, old) + (_certificate(obj) if changed else []) + _changes(obj, old, certificate=True)


class ApprovalStrategy(RequestStrategy):
    """The subresource approval: conditions only."""

    def prepare_for_update(self, obj: Object, old: Object, context: Context) -> None:
        obj["spec"] = old["spec"]
        conditions = (obj.get("status") or {}).get("conditions") or []
        before = old.get("status") or {}
        obj["status"] = dict(before)
        _put_conditions(obj["status"], conditions, before, context)

    def validate_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        return _request(obj, old) + _changes(obj, old, decisions=True)


def _put_conditions(status: Object, conditions: list[Object], before: Object, context: Context) -> None:
    known = {item.get("type"): item for item in before.get("conditions") or ()}
    for item in conditions:
        if item.get("lastUpdateTime") is None:
            item["lastUpdateTime"] = context.now
        if item.get("lastTransitionTime") is None:
            old = known.get(item.get("type")) or {}
            same = old.get("status") == item.get("status") and old.get("lastTransitionTime")
            item["lastTransitionTime"] = same or context.now
    if conditions:
        status["conditions"] = conditions
    else:
        status.pop("conditions", None)


def _request(obj: Object, old: Object) -> list[FieldError]:
    """ValidateCertificateSigningRequest but for the certificate."""
    spec = obj.get("spec") or {}
    fault = _csr_fault(spec.get("request") or "")
    found = [invalid("spec.request", spec.get("request"), fault)] if fault else []
    usages, seconds = spec.get("usages") or [], spec.get("expirationSeconds")
    if not usages:
        found.append(required("spec.usages"))
    found += [
        not_supported(f"spec.usages[{n}]", usage, USAGES) for n, usage in enumerate(usages) if usage not in USAGES
    ]
    found += [duplicate(f"spec.usages[{n}]", usage) for n, usage in enumerate(usages) if usage in usages[:n]]
    found += _signer(spec.get("signerName", ""), "spec.signerName")
    if seconds is not None and seconds < LEAST_SECONDS:
        why = "may not specify a duration less than 600 seconds (10 minutes)"
        found.append(invalid("spec.expirationSeconds", seconds, why))
    return found + _condition_faults((obj.get("status") or {}).get("conditions") or [])


def _csr_fault(encoded: str) -> str:
    """What is wrong with a PKCS#10 request in PEM, "" where it is fine."""
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        text = base64.b64decode(encoded)
        if (
            b"-----BEGIN CERTIFICATE REQUEST-----" not in text
            and b"-----BEGIN NEW CERTIFICATE REQUEST-----" not in text
        ):
            return "PEM block type must be CERTIFICATE REQUEST"
        request = x509.load_pem_x509_csr(text)
        return "" if request.is_signature_valid else "x509: signature check failed"
    except (ValueError, binascii.Error, UnsupportedAlgorithm):
        return "asn1: structure error: malformed certificate request"


def _signer(name: str, path: str) -> list[FieldError]:
    """ValidateSignerName: `domain/path`, of at most 571 characters."""
    if name == LEGACY_SIGNER:
        return [invalid(path, name, "the legacy signerName is not allowed via this API version")]
    if not name:
        return [required(path)]
    domain, slash, rest = name.partition("/")
    if not slash or "/" in rest:
        return [invalid(path, name, "must be a fully qualified domain and path of the form 'example.com/signer-name'")]
    found = [invalid(path, domain, text) for text in rules.dns1123_subdomain(domain)]
    if len(domain.split(".")) < 2:
        found.append(invalid(path, domain, "should be a domain with at least two segments separated by dots"))
    if not rest:
        return [*found, invalid(path, name, "validation failed for path segment: must not be empty")]
    for part in rest.split("."):
        found += [invalid(path, rest, f'validating label "{part}": {text}') for text in rules.dns1123_label(part)]
    if len(name) > 571:
        found.append(FieldError("FieldValueTooLong", path, "Too long: may not be more than 571 bytes"))
    return found


def _condition_faults(conditions: list[Object]) -> list[FieldError]:
    found: list[FieldError] = []
    seen: list[str] = []
    for index, item in enumerate(conditions):
        path, kind = f"status.conditions[{index}]", item.get("type", "")
        if not kind:
            found.append(required(f"{path}.type"))
        allowed = ("True",) if kind in LASTING else ("False", "True", "Unknown")
        found += one_of(f"{path}.status", item.get("status"), allowed)
        if kind in DECISIONS and next(name for name in DECISIONS if name != kind) in seen:
            why = "Approved and Denied conditions are mutually exclusive"
            found.append(invalid(f"{path}.type", kind, why))
        if kind in seen:
            found.append(duplicate(f"{path}.type", kind))
        seen.append(kind)
    return found


def _certificate(obj: Object) -> list[FieldError]:
    """status.certificate: PEM blocks of certificates and nothing else between BEGIN and END."""
    from cryptography import x509

    encoded = (obj.get("status") or {}).get("certificate")
    if not encoded:
        return []
    path, hidden = "status.certificate", "<certificate data>"
    text = base64.b64decode(encoded)
    for line in text.splitlines():
        if line.startswith(b"-----BEGIN ") and line.strip() != b"-----BEGIN CERTIFICATE-----":
            kind = line.strip()[len(b"-----BEGIN ") : -len(b"-----")].decode(errors="replace")
            return [invalid(path, hidden, f'only CERTIFICATE PEM blocks are allowed, found "{kind}"')]
    if b"-----BEGIN CERTIFICATE-----" not in text:
        return [invalid(path, hidden, "must contain at least one CERTIFICATE PEM block")]
    try:
        x509.load_pem_x509_certificates(text)
    except ValueError:
        return [invalid(path, hidden, "x509: malformed certificate")]
    return []


def _of(obj: Object, kind: str) -> list[Object]:
    return [item for item in (obj.get("status") or {}).get("conditions") or () if item.get("type") == kind]


def _changes(obj: Object, old: Object, *, decisions: bool = False, certificate: bool = False) -> list[FieldError]:
    """What this way of updating may not change."""
    path, found = "status.conditions", []
    for kind in LASTING:
        if len(_of(obj, kind)) < len(_of(old, kind)):
            found.append(forbidden(path, f'updates may not remove a condition of type "{kind}"'))
    for kind in () if decisions else DECISIONS:
        new, before = _of(obj, kind), _of(old, kind)
        if len(new) > len(before):
            found.append(forbidden(path, f'updates may not add a condition of type "{kind}"'))
        elif len(new) == len(before) and new != before:
            why = f'updates may not modify a condition of type "{kind}"\n{diff(before, new)}'
            found.append(forbidden(path, why))
    issued, given = ((o.get("status") or {}).get("certificate") for o in (old, obj))
    if given != issued and not certificate:
        found.append(forbidden("status.certificate", "updates may not set certificate content"))
    elif given != issued and issued:
        found.append(forbidden("status.certificate", "updates may not modify existing certificate content"))
    return found


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
        RequestStrategy(),
        short_names=("csr",),
        selectable_fields=("spec.signerName",),
        columns=(
            AGE,
            Column("SignerName", at("spec", "signerName", default="<none>")),
            Column("Requestor", at("spec", "username", default="")),
            Column("RequestedDuration", _requested),
            Column("Condition", _conditions),
        ),
        subresources=(Subresource("approval", STATUS, strategy=ApprovalStrategy()), Subresource("status", STATUS)),
    ),
)
