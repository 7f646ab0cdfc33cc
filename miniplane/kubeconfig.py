"""Credentials: a CA and the server's certificate, the admin's token, and the kubeconfig file that carries them.

Everything lives in one directory, is made once and reused; secrets are readable by their owner alone.
"""

from __future__ import annotations

import base64
import contextlib
import ipaddress
import os
import secrets
import socket
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

CA_DAYS = 3650
SERVER_DAYS = 365
RENEW_DAYS = 30
"""A server certificate with less than this left is made anew at start."""
DAY = 86400
CLUSTER_NAMES = (
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
)


@dataclass(slots=True, frozen=True)
class Certificates:
    """Files in PEM form."""

    ca: Path
    certificate: Path
    key: Path


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read, in one step: readers see the old content or the new."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with contextlib.suppress(FileNotFoundError):
        temporary.unlink()
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as out:
        out.write(content)
    temporary.replace(path)


def server_names(bind: str, advertise: str, service_cidrs: Sequence[str]) -> list[str]:
    """The names and addresses under which clients reach the server, for its certificate."""
    first = str(ipaddress.ip_network(service_cidrs[0])[1])
    names = [*CLUSTER_NAMES, "127.0.0.1", "::1", first]
    if bind in ("0.0.0.0", "::"):
        names.append(socket.gethostname().lower())
    names += [name for name in (bind, advertise) if name]
    return list(dict.fromkeys(names))


def ensure_certificates(directory: Path, names: Sequence[str]) -> Certificates:
    """The directory's CA and a server certificate for these names; what is there and still serves is kept."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    files = Certificates(directory / "ca.crt", directory / "apiserver.crt", directory / "apiserver.key")
    stamp = directory / "apiserver.names"  # names and expiry, so that a restart need not import cryptography
    if not _still_serves(files, stamp, names):
        _make(directory, files, names)
        expiry = int(time.time()) + SERVER_DAYS * DAY
        write_private(stamp, "\n".join([str(expiry), *sorted(names)]).encode())
    return files


def _still_serves(files: Certificates, stamp: Path, names: Iterable[str]) -> bool:
    if not all(path.exists() for path in (files.ca, files.certificate, files.key, stamp)):
        return False
    expiry, *covered = stamp.read_text().split("\n")
    return set(names) <= set(covered) and int(expiry) - time.time() > RENEW_DAYS * DAY


def _make(directory: Path, files: Certificates, names: Sequence[str]) -> None:
    from cryptography.hazmat.primitives.asymmetric import ec

    ca_key_file = directory / "ca.key"
    if not (files.ca.exists() and ca_key_file.exists()):
        key = ec.generate_private_key(ec.SECP256R1())
        write_private(ca_key_file, _key_pem(key))
        write_private(files.ca, _pem(_ca_certificate(key)))
    ca_key, ca = _load(ca_key_file, files.ca)
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _server_certificate(key, names, ca_key, ca)
    write_private(files.key, _key_pem(key))
    write_private(files.certificate, _pem(certificate))


def _load(key_file: Path, certificate_file: Path) -> tuple[Any, x509.Certificate]:
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization

    key = serialization.load_pem_private_key(key_file.read_bytes(), None)
    return key, x509.load_pem_x509_certificate(certificate_file.read_bytes())


def _key_pem(key: EllipticCurvePrivateKey) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _pem(certificate: x509.Certificate) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.PEM)


def _builder(subject: str, issuer: str, key: EllipticCurvePrivateKey, days: int) -> x509.CertificateBuilder:
    """What both certificates have (RFC 5280: serial, validity, subject key identifier). Valid from an hour ago, for
    clocks that differ."""
    import datetime

    from cryptography import x509
    from cryptography.x509.oid import NameOID

    def name(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=days, hours=1))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


CA_NAME = "miniplane-ca"


def _ca_certificate(key: EllipticCurvePrivateKey) -> x509.Certificate:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    builder = _builder(CA_NAME, CA_NAME, key, CA_DAYS)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    builder = builder.add_extension(_usage(signs_certificates=True), critical=True)
    return builder.sign(key, hashes.SHA256())


def _server_certificate(
    key: EllipticCurvePrivateKey, names: Sequence[str], ca_key: EllipticCurvePrivateKey, ca: x509.Certificate
) -> x509.Certificate:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.x509.oid import ExtendedKeyUsageOID

    issuer = ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    extensions: list[tuple[x509.ExtensionType, bool]] = [
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (_usage(signs_certificates=False), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False),
        (x509.SubjectAlternativeName([_general_name(name) for name in names]), False),
        (x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer), False),
    ]
    builder = _builder("miniplane-apiserver", CA_NAME, key, SERVER_DAYS)
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(ca_key, hashes.SHA256())


def _general_name(name: str) -> x509.GeneralName:
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def ensure_token(path: Path) -> str:
    """The token kept in this file; a random one the first time."""
    with contextlib.suppress(FileNotFoundError):
        kept = path.read_text().strip()
        if kept:
            return kept
    token = secrets.token_urlsafe(32)
    write_private(path, f"{token}\n".encode())
    return token


def ensure_signing_key(path: Path) -> bytes:
    """The key kept in this file that signs service account tokens, PEM; a new one the first time."""
    with contextlib.suppress(FileNotFoundError):
        return path.read_bytes()
    from cryptography.hazmat.primitives.asymmetric import ec

    write_private(path, _key_pem(ec.generate_private_key(ec.SECP256R1())))
    return path.read_bytes()


def url_of(bind: str, port: int) -> str:
    """Where a client on this machine finds a server bound there."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(bind, bind)
    return f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"


def render(server: str, ca: bytes, token: str, user: str = "kubernetes-admin") -> str:
    """A kubeconfig with embedded CA and token."""
    return f"""\
apiVersion: v1
kind: Config
current-context: miniplane
clusters:
- name: miniplane
  cluster:
    server: {server}
    certificate-authority-data: {base64.b64encode(ca).decode()}
contexts:
- name: miniplane
  context:
    cluster: miniplane
    user: {user}
users:
- name: {user}
  user:
    token: {_quoted(token)}
"""


def _quoted(text: str) -> str:
    """A YAML double-quoted scalar (YAML is a superset of JSON)."""
    import json

    return json.dumps(text)


def write(path: Path, server: str, ca: bytes, token: str, user: str = "kubernetes-admin") -> None:
    """Write a kubeconfig, mode 0600. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_private(path, render(server, ca, token, user).encode())
