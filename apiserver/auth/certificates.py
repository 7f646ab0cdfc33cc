"""Client certificates as users: the common name is the name, organizations are groups (kube-apiserver's
`--client-ca-file`). The TLS layer has checked issuer, purpose and time when the connection was made."""

from __future__ import annotations

import time
from functools import lru_cache
from typing import TYPE_CHECKING

from apiserver.auth.authentication import AUTHENTICATED
from apiserver.kinds.kind import User

if TYPE_CHECKING:
    from cryptography import x509

UID_OID = "1.3.6.1.4.1.57683.2"
"""The subject attribute that carries a user's uid (KEP-5240)."""
CREDENTIAL = "authentication.kubernetes.io/credential-id"


def user_of(pem: str) -> User | None:
    """Whom a verified certificate stands for; None where it names nobody, or has expired since the connection was
    made."""
    user, expires = _read(pem)
    return user if time.time() < expires else None


@lru_cache(maxsize=1024)
def _read(pem: str) -> tuple[User | None, float]:
    """(the user, when the certificate expires)."""
    from cryptography import x509
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.x509.oid import NameOID

    certificate = x509.load_pem_x509_certificate(pem.encode())
    names = _values(certificate.subject, NameOID.COMMON_NAME)
    expires = certificate.not_valid_after_utc.timestamp()
    if not names or not names[-1]:
        return None, expires
    uids = _values(certificate.subject, x509.ObjectIdentifier(UID_OID))
    groups = (*_values(certificate.subject, NameOID.ORGANIZATION_NAME), AUTHENTICATED)
    extra = {CREDENTIAL: (f"X509SHA256={certificate.fingerprint(SHA256()).hex()}",)}
    return User(names[-1], uids[0] if uids else "", tuple(dict.fromkeys(groups)), extra), expires


def _values(name: x509.Name, oid: x509.ObjectIdentifier) -> list[str]:
    return [str(attribute.value) for attribute in name.get_attributes_for_oid(oid)]
