"""Paths that name nothing, methods that a path does not have, and continue tokens that the server did not make."""

from __future__ import annotations

import base64
import json

import pytest

from apiserver.handlers.read import decode_token, encode_token
from miniplane.apimachinery.status import StatusError
from tests.plane import Plane


def token(**fields: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(fields).encode()).rstrip(b"=").decode()


V1 = "meta.k8s.io/v1"
NOT_TOKENS = [
    ("x", "illegal base64 data at input byte 0"),
    ("ab*", "illegal base64 data at input byte 2"),
    ("abc", "invalid character 'i' looking for beginning of value"),
    (token(v="meta.k8s.io/v2", rv=1, start="a"), "server does not recognize this encoded version meta.k8s.io/v2"),
    (token(v=V1, rv=0, start="a"), "incorrect encoded start resourceVersion (version meta.k8s.io/v1)"),
    (token(v=V1, rv=1), "encoded start key empty (version meta.k8s.io/v1)"),
    (token(v=V1, rv=1, start="../secrets"), "../secrets"),
    (token(v=V1, rv=1, start="//a"), "//a"),
]


@pytest.mark.parametrize(("text", "why"), NOT_TOKENS)
def test_a_token_of_somebody_else(text: str, why: str) -> None:
    with pytest.raises(StatusError) as refused:
        decode_token(text)
    assert str(refused.value) == f"invalid continue token: continue key is not valid: {why}"


def test_a_token_of_ours() -> None:
    assert decode_token(encode_token(7, "default/a")) == (7, "default/a")


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/api/v1/namespaces/default/namespaces", 404),
        ("GET", "/api/v1/proxy/nodes/a", 404),
        ("DELETE", "/api/v1/watch/configmaps", 405),
        ("POST", "/api/v1/watch/namespaces/default/configmaps", 405),
        ("GET", "/api/v1/namespaces/default/configmaps//kube-root-ca.crt", 404),
        ("GET", "/api/v1/namespaces/default/configmaps/a%2Fb", 404),
        ("GET", "/api/v1/namespaces%2Fdefault/configmaps", 200),
        ("GET", "/api/v1/namespaces//configmaps/", 200),
        ("GET", "//api/v1/configmaps", 404),
    ],
)
def test_paths(plane: Plane, method: str, path: str, code: int) -> None:
    assert plane.request(method, path)[0] == code
