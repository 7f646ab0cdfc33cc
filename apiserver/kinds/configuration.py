"""v1 ConfigMap, Secret and ServiceAccount: what pods are given to run with."""

from __future__ import annotations

import base64
from collections.abc import Mapping

import orjson

from apiserver import validation as rules
from apiserver.field import FieldError, forbidden, immutable, invalid, required, too_long
from apiserver.kinds.kind import Column, Context, Kind, Object, Subresource
from apiserver.kinds.pods.checks import each
from apiserver.kinds.strategies import Free
from apiserver.kinds.workload_columns import at
from apiserver.table import AGE

SIZE_LIMIT = 1024 * 1024
ACCOUNT_NAME = "kubernetes.io/service-account.name"
TLS = "kubernetes.io/tls"
MOUNTABLE = "kubernetes.io/enforce-mountable-secrets"


def _decoded_size(text: str) -> int:
    return len(text) * 3 // 4 - text[-2:].count("=")


def _frozen(obj: Object, old: Object, fields: tuple[str, ...]) -> list[FieldError]:
    if not old.get("immutable"):
        return []
    why = "field is immutable when `immutable` is set"
    found = [] if obj.get("immutable") else [forbidden("immutable", why)]
    return found + [forbidden(name, why) for name in fields if (obj.get(name) or {}) != (old.get(name) or {})]


class ConfigMapStrategy(Free):
    """ConfigMap: keys, size, immutability."""

    metadata_again = 1

    def validate(self, obj: Object, context: Context) -> list[FieldError]:
        data, binary = obj.get("data") or {}, obj.get("binaryData") or {}
        found: list[FieldError] = []
        for key in sorted(data):
            found += each(f"data[{key}]", key, rules.config_map_key(key))
            if key in binary:
                found.append(invalid(f"data[{key}]", key, "duplicate of key present in binaryData"))
        for key in sorted(binary):
            found += each(f"binaryData[{key}]", key, rules.config_map_key(key))
        size = sum(len(value.encode()) for value in data.values()) + sum(map(_decoded_size, binary.values()))
        if size > SIZE_LIMIT:
            found.append(too_long("[]", SIZE_LIMIT))  # how Go prints the path of the whole object
        return found

    def validate_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        return _frozen(obj, old, ("data", "binaryData")) + self.validate(obj, context)


class SecretStrategy(Free):
    """Secret: types and the keys they need."""

    metadata_again = 1

    def default(self, obj: Object) -> None:
        obj["type"] = obj.get("type") or "Opaque"
        plain = obj.pop("stringData", None)
        if plain:
            data = obj.setdefault("data", {})
            for key, value in plain.items():
                data[key] = base64.b64encode(value.encode()).decode()

    def prepare_for_update(self, obj: Object, old: Object, context: Context) -> None:
        """A service account's token has lost its type where an old client wrote it (v1.0); the type is kept."""
        if not obj.get("type"):
            obj["type"] = old.get("type", "")

    def validate(self, obj: Object, context: Context) -> list[FieldError]:
        data = obj.get("data") or {}
        found: list[FieldError] = []
        for key in sorted(data):
            found += each(f"data[{key}]", key, rules.config_map_key(key))
        if sum(map(_decoded_size, data.values())) > SIZE_LIMIT:
            found.append(too_long("data", SIZE_LIMIT))
        return found + _keys_of_type(obj, data)

    def validate_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        found = [] if obj.get("type") == old.get("type") else [immutable("type", obj.get("type"))]
        return found + _frozen(obj, old, ("data",)) + self.validate(obj, context)

    def warnings(self, obj: Object, old: Object | None, context: Context) -> list[str]:
        """A key and a certificate that do not go together are stored, but told of."""
        if obj.get("type") != TLS:
            return []
        from apiserver.kinds.keypair import fault

        data = obj.get("data") or {}
        found = fault(base64.b64decode(data.get("tls.crt", "")), base64.b64decode(data.get("tls.key", "")))
        return [found] if found else []

    def field_values(self, obj: Object) -> Mapping[str, str]:
        return {"type": obj.get("type", "")}


