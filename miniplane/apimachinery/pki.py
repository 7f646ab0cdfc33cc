"""X.509 certificates as Kubernetes uses them (RFC 5280): a name, organizations, and what the key may be used for.

`cryptography` is imported when the first certificate is made: a restart with good certificates does without.
"""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

EARLIER = datetime.timedelta(hours=1)
"""Certificates are valid from then on, for clocks that differ."""


def new_key() -> EllipticCurvePrivateKey:
    """A P-256 key."""
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.generate_private_key(ec.SECP256R1())


def key_pem(key: EllipticCurvePrivateKey) -> bytes:
    """The private key, PKCS 8 in PEM."""
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def certificate_pem(certificate: x509.Certificate) -> bytes:
    """The certificate in PEM."""
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.PEM)


def subject(name: str, organizations: Iterable[str] = ()) -> x509.Name:
    """A distinguished name; for a client the user's name and groups. Raises ValueError for more than 64 characters."""
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, text) for text in organizations]
    return x509.Name([*attributes, *([x509.NameAttribute(NameOID.COMMON_NAME, name)] if name else ())])


def names_of(names: Iterable[str]) -> x509.SubjectAlternativeName:
    """Host names and addresses that a server answers to."""
    from cryptography import x509

    def general(name: str) -> x509.GeneralName:
        try:
            return x509.IPAddress(ipaddress.ip_address(name))
        except ValueError:
            return x509.DNSName(name)

    return x509.SubjectAlternativeName([general(name) for name in names])


def key_usage(*allowed: str) -> x509.KeyUsage:
    """The KeyUsage extension with these bits set ("digital_signature", "key_cert_sign", ...)."""
    from cryptography import x509

    bits = (
        "digital_signature content_commitment key_encipherment data_encipherment key_agreement key_cert_sign crl_sign "
        "encipher_only decipher_only"
    ).split()
    return x509.KeyUsage(**{bit: bit in allowed for bit in bits})


@dataclass(slots=True, frozen=True)
class Authority:
    """A certificate authority: its key and certificate."""

    key: Any
    certificate: x509.Certificate

    @classmethod
    def load(cls, key: bytes, certificate: bytes) -> Authority:
        """From PEM. Raises ValueError for anything else."""
        from cryptography import x509
        from cryptography.hazmat.primitives import serialization

        loaded = serialization.load_pem_private_key(key, None)
        return cls(loaded, x509.load_pem_x509_certificate(certificate))

    @classmethod
    def new(cls, name: str, lifetime: datetime.timedelta) -> Authority:
        """One that vouches for itself."""
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes

        key = new_key()
        builder = _builder(subject(name), subject(name), key.public_key(), lifetime)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        builder = builder.add_extension(key_usage("digital_signature", "key_cert_sign", "crl_sign"), critical=True)
        return cls(key, builder.sign(key, hashes.SHA256()))

    def issue(
        self,
        holder: x509.Name,
        public_key: CertificatePublicKeyTypes,
        lifetime: datetime.timedelta,
        purposes: Iterable[str],
        *,
        usage: x509.KeyUsage | None = None,
        names: x509.SubjectAlternativeName | None = None,
    ) -> x509.Certificate:
        """A certificate of an end entity. `purposes` name extended key usages ("client_auth", "server_auth")."""
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes
        from cryptography.x509.oid import ExtendedKeyUsageOID

        issuer = self.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        purposed = [getattr(ExtendedKeyUsageOID, purpose.upper()) for purpose in purposes]
        builder = _builder(holder, self.certificate.subject, public_key, lifetime)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(usage or key_usage("digital_signature"), critical=True)
        if purposed:
            builder = builder.add_extension(x509.ExtendedKeyUsage(purposed), critical=False)
        if names is not None:
            builder = builder.add_extension(names, critical=False)
        identifier = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer)
        return builder.add_extension(identifier, critical=False).sign(self.key, hashes.SHA256())


def _builder(
    holder: x509.Name, issuer: x509.Name, public_key: CertificatePublicKeyTypes, lifetime: datetime.timedelta
) -> x509.CertificateBuilder:
    from cryptography import x509

    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(holder)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - EARLIER)
        .not_valid_after(now + lifetime)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )
