"""Client certificates: whom they stand for, and which are not believed."""

from __future__ import annotations

import ssl
import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from miniplane import kubeconfig
from miniplane.apimachinery import pki
from tests.plane import KUBECTL, Plane, command

Certificate = tuple[bytes, bytes]


def ours(plane: Plane) -> pki.Authority:
    return kubeconfig.load_authority(plane.directory / "pki")


def issued(authority: pki.Authority, user: str, *groups: str, **settings: Any) -> Certificate:
    """A certificate with its key."""
    key = pki.new_key()
    settings = {"lifetime": timedelta(hours=1), "purposes": ["client_auth"], **settings}
    certificate = authority.issue(pki.subject(user, groups), key.public_key(), **settings)
    return pki.certificate_pem(certificate), pki.key_pem(key)


def client(plane: Plane, directory: Path, shown: Certificate, **headers: str) -> httpx.Client:
    """A client that shows a certificate."""
    context = ssl.create_default_context(cafile=str(plane.directory / "pki" / "ca.crt"))
    (directory / "client.pem").write_bytes(b"".join(shown))
    context.load_cert_chain(directory / "client.pem")
    return httpx.Client(base_url=plane.url, verify=context, headers=headers)


def whoami(http: httpx.Client) -> Any:
    with http:
        answer = http.post("/apis/authentication.k8s.io/v1/selfsubjectreviews", json={})
    return answer.json()["status"]["userInfo"] if answer.status_code == 201 else answer.json()


def test_a_certificate_names_user_and_groups(plane: Plane, tmp_path: Path) -> None:
    found = whoami(client(plane, tmp_path, issued(ours(plane), "alice", "dev", "qa")))
    assert (found["username"], found["groups"]) == ("alice", ["dev", "qa", "system:authenticated"])
    (credential,) = found["extra"]["authentication.kubernetes.io/credential-id"]
    assert credential.startswith("X509SHA256=") and len(credential) == 75


def test_the_certificate_goes_before_a_token(plane: Plane, tmp_path: Path) -> None:
    for token in (plane.token, "nonsense"):
        shown = issued(ours(plane), "alice")
        found = whoami(client(plane, tmp_path, shown, Authorization=f"Bearer {token}"))
        assert found["username"] == "alice"


def test_a_certificate_without_a_name_is_none(plane: Plane, tmp_path: Path) -> None:
    found = whoami(client(plane, tmp_path, issued(ours(plane), "", "dev"), Authorization=f"Bearer {plane.token}"))
    assert found["username"] == "kubernetes-admin"


def test_no_certificate_is_asked_of_anybody(plane: Plane) -> None:
    assert httpx.get(f"{plane.url}/version", verify=plane.tls).status_code == 200


Maker = Callable[[Plane], Certificate]


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda _: issued(pki.Authority.new("other", timedelta(hours=1)), "alice"), id="another authority"),
        pytest.param(lambda p: issued(ours(p), "alice", lifetime=timedelta(minutes=-1)), id="expired"),
        pytest.param(lambda p: issued(ours(p), "alice", purposes=["server_auth"]), id="a server's"),
    ],
)
def test_what_is_not_believed_ends_the_connection(plane: Plane, tmp_path: Path, make: Maker) -> None:
    with pytest.raises(httpx.TransportError), client(plane, tmp_path, make(plane)) as http:
        http.get("/version")


def test_the_command_writes_a_kubeconfig_for_kubectl(plane: Plane, tmp_path: Path, namespace: str) -> None:
    words = ["kubeconfig", "--data", str(plane.directory), "--user", "bob", "--group", "readers"]
    text = subprocess.run(command(*words), capture_output=True, text=True, check=True, timeout=30).stdout
    config = tmp_path / "config"
    config.write_text(text)

    def kubectl(*words: str) -> subprocess.CompletedProcess[str]:
        argv = [KUBECTL, "--kubeconfig", str(config), "--namespace", namespace, *words]
        return subprocess.run(argv, capture_output=True, text=True, timeout=60)

    refused = kubectl("get", "configmaps")
    assert 'User "bob" cannot list resource "configmaps"' in refused.stderr
    plane.kubectl("create rolebinding readers --clusterrole=view --group=readers", namespace=namespace)
    assert kubectl("get", "configmaps").returncode == 0
    assert "bob" in kubectl("auth", "whoami").stdout
