"""Certificates and tokens: made once, renewed when they no longer serve."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import yaml
from cryptography import x509

from miniplane import kubeconfig

NAMES = ["localhost", "kubernetes.default.svc", "127.0.0.1", "10.96.0.1"]


def test_certificate_names(tmp_path: Path) -> None:
    files = kubeconfig.ensure_certificates(tmp_path, NAMES)
    certificate = x509.load_pem_x509_certificate(files.certificate.read_bytes())
    ca = x509.load_pem_x509_certificate(files.ca.read_bytes())
    certificate.verify_directly_issued_by(ca)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost", "kubernetes.default.svc"]
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "10.96.0.1"]


def test_certificates_are_kept(tmp_path: Path) -> None:
    first = kubeconfig.ensure_certificates(tmp_path, NAMES).certificate.read_bytes()
    assert kubeconfig.ensure_certificates(tmp_path, NAMES[:2]).certificate.read_bytes() == first


@pytest.mark.parametrize("reason", ["another name", "expiring"])
def test_certificates_are_renewed(tmp_path: Path, reason: str) -> None:
    files = kubeconfig.ensure_certificates(tmp_path, NAMES)
    first, ca = files.certificate.read_bytes(), files.ca.read_bytes()
    wanted = [*NAMES, "192.168.1.5"] if reason == "another name" else NAMES
    if reason == "expiring":
        stamp = tmp_path / "apiserver.names"
        stamp.write_text("\n".join([str(int(time.time()) + 86400), *NAMES]))
    again = kubeconfig.ensure_certificates(tmp_path, wanted)
    assert again.certificate.read_bytes() != first
    assert again.ca.read_bytes() == ca


def test_token_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "token"
    token = kubeconfig.ensure_token(path)
    assert len(token) >= 32
    assert kubeconfig.ensure_token(path) == token


def test_rendered_file_is_yaml(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "config"
    kubeconfig.write(path, "https://[::1]:6443", b"PEM", 'a"b: c')
    found = yaml.safe_load(path.read_text())
    assert found["clusters"][0]["cluster"] == {"server": "https://[::1]:6443", "certificate-authority-data": "UEVN"}
    assert found["users"][0]["user"]["token"] == 'a"b: c'


def test_urls() -> None:
    assert kubeconfig.url_of("0.0.0.0", 6443) == "https://127.0.0.1:6443"
    assert kubeconfig.url_of("::1", 1) == "https://[::1]:1"
