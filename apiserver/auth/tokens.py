"""Service account tokens: made by TokenRequest, checked on every request (KEP-1205). JWTs signed with ES256."""

from __future__ import annotations

import base64
import hashlib
import secrets
import time
import uuid
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING

import orjson

from apiserver import errors, writeoptions
from apiserver.auth.authentication import ISSUER
from apiserver.body import read_object
from apiserver.field import FieldError, invalid
from apiserver.handlers import read
from apiserver.handlers.create import context_of, place
from apiserver.handlers.respond import value_response
from apiserver.kinds.kind import Kind, Object, User
from apiserver.managers import track
from apiserver.storage.types import Key

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

    from apiserver.request import Request, Response
    from apiserver.server import App

DEFAULT_SECONDS, LEAST, MOST = 3600, 600, 1 << 32
EXTENDED_FROM, EXTENDED_TO = 3607, 365 * 86400
"""What the kubelet asks for when it projects a token, and how long such a token is good for all the same: programs that
read their token once go on (KEP-1205, "safe rollout")."""
LEEWAY = 60
"""Seconds that a token survives the deletion mark of what it is bound to."""
TOKEN_REQUEST = Kind("authentication.k8s.io", "v1", "TokenRequest", "tokenrequests", True)
GROUPS = ("system:serviceaccounts",)


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class TokenSigner:
    """Signs and verifies with one P-256 key; `key` is PEM, empty for a key that lasts as long as the process."""

    def __init__(self, key: bytes = b"") -> None:
        self._pem = key
        self._key: EllipticCurvePrivateKey | None = None

    @property
    def key(self) -> EllipticCurvePrivateKey:
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        if self._key is None:
            if self._pem:
                loaded = load_pem_private_key(self._pem, None)
                assert isinstance(loaded, ec.EllipticCurvePrivateKey)
                self._key = loaded
            else:
                self._key = ec.generate_private_key(ec.SECP256R1())
        return self._key

    def _numbers(self) -> tuple[str, str]:
        public = self.key.public_key().public_numbers()
        return _encode(public.x.to_bytes(32)), _encode(public.y.to_bytes(32))

    @property
    def key_id(self) -> str:
        x, y = self._numbers()
        return _encode(hashlib.sha256(f"{x}.{y}".encode()).digest())[:43]

    def jwks(self) -> Object:
        """/openid/v1/jwks"""
        x, y = self._numbers()
        key = {"use": "sig", "kty": "EC", "kid": self.key_id, "crv": "P-256", "alg": "ES256", "x": x, "y": y}
        return {"keys": [key]}

    def sign(self, claims: Object) -> str:
        """A compact JWT."""
        from cryptography.hazmat.primitives.asymmetric import ec, utils
        from cryptography.hazmat.primitives.hashes import SHA256

        head = _encode(orjson.dumps({"alg": "ES256", "kid": self.key_id}))
        text = f"{head}.{_encode(orjson.dumps(claims))}"
        r, s = utils.decode_dss_signature(self.key.sign(text.encode(), ec.ECDSA(SHA256())))
        return f"{text}.{_encode(r.to_bytes(32) + s.to_bytes(32))}"

    def verified(self, token: str) -> Object | None:
        """The claims of a token that we signed; None for any other text."""
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric import ec, utils
        from cryptography.hazmat.primitives.hashes import SHA256

        text, _, signature = token.rpartition(".")
        try:
            raw = _decode(signature)
            numbers = int.from_bytes(raw[:32]), int.from_bytes(raw[32:])
            der = utils.encode_dss_signature(*numbers)
            self.key.public_key().verify(der, text.encode(), ec.ECDSA(SHA256()))
            claims: Object = orjson.loads(_decode(text.split(".")[1]))
        except (ValueError, IndexError, InvalidSignature):
            return None
        return claims