_DOCKER = {
    "kubernetes.io/dockercfg": ".dockercfg",
    "kubernetes.io/dockerconfigjson": ".dockerconfigjson",
}


def _keys_of_type(obj: Object, data: Mapping[str, str]) -> list[FieldError]:
    kind = obj.get("type", "")
    if kind == "kubernetes.io/service-account-token":
        name = (obj["metadata"].get("annotations") or {}).get(ACCOUNT_NAME)
        return [] if name else [required(f"metadata.annotations[{ACCOUNT_NAME}]")]
    if kind in _DOCKER:
        return _docker(f"data[{_DOCKER[kind]}]", data.get(_DOCKER[kind]))
    if kind == "kubernetes.io/basic-auth" and not {"username", "password"} & set(data):
        return [required("data[username]"), required("data[password]")]
    if kind == "kubernetes.io/ssh-auth" and not data.get("ssh-privatekey"):
        return [required("data[ssh-privatekey]")]
    if kind == TLS:
        return [required(f"data[{key}]") for key in ("tls.crt", "tls.key") if key not in data]
    return []


def _docker(path: str, encoded: str | None) -> list[FieldError]:
    if encoded is None:
        return [required(path)]
    hidden = "<secret contents redacted>"
    content = base64.b64decode(encoded)
    try:
        value = orjson.loads(content)
    except orjson.JSONDecodeError:
        return [invalid(path, hidden, _json_fault(content))]
    if value is None or isinstance(value, dict):
        return []
    kinds: dict[type, str] = {str: "string", int: "number", float: "number", bool: "bool", list: "array"}
    why = f"json: cannot unmarshal {kinds[type(value)]} into Go value of type map[string]interface {{}}"
    return [invalid(path, hidden, why)]


def _json_fault(content: bytes) -> str:
    from apiserver.gojson import explain

    return explain(content)


class ServiceAccountStrategy(Free):
    """ServiceAccount."""

    metadata_again = 1
    delete_answers_object = True

    def prepare_for_create(self, obj: Object, context: Context) -> None:
        """References to secrets carry a name only."""
        if obj.get("secrets"):
            obj["secrets"] = [{"name": item.get("name", "")} for item in obj["secrets"]]

    def prepare_for_update(self, obj: Object, old: Object, context: Context) -> None:
        self.prepare_for_create(obj, context)

    def warnings(self, obj: Object, old: Object | None, context: Context) -> list[str]:
        before = ((old or {}).get("metadata") or {}).get("annotations") or {}
        if MOUNTABLE in before or MOUNTABLE not in (obj["metadata"].get("annotations") or {}):
            return []
        why = "deprecated in v1.32+; prefer separate namespaces to isolate access to mounted secrets"
        return [f"metadata.annotations[{MOUNTABLE}]: {why}"]


KINDS: tuple[Kind, ...] = (
    Kind(
        "",
        "v1",
        "ConfigMap",
        "configmaps",
        True,
        ConfigMapStrategy(),
        short_names=("cm",),
        columns=(Column("Data", lambda obj: len(obj.get("data") or {}) + len(obj.get("binaryData") or {})), AGE),
    ),
    Kind(
        "",
        "v1",
        "Secret",
        "secrets",
        True,
        SecretStrategy(),
        columns=(Column("Type", at("type", default="")), Column("Data", lambda obj: len(obj.get("data") or {})), AGE),
        selectable_fields=("type",),
    ),
    Kind(
        "",
        "v1",
        "ServiceAccount",
        "serviceaccounts",
        True,
        ServiceAccountStrategy(),
        short_names=("sa",),
        columns=(AGE,),
        subresources=(
            Subresource("token", ("create",), gvk=("authentication.k8s.io", "v1", "TokenRequest"), handler="token"),
        ),
    ),
)
