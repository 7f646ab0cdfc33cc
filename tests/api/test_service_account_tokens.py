"""Service account tokens from end to end: asked for, checked by others, bound, and gone with their account."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.hashes import SHA256

from tests.plane import Plane

ISSUER = "https://kubernetes.default.svc"
REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"
WHOAMI = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
IDENTITY = "authentication.kubernetes.io"


@pytest.fixture
def account(plane: Plane, namespace: str) -> str:
    """The path of a service account `robot`."""
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    assert plane.request("POST", path, {"metadata": {"name": "robot"}})[0] == 201
    return f"{path}/robot"


def ask(plane: Plane, account: str, **spec: Any) -> tuple[int, Any]:
    return plane.request("POST", f"{account}/token", {"spec": spec})  # type: ignore[no-any-return]


def issued(plane: Plane, account: str, **spec: Any) -> str:
    status, answer = ask(plane, account, **spec)
    assert status == 201, answer
    return str(answer["status"]["token"])


def reviewed(plane: Plane, token: str, *audiences: str) -> Any:
    body = {"spec": {"token": token, **({"audiences": list(audiences)} if audiences else {})}}
    return plane.request("POST", REVIEWS, body)[1]["status"]


def whoami(plane: Plane, token: str, **headers: str) -> tuple[int, Any]:
    status, answer = plane.request("POST", WHOAMI, {}, token=token, **headers)
    return status, answer["status"]["userInfo"] if status == 201 else answer


def decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def claims(token: str) -> Any:
    return json.loads(decoded(token.split(".")[1]))


def pod(plane: Plane, namespace: str, account: str = "robot", node: str = "") -> Any:
    spec: dict[str, Any] = {"containers": [{"name": "c", "image": "i"}], "serviceAccountName": account}
    if node:
        spec["nodeName"] = node
    status, made = plane.request(
        "POST", f"/api/v1/namespaces/{namespace}/pods", {"metadata": {"name": "p"}, "spec": spec}
    )
    assert status == 201, made
    return made


def test_others_can_check_a_token_by_discovery(plane: Plane, account: str) -> None:
    """OpenID Connect: the issuer's document names the keys, and a key of them has signed."""
    token = issued(plane, account, audiences=["vault"])
    document = plane.get("/.well-known/openid-configuration")
    assert document["issuer"] == claims(token)["iss"] == ISSUER
    assert document["jwks_uri"].endswith("/openid/v1/jwks")
    header = json.loads(decoded(token.split(".")[0]))
    (key,) = [key for key in plane.get("/openid/v1/jwks")["keys"] if key["kid"] == header["kid"]]
    x, y = (int.from_bytes(decoded(key[name])) for name in ("x", "y"))
    public = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    text, _, signature = token.rpartition(".")
    raw = decoded(signature)
    der = utils.encode_dss_signature(int.from_bytes(raw[:32]), int.from_bytes(raw[32:]))
    public.verify(der, text.encode(), ec.ECDSA(SHA256()))


def test_service_accounts_may_read_the_discovery_documents(plane: Plane, account: str) -> None:
    token = issued(plane, account)
    assert plane.request("GET", "/openid/v1/jwks", token=token)[0] == 200


def test_audiences(plane: Plane, account: str, namespace: str) -> None:
    token = issued(plane, account, audiences=["vault", ISSUER])
    name = f"system:serviceaccount:{namespace}:robot"
    assert reviewed(plane, token)["audiences"] == [ISSUER]
    found = reviewed(plane, token, "vault", "other")
    assert (found["authenticated"], found["user"]["username"], found["audiences"]) == (True, name, ["vault"])
    assert "authenticated" not in reviewed(plane, token, "other")
    assert whoami(plane, issued(plane, account, audiences=["vault"]))[0] == 401
    assert reviewed(plane, plane.token)["audiences"] == [ISSUER]
    assert "authenticated" not in reviewed(plane, plane.token, "vault")


def test_how_long_tokens_are_good(plane: Plane, account: str) -> None:
    found = claims(issued(plane, account, expirationSeconds=600))
    assert found["exp"] - found["iat"] == 600
    projected = claims(issued(plane, account, expirationSeconds=3607))
    assert projected["exp"] - projected["iat"] == 365 * 86400
    assert projected["kubernetes.io"]["warnafter"] - projected["iat"] == 3607
    assert ask(plane, account, expirationSeconds=599)[0] == 422


def test_a_token_ends_with_its_account(plane: Plane, account: str) -> None:
    token = issued(plane, account)
    assert whoami(plane, token)[0] == 201
    assert plane.request("DELETE", account)[0] == 200
    assert whoami(plane, token)[0] == 401
    collection, _, name = account.rpartition("/")
    assert plane.request("POST", collection, {"metadata": {"name": name}})[0] == 201
    assert whoami(plane, token)[0] == 401, "the next account of the name is another one"