class ServiceAccountTokens:
    """Tokens as users: the account must still exist, and so must the object that the token is bound to."""

    def __init__(self, app: App) -> None:
        self._app = app
        self.signer = TokenSigner(app.options.service_account_key)
        self._claims = lru_cache(maxsize=4096)(self.signer.verified)

    def user_of(self, token: str, audiences: tuple[str, ...] = ()) -> User | None:
        """Who a token stands for; None where it is not ours, expired, or its account is gone."""
        if token.count(".") != 2:
            return None
        claims = self._claims(token)
        if claims is None or claims.get("exp", 0) < time.time():
            return None
        if not set(audiences or (ISSUER,)) & set(claims.get("aud") or ()):
            return None
        about = claims["kubernetes.io"]
        namespace, account = about["namespace"], about["serviceaccount"]
        if not self._alive("serviceaccounts", namespace, account):
            return None
        extra = {"authentication.kubernetes.io/credential-id": (f"JTI={claims['jti']}",)}
        for kind, plural in (("pod", "pods"), ("secret", "secrets"), ("node", "nodes")):
            bound = about.get(kind)
            binds = kind != "node" or "pod" not in about  # a pod's node is told for information
            if bound and binds and not self._alive(plural, "" if kind == "node" else namespace, bound):
                return None
            if bound and kind != "secret":
                extra[f"authentication.kubernetes.io/{kind}-name"] = (bound["name"],)
                if bound.get("uid"):
                    extra[f"authentication.kubernetes.io/{kind}-uid"] = (bound["uid"],)
        groups = (*GROUPS, f"{GROUPS[0]}:{namespace}", "system:authenticated")
        name = f"system:serviceaccount:{namespace}:{account['name']}"
        return User(name, account["uid"], groups, extra)

    def audiences_of(self, token: str) -> tuple[str, ...]:
        """Whom a token is for; empty for one that is not ours."""
        claims = self._claims(token) if token.count(".") == 2 else None
        return tuple((claims or {}).get("aud") or ())

    def _alive(self, resource: str, namespace: str, reference: Object) -> bool:
        record = self._app.store.get(Key(resource, namespace, reference["name"]))
        if record is None or record.uid != reference.get("uid", record.uid):
            return False
        if b'"deletionTimestamp"' not in record.data:
            return True
        marked = orjson.loads(record.data)["metadata"].get("deletionTimestamp")
        return not marked or datetime.fromisoformat(marked).timestamp() > time.time() - LEEWAY


async def create_token(request: Request) -> Response:
    """POST serviceaccounts/NAME/token."""
    options = writeoptions.parse(request.info, "CreateOptions")
    obj = await read_object(request, TOKEN_REQUEST, options.field_validation)
    given = obj.setdefault("metadata", {})
    place(TOKEN_REQUEST, given, request.info.namespace)
    await request.server.admission.call(request, TOKEN_REQUEST, obj, context_of(request, options))
    account = _account(request, given)
    spec = obj.setdefault("spec", {})
    spec.setdefault("boundObjectRef", None)
    seconds = spec.get("expirationSeconds")
    seconds = DEFAULT_SECONDS if seconds is None else seconds
    spec["expirationSeconds"] = seconds
    faults = _faults(seconds)
    if faults:
        raise errors.invalid("authentication.k8s.io", "TokenRequest", "", faults)
    obj["metadata"] = {key: value for key, value in given.items() if key != "namespace"}
    _track(request, obj, options)
    bound = _bound(request, spec["boundObjectRef"])
    spec["audiences"] = spec.get("audiences") or [ISSUER]
    metadata = account["metadata"]
    fields = {name: metadata[name] for name in ("name", "namespace", "uid")}
    obj["metadata"] |= {**fields, "creationTimestamp": request.server.now()}
    token, expires = issue(request.server, account, spec["audiences"], seconds, bound)
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(expires))
    obj["status"] = {"token": token, "expirationTimestamp": stamp}
    return value_response(request, obj, 201)


