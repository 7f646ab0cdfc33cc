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
from datetime import timedelta
from pathlib import Path

from miniplane.apimachinery import pki

CA_NAME = "miniplane-ca"
CA_DAYS = 3650
SERVER_DAYS = CLIENT_DAYS = 365
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


def ensure_authority(directory: Path) -> None:
    """The CA of a `pki` directory; a new one the first time."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    key_file, file = directory / "ca.key", directory / "ca.crt"
    if not (file.exists() and key_file.exists()):
        made = pki.Authority.new(CA_NAME, timedelta(days=CA_DAYS))
        write_private(key_file, pki.key_pem(made.key))
        write_private(file, pki.certificate_pem(made.certificate))


def ensure_shared(directory: Path) -> None:
    """What replicas of one plane have in common: CA, signing key of service account tokens, admin's token."""
    ensure_authority(directory / "pki")
    ensure_signing_key(directory / "pki" / "sa.key")
    ensure_token(directory / "admin.token")


def _make(directory: Path, files: Certificates, names: Sequence[str]) -> None:
    ensure_authority(directory)
    key, lifetime = pki.new_key(), timedelta(days=SERVER_DAYS)
    holder, alternatives = pki.subject("miniplane-apiserver"), pki.names_of(names)
    authority = load_authority(directory)
    certificate = authority.issue(holder, key.public_key(), lifetime, ["server_auth"], names=alternatives)
    write_private(files.key, pki.key_pem(key))
    write_private(files.certificate, pki.certificate_pem(certificate))


def load_authority(directory: Path) -> pki.Authority:
    """The CA of a `pki` directory. Raises OSError."""
    return pki.Authority.load((directory / "ca.key").read_bytes(), (directory / "ca.crt").read_bytes())


def client_certificate(authority: pki.Authority, user: str, groups: Iterable[str]) -> tuple[bytes, bytes]:
    """(certificate, key) in PEM with which a client is `user` in `groups`."""
    key = pki.new_key()
    holder, lifetime = pki.subject(user, groups), timedelta(days=CLIENT_DAYS)
    certificate = authority.issue(holder, key.public_key(), lifetime, ["client_auth"])
    return pki.certificate_pem(certificate), pki.key_pem(key)


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
    write_private(path, pki.key_pem(pki.new_key()))
    return path.read_bytes()


def url_of(bind: str, port: int) -> str:
    """Where a client on this machine finds a server bound there."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(bind, bind)
    return f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"


def render(
    server: str, ca: bytes, token: str, user: str = "kubernetes-admin", certificate: tuple[bytes, bytes] | None = None
) -> str:
    """A kubeconfig with embedded CA and token, or `certificate` and key in its place."""
    credentials = f"token: {_quoted(token)}"
    if certificate is not None:
        shown, key = (base64.b64encode(part).decode() for part in certificate)
        credentials = f"client-certificate-data: {shown}\n    client-key-data: {key}"
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
    user: {_quoted(user)}
users:
- name: {_quoted(user)}
  user:
    {credentials}
"""


def for_user(directory: Path, user: str, groups: Iterable[str]) -> str:
    """The kubeconfig of a data directory with a new client certificate for `user` in place of the admin's token. Raises
    OSError where there is no server's kubeconfig or CA."""
    import yaml

    server = yaml.safe_load((directory / "kubeconfig").read_text())["clusters"][0]["cluster"]["server"]
    authority = load_authority(directory / "pki")
    certificate = client_certificate(authority, user, groups)
    return render(server, pki.certificate_pem(authority.certificate), "", user, certificate)


def _quoted(text: str) -> str:
    """A YAML double-quoted scalar (YAML is a superset of JSON)."""
    import json

    return json.dumps(text)


def write(path: Path, server: str, ca: bytes, token: str, user: str = "kubernetes-admin") -> None:
    """Write a kubeconfig, mode 0600. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_private(path, render(server, ca, token, user).encode())