def test_a_token_ends_with_its_pod(plane: Plane, account: str, namespace: str) -> None:
    node = f"n-{namespace}"
    assert plane.request("POST", "/api/v1/nodes", {"metadata": {"name": node}})[0] == 201
    made = pod(plane, namespace, node=node)
    reference = {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": made["metadata"]["uid"]}
    token = issued(plane, account, boundObjectRef=reference)
    extra = whoami(plane, token)[1]["extra"]
    assert extra[f"{IDENTITY}/pod-name"] == ["p"]
    assert extra[f"{IDENTITY}/pod-uid"] == [made["metadata"]["uid"]]
    assert extra[f"{IDENTITY}/node-name"] == [node]
    assert extra[f"{IDENTITY}/credential-id"][0].startswith("JTI=")
    plane.request("DELETE", f"/api/v1/nodes/{node}")
    assert whoami(plane, token)[0] == 201, "it is bound to the pod, not to where the pod runs"
    plane.kubectl("delete pod p --force --grace-period=0", namespace=namespace)
    assert whoami(plane, token)[0] == 401


def test_what_a_token_cannot_be_bound_to(plane: Plane, account: str, namespace: str) -> None:
    def refusal(**reference: str) -> tuple[int, str]:
        status, answer = ask(plane, account, boundObjectRef={"apiVersion": "v1", "name": "p", **reference})
        return status, answer["message"]

    assert refusal(kind="Pod") == (404, 'pods "p" not found')
    assert refusal(kind="ConfigMap") == (400, "cannot bind token to object of type /v1, Kind=ConfigMap")
    made = pod(plane, namespace, account="other")
    why = 'cannot bind token for serviceaccount "robot" to pod running with different serviceaccount name.'
    assert refusal(kind="Pod") == (400, why)
    assert plane.request("POST", f"/api/v1/namespaces/{namespace}/secrets", {"metadata": {"name": "p"}})[0] == 201
    status, message = refusal(kind="Secret", uid=made["metadata"]["uid"])
    assert (status, message.split(":")[0]) == (409, 'Operation cannot be fulfilled on Secret "p"')


def test_kubectl_creates_tokens(plane: Plane, account: str, namespace: str) -> None:
    words = "create token robot --audience=vault --duration=20m"
    found = claims(plane.kubectl(words, namespace=namespace).stdout.strip())
    assert (found["aud"], found["exp"] - found["iat"]) == (["vault"], 1200)
    assert found["sub"] == f"system:serviceaccount:{namespace}:robot"
    token = plane.kubectl("create token robot", namespace=namespace).stdout.strip()
    shown = plane.kubectl(["auth", "whoami", "--token", token, "-o", "jsonpath={.status.userInfo.username}"])
    assert shown.stdout == f"system:serviceaccount:{namespace}:robot"


def test_impersonation_with_extra(plane: Plane, account: str, namespace: str) -> None:
    headers = {"Impersonate_User": "jane", "Impersonate_Uid": "u1", "Impersonate_Extra_Acme.com%2Fproject": "x"}
    assert whoami(plane, plane.token, **headers) == (
        201,
        {"username": "jane", "uid": "u1", "groups": ["system:authenticated"], "extra": {"acme.com/project": ["x"]}},
    )
    status, answer = whoami(plane, issued(plane, account), Impersonate_User="jane")
    assert (status, answer["reason"]) == (403, "Forbidden")
    assert 'cannot impersonate resource "users" in API group ""' in answer["message"]
    as_account = {"Impersonate_User": f"system:serviceaccount:{namespace}:robot"}
    groups = ["system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated"]
    assert whoami(plane, plane.token, **as_account)[1]["groups"] == groups


def test_a_changed_token_is_no_token(plane: Plane, account: str) -> None:
    head, body, signature = issued(plane, account).split(".")
    forged = json.loads(decoded(body)) | {"sub": "system:serviceaccount:kube-system:root"}
    changed = base64.urlsafe_b64encode(json.dumps(forged).encode()).rstrip(b"=").decode()
    for token in (f"{head}.{changed}.{signature}", f"{head}.{body}.", f"{head}.{body}.AAAA", f"..{signature}", ".."):
        assert whoami(plane, token)[0] == 401
        assert "authenticated" not in reviewed(plane, token)


@pytest.mark.parametrize(
    ("path", "metadata", "code", "message"),
    [
        ("serviceaccounts/robot/token", {"namespace": "elsewhere"}, 400, "the namespace of the provided object"),
        ("serviceaccounts/robot/token", {"name": "b"}, 422, 'TokenRequest.authentication.k8s.io "robot" is invalid'),
        ("serviceaccounts/robot/token", {"uid": "7"}, 409, 'Operation cannot be fulfilled on TokenRequest'),
        ("pods/p/eviction", {}, 400, "name in URL does not match name in Eviction object"),
        ("pods/p/eviction", {"name": "p", "namespace": "elsewhere"}, 400, "the namespace of the provided object"),
        ("pods/p/binding", {}, 400, "name in URL does not match name in Binding object"),
    ],
)  # fmt: skip
def test_calls_are_for_what_the_url_names(
    plane: Plane, account: str, namespace: str, path: str, metadata: dict[str, str], code: int, message: str
) -> None:
    status, answer = plane.request("POST", f"/api/v1/namespaces/{namespace}/{path}", {"metadata": metadata})
    assert (status, answer["message"][: len(message)]) == (code, message)
    status, answer = plane.request("POST", f"/api/v1/namespaces/missing/{path}", {"metadata": {}})
    assert (status, answer["message"]) == (404, 'namespaces "missing" not found')