def _account(request: Request, given: Object) -> Object:
    """The account that the URL names and the body does not contradict. Raises 404, 409, 422."""
    if given.get("name", request.info.name) != request.info.name:
        why = "must match the service account name if specified"
        faults = [invalid("metadata.name", given["name"], why)]
        raise errors.invalid("authentication.k8s.io", "TokenRequest", request.info.name, faults)
    account: Object = orjson.loads(read.find(request).data)
    wanted, uid = given.get("uid"), account["metadata"]["uid"]
    if wanted and wanted != uid:
        why = f"the UID in the token request ({wanted}) does not match the UID of the service account ({uid})"
        named = replace(TOKEN_REQUEST, plural=TOKEN_REQUEST.kind)
        raise errors.conflict(named, request.info.name, why)
    return account


def _track(request: Request, obj: Object, options: writeoptions.WriteOptions) -> None:
    outer, request.kind = request.kind, TOKEN_REQUEST
    stated = {key: value for key, value in obj["spec"].items() if value is not None}
    tracked = {**obj, "spec": stated}
    try:
        track(request, None, tracked, options, context_of(request, options))
    finally:
        request.kind = outer
    obj["metadata"] = tracked["metadata"]


def _faults(seconds: int) -> list[FieldError]:
    if seconds < LEAST:
        return [invalid("spec.expirationSeconds", seconds, "may not specify a duration less than 10 minutes")]
    if seconds > MOST:
        return [invalid("spec.expirationSeconds", seconds, "may not specify a duration larger than 2^32 seconds")]
    return []


_BOUND = {"Pod": "pods", "Secret": "secrets", "Node": "nodes"}


def _bound(request: Request, reference: Object | None) -> Object:
    """The claims of the object that the token is bound to: kind -> {name, uid}. Raises 400, 404, 409."""
    if not reference:
        return {}
    kind, name = reference.get("kind", ""), reference.get("name", "")
    group, _, version = reference.get("apiVersion", "").rpartition("/")
    plural = _BOUND.get(kind) if not group else None
    if plural is None:
        raise errors.bad_request(f"cannot bind token to object of type {group}/{version}, Kind={kind}")
    namespace = "" if kind == "Node" else request.info.namespace
    record = request.server.store.get(Key(plural, namespace, name))
    target = request.server.registry.find("", "v1", plural)
    assert target is not None
    if record is None:
        raise errors.not_found(target, name)
    uid = reference.get("uid")
    if uid and uid != record.uid:
        why = (
            f"the UID in the bound object reference ({uid}) does not match the UID in record. "
            "The object might have been deleted and then recreated"
        )
        raise errors.conflict(replace(target, plural=target.kind), name, why)
    bound: Object = {kind.lower(): {"name": name, "uid": record.uid}}
    return {**bound, **_place(request, orjson.loads(record.data)["spec"])} if kind == "Pod" else bound


def _place(request: Request, pod: Object) -> Object:
    """The claim of a pod's node. Raises 400 for a pod of another account."""
    account, node = pod.get("serviceAccountName", ""), pod.get("nodeName")
    if account != request.info.name:
        raise errors.bad_request(
            f'cannot bind token for serviceaccount "{request.info.name}" to pod running with different serviceaccount '
            "name."
        )
    record = request.server.store.get(Key("nodes", "", node)) if node else None
    if not node:
        return {}
    return {"node": {"name": node, "uid": record.uid} if record is not None else {"name": node}}


def issue(
    app: App, account: Object, audiences: list[str], seconds: int, bound: Object | None = None
) -> tuple[str, int]:
    """(a token for a service account, when its holder should have a new one)."""
    metadata, now = account["metadata"], int(time.time())
    about: Object = {
        "namespace": metadata["namespace"],
        "serviceaccount": {"name": metadata["name"], "uid": metadata["uid"]},
    }
    about |= bound or {}
    extended = seconds == EXTENDED_FROM and audiences == [ISSUER]
    if extended:
        about["warnafter"] = now + seconds
    claims = {
        "aud": audiences,
        "exp": now + (EXTENDED_TO if extended else seconds),
        "iat": now,
        "iss": ISSUER,
        "jti": str(uuid.UUID(bytes=secrets.token_bytes(16), version=4)),
        "kubernetes.io": about,
        "nbf": now,
        "sub": f"system:serviceaccount:{metadata['namespace']}:{metadata['name']}",
    }
    return app.tokens.signer.sign(claims), now + seconds
