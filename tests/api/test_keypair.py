"""Certificates and keys in PEM, as Go's tls.X509KeyPair judges them."""

from __future__ import annotations

import datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from apiserver.kinds.keypair import fault

KEY, OTHER = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())


def pem_key(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


def pem_certificate() -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a")])
    start = datetime.datetime(2026, 1, 1)
    builder = x509.CertificateBuilder(name, name, KEY.public_key(), 1, start, start + datetime.timedelta(days=1))
    return builder.sign(KEY, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def block(kind: str, content: str = "AAAA") -> bytes:
    return f"-----BEGIN {kind}-----\n{content}\n-----END {kind}-----\n".encode()


def test_a_pair_that_fits() -> None:
    assert fault(b"leading words\n" + pem_certificate(), pem_key(KEY)) == ""


@pytest.mark.parametrize(
    ("certificate", "key", "wanted"),
    [
        (b"", b"", "tls: failed to find any PEM data in certificate input"),
        (
            block("EC PRIVATE KEY"),
            b"",
            "tls: failed to find certificate PEM data in certificate input, but did find a private key; PEM inputs may "
            "have been switched",
        ),
        (
            block("A") + block("B"),
            b"",
            'tls: failed to find "CERTIFICATE" PEM block in certificate input after skipping PEM blocks of the '
            "following types: [A B]",
        ),
        (block("CERTIFICATE"), b"x", "tls: failed to find any PEM data in key input"),
        (block("CERTIFICATE", "*"), b"x", "tls: failed to find any PEM data in certificate input"),
        (
            block("CERTIFICATE"),
            block("CERTIFICATE"),
            "tls: found a certificate rather than a key in the PEM for the private key",
        ),
        (
            block("CERTIFICATE"),
            block("PUBLIC KEY"),
            'tls: failed to find PEM block with type ending in "PRIVATE KEY" in key input after skipping PEM blocks of '
            "the following types: [PUBLIC KEY]",
        ),
        (block("CERTIFICATE"), pem_key(KEY), "x509: malformed certificate"),
        (pem_certificate(), block("PRIVATE KEY"), "tls: failed to parse private key"),
        (pem_certificate(), pem_key(OTHER), "tls: private key does not match public key"),
        (
            pem_certificate(),
            pem_key(rsa.generate_private_key(65537, 2048)),
            "tls: private key type does not match public key type",
        ),
    ],
)
def test_a_pair_that_does_not(certificate: bytes, key: bytes, wanted: str) -> None:
    assert fault(certificate, key) == wanted
