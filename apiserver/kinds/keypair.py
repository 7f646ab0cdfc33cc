"""A certificate and its private key in PEM, judged as Go's `tls.X509KeyPair` judges them, in its words."""

from __future__ import annotations

import base64
import binascii
import contextlib
import re
from typing import Any

_MARK = re.compile(rb"-----(BEGIN|END) ([^\r\n]*?)-----")
PRIVATE_KEY = "PRIVATE KEY"


def fault(certificate: bytes, key: bytes) -> str:
    """What is wrong with the pair, "" where it is fine."""
    blocks = _blocks(certificate)
    certificates = [content for kind, content in blocks if kind == "CERTIFICATE"]
    if not certificates:
        return _no_certificate([kind for kind, _ in blocks])
    blocks = _blocks(key)
    keys = [content for kind, content in blocks if kind == PRIVATE_KEY or kind.endswith(f" {PRIVATE_KEY}")]
    if not keys:
        return _no_key([kind for kind, _ in blocks])
    return _mismatch(certificates[0], keys[0])


def _blocks(text: bytes) -> list[tuple[str, bytes]]:
    """The PEM blocks of a text: (type, content). What is not base64 is no block."""
    found: list[tuple[str, bytes]] = []
    begun: re.Match[bytes] | None = None
    for mark in _MARK.finditer(text):
        if mark[1] == b"BEGIN":
            begun = mark
            continue
        if begun is not None and begun[2] == mark[2]:
            with contextlib.suppress(binascii.Error):
                content = base64.b64decode(b"".join(text[begun.end() : mark.start()].split()), validate=True)
                found.append((mark[2].decode("utf-8", "replace"), content))
        begun = None
    return found


def _no_certificate(skipped: list[str]) -> str:
    if not skipped:
        return "tls: failed to find any PEM data in certificate input"
    if len(skipped) == 1 and skipped[0].endswith(PRIVATE_KEY):
        return (
            "tls: failed to find certificate PEM data in certificate input, but did find a private key; PEM inputs may "
            "have been switched"
        )
    return (
        'tls: failed to find "CERTIFICATE" PEM block in certificate input after skipping PEM blocks of the following '
        f"types: [{' '.join(skipped)}]"
    )


def _no_key(skipped: list[str]) -> str:
    if not skipped:
        return "tls: failed to find any PEM data in key input"
    if skipped == ["CERTIFICATE"]:
        return "tls: found a certificate rather than a key in the PEM for the private key"
    return (
        'tls: failed to find PEM block with type ending in "PRIVATE KEY" in key input after skipping PEM blocks of the '
        f"following types: [{' '.join(skipped)}]"
    )


def _mismatch(certificate: bytes, key: bytes) -> str:
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_der_private_key

    try:
        public: Any = x509.load_der_x509_certificate(certificate).public_key()
    except UnsupportedAlgorithm:
        return "tls: unknown public key algorithm"
    except ValueError:  # Go tells more of what is nearly a certificate
        return "x509: malformed certificate"
    try:
        own: Any = load_der_private_key(key, None).public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return "tls: failed to parse private key"
    if type(own) is not type(public):
        return "tls: private key type does not match public key type"
    return "" if own == public else "tls: private key does not match public key"
