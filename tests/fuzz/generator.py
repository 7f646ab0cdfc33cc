"""Requests that no client should send: from what the server publishes, from valid objects gone wrong, from noise."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Json = Any

NAMES = ["web", "kubernetes", "default", "no-such", "UPPER", "a" * 300, "%2e%2e", "x%00y", "é", "..", "a/b", "%ff"]
WORDS = [
    "",
    "a",
    "True",
    "null",
    "0",
    "-1",
    "1e999",
    "9" * 40,
    "\x00",
    "\ud83d",
    "a=b,c in (d",
    "!x",
    "kube",
    "10.96.0.1",
    "*",
]
NUMBERS = [0, -1, 1, 30000, 65536, 2**31, 2**63, -(2**63) - 1, 10**30, 1.5, 1e308, True]
PARAMETERS = [
    "limit", "continue", "resourceVersion", "resourceVersionMatch", "labelSelector", "fieldSelector", "timeoutSeconds",
    "dryRun", "fieldManager", "fieldValidation", "force", "pretty", "propagationPolicy", "gracePeriodSeconds",
    "orphanDependents", "sendInitialEvents", "allowWatchBookmarks", "includeObject", "timeout", "unheard-of",
]  # fmt: skip
PATCHES = [
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
    "application/apply-patch+cbor",
]
MEDIA = [
    "application/json",
    "application/yaml",
    "application/vnd.kubernetes.protobuf",
    "text/plain",
    "application/cbor",
    "",
]
ACCEPTS = [
    "application/json",
    "application/yaml",
    "application/vnd.kubernetes.protobuf",
    "application/json;as=Table;v=v1;g=meta.k8s.io",
    "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io",
    "application/vnd.kubernetes.protobuf;as=Table;v=v1;g=meta.k8s.io",
    "*/*;q=2",
    "text/html",
    ";;;",
]
DIRECTIVES = ["$patch", "$retainKeys", "$setElementOrder/ports", "$deleteFromPrimitiveList/finalizers"]
PLAIN_PATHS = [
    "/",
    "/api",
    "/apis",
    "/version",
    "/openapi/v2",
    "/openapi/v3",
    "/healthz",
    "/readyz/ping",
    "/metrics",
    "/x",
]


@dataclass
class Asked:
    """One request as it goes over the wire; `label` says in a report what it was."""

    label: str
    data: bytes
    head_only: bool = False


class Generator:
    """Endless requests from a seed. `resources`: paths of collections with a valid object each."""

    def __init__(self, seed: int, token: str, resources: dict[str, Json]) -> None:
        self.random = random.Random(seed)
        self.token = token
        self.resources = {path: {**obj, **valid(path)} for path, obj in resources.items()}
        self.paths = sorted(resources)
        self.valid = [path for path in self.paths if valid(path)]

    def next(self) -> Asked:
        """One more."""
        make: Callable[[], Asked] = self.random.choices(
            [self.reading, self.writing, self.patching, self.deleting, self.plain, self.noise], [4, 6, 6, 1, 1, 1]
        )[0]
        return make()

    def pick(self, choices: list[Any]) -> Any:
        return self.random.choice(choices)

    def collection(self) -> str:
        return str(self.pick(self.valid if self.random.random() < 0.6 else self.paths))

    def path(self) -> str:
        path = self.collection()
        if self.random.random() < 0.8:
            path += "/" + (f"fuzz-{self.random.randrange(4)}" if self.random.random() < 0.7 else self.pick(NAMES))
        if self.random.random() < 0.2:
            path += "/" + self.pick(["status", "scale", "log", "exec", "binding", "eviction", "finalize", "token", "x"])
        return path

    def query(self) -> str:
        count = self.random.choices([0, 1, 2, 5], [4, 3, 2, 1])[0]
        parts = [
            f"{self.pick(PARAMETERS)}={quoted(self.pick([*WORDS, *map(str, NUMBERS), 'All', 'Strict', 'Exact']))}"
            for _ in range(count)
        ]
        return ("?" + "&".join(parts)) if parts else ""

    def asked(self, method: str, target: str, body: bytes = b"", media: str = "application/json") -> Asked:
        lines = [f"{method} {target} HTTP/1.1", "Host: x", f"Authorization: Bearer {self.token}"]
        lines += [f"Content-Length: {len(body)}"] if body else []
        lines += [f"Content-Type: {media}"] if media else []
        lines += [f"Accept: {self.pick(ACCEPTS)}"] if self.random.random() < 0.3 else []
        head = "\r\n".join(lines).encode("utf-8", "surrogatepass")
        return Asked(f"{method} {target} {media} {body[:2000]!r}", head + b"\r\n\r\n" + body, method == "HEAD")

    def reading(self) -> Asked:
        query = self.query()
        if self.random.random() < 0.1:
            query = "?watch=1&timeoutSeconds=1" + query.replace("?", "&")  # the first value of a parameter counts
        return self.asked(self.pick(["GET", "GET", "GET", "HEAD"]), self.path() + query)

    def writing(self) -> Asked:
        path = self.collection()
        obj = self.mutated(json.loads(json.dumps(self.resources[path])), 0)
        name = f"fuzz-{self.random.randrange(4)}"
        if isinstance(obj, dict) and isinstance(obj.get("metadata"), dict) and self.random.random() < 0.9:
            obj["metadata"]["name"] = name
        put = self.random.random() < 0.4
        target = f"{path}/{name}" if put else path
        if put and self.random.random() < 0.3:
            target += "/status"
        return self.asked("PUT" if put else "POST", target + self.query(), *self.encoded(obj))

    def encoded(self, obj: Json) -> tuple[bytes, str]:
        media = self.pick(MEDIA) if self.random.random() < 0.2 else "application/json"
        body = json.dumps(obj).encode()
        chance = self.random.random()
        if media.endswith("protobuf"):
            body = b"k8s\x00" + (body if chance < 0.3 else self.random.randbytes(self.random.randrange(200)))
        elif chance < 0.05:
            body = body[: self.random.randrange(len(body) + 1)]
        elif chance < 0.1:
            at = self.random.randrange(len(body) + 1)
            body = body[:at] + self.random.randbytes(3) + body[at:]
        elif chance < 0.12:
            body = b'{"a":' * 3000 + b"1" + b"}" * 3000
        elif chance < 0.13:
            body = b"[" * 200_000
        return body, media

    def mutated(self, value: Json, depth: int) -> Json:
        """The value with a few places gone wrong."""
        if self.random.random() < 0.01:
            return self.wrong()
        if isinstance(value, dict):
            changed = {key: self.mutated(item, depth + 1) for key, item in value.items() if self.random.random() > 0.01}
            if self.random.random() < 0.02:
                changed[self.pick([*WORDS, *DIRECTIVES])] = self.wrong()
            return changed
        if isinstance(value, list):
            items = [self.mutated(item, depth + 1) for item in value]
            return items * 2 if self.random.random() < 0.03 else items
        return value

    def wrong(self) -> Json:
        simple: list[Json] = [
            self.pick(WORDS),
            self.pick(NUMBERS),
            None,
            [],
            {},
            [None],
            [[]],
            {"": None},
            {"a": {"b": []}},
        ]
        return self.pick(simple)

    def patching(self) -> Asked:
        path = self.collection()
        media = self.pick(PATCHES)
        target = f"{path}/fuzz-{self.random.randrange(4)}"
        if "json-patch" in media:
            body: Json = [self.operation(self.resources[path]) for _ in range(self.random.randrange(4))]
        else:
            body = self.mutated(json.loads(json.dumps(self.resources[path])), 0)
            if isinstance(body, dict) and self.random.random() < 0.3:
                body[self.pick(DIRECTIVES)] = self.pick([*WORDS, "delete", "replace", "merge", [], [{"port": 80}]])
        if self.random.random() < 0.2:
            target += "/" + self.pick(["status", "scale", "x"])
        query = self.query()
        if "apply" in media and self.random.random() < 0.8:
            query += ("&" if query else "?") + "fieldManager=fuzz&force=true"
        return self.asked("PATCH", target + query, json.dumps(body).encode(), media)

    def operation(self, obj: Json) -> Json:
        where, value = [], obj
        while isinstance(value, (dict, list)) and value and self.random.random() < 0.8:
            key = self.random.randrange(len(value)) if isinstance(value, list) else self.pick(list(value))
            where.append(str(key))
            value = value[key]
        pointer = "/" + "/".join(where) + self.pick(["", "", "", "/-", "/x", "/99999999999999999999", "/~"])
        found = {"op": self.pick(["add", "remove", "replace", "move", "copy", "test", "x"]), "path": pointer}
        if self.random.random() < 0.8:
            found["value"] = self.wrong()
        if self.random.random() < 0.5:
            found["from"] = self.pick([pointer, "/metadata", "/", "x"])
        return found

    def deleting(self) -> Asked:
        body = json.dumps(self.mutated({"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"uid": "x"}}, 0))
        data = body.encode() if self.random.random() < 0.3 else b""
        target = self.collection() + f"/fuzz-{self.random.randrange(4)}"
        return self.asked("DELETE", target + self.query(), data)

    def plain(self) -> Asked:
        return self.asked(self.pick(["GET", "POST", "OPTIONS", "BREW"]), self.pick(PLAIN_PATHS) + self.query())

    def noise(self) -> Asked:
        """Bytes that are hardly HTTP."""
        data = bytearray(self.asked("GET", self.path()).data)
        for _ in range(self.random.randrange(1, 6)):
            data[self.random.randrange(len(data))] = self.random.randrange(256)
        return Asked(f"noise {bytes(data)!r}", bytes(data) if self.random.random() < 0.7 else self.random.randbytes(99))


def valid(path: str) -> Json:
    """The parts of a valid object, for collections of which we know them."""
    return SPECS.get(path.rpartition("/")[2], {})


def quoted(text: str) -> str:
    """Percent-encoded, badly formed text included."""
    return "".join(f"%{byte:02X}" for byte in text.encode("utf-8", "surrogatepass"))


TEMPLATE: Json = {
    "metadata": {"labels": {"app": "web"}},
    "spec": {"containers": [{"name": "c", "image": "nginx", "ports": [{"containerPort": 80}], "env": [{"name": "A"}]}]},
}
WORKLOAD: Json = {"selector": {"matchLabels": {"app": "web"}}, "template": TEMPLATE}
SPECS: dict[str, Json] = {
    "pods": {"spec": TEMPLATE["spec"]},
    "services": {
        "spec": {
            "type": "NodePort",
            "selector": {"app": "web"},
            "ports": [{"name": "http", "port": 80, "targetPort": "http", "nodePort": 30080}, {"name": "b", "port": 81}],
        }
    },
    "configmaps": {"data": {"a": "b"}, "binaryData": {"c": "AAAA"}},
    "secrets": {"type": "Opaque", "data": {"a": "AAAA"}, "stringData": {"b": "c"}},
    "nodes": {"spec": {"podCIDR": "10.0.0.0/24", "taints": [{"key": "a", "effect": "NoSchedule"}]}},
    "namespaces": {},
    "endpoints": {"subsets": [{"addresses": [{"ip": "10.0.0.1"}], "ports": [{"port": 80}]}]},
    "endpointslices": {"addressType": "IPv4", "endpoints": [{"addresses": ["10.0.0.1"]}], "ports": [{"port": 80}]},
    "deployments": {"spec": {**WORKLOAD, "replicas": 2}},
    "statefulsets": {"spec": {**WORKLOAD, "serviceName": "web"}},
    "daemonsets": {"spec": WORKLOAD},
    "replicasets": {"spec": WORKLOAD},
    "jobs": {"spec": {"template": {"spec": {**TEMPLATE["spec"], "restartPolicy": "Never"}}}},
    "ingresses": {"spec": {"defaultBackend": {"service": {"name": "web", "port": {"number": 80}}}}},
    "networkpolicies": {"spec": {"podSelector": {}, "ingress": [{"from": [{"podSelector": {}}]}]}},
    "resourcequotas": {"spec": {"hard": {"pods": "10"}}},
    "roles": {"rules": [{"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}]},
    "serviceaccounts": {"secrets": [{"name": "a"}]},
    "leases": {"spec": {"holderIdentity": "a", "leaseDurationSeconds": 10, "renewTime": "2026-01-01T00:00:00.000000Z"}},
    "events": {"involvedObject": {"namespace": "default", "kind": "Pod", "name": "a"}, "reason": "A"},
}
"""What makes objects of the most used kinds valid; the others are as their schema says."""

_PARTS: Json = {
    "type": "object",
    "required": ["name"],
    "properties": {"name": {"type": "string"}, "n": {"type": "number"}},
}
_SPEC: Json = {
    "type": "object",
    "x-kubernetes-validations": [{"rule": "self.size >= oldSelf.size"}, {"rule": "size(self.tags) < 3"}],
    "properties": {
        "size": {"type": "integer", "minimum": 0, "default": 1},
        "color": {"type": "string", "enum": ["red", "blue"], "nullable": True},
        "port": {"x-kubernetes-int-or-string": True},
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        "inner": {
            "type": "object",
            "x-kubernetes-embedded-resource": True,
            "x-kubernetes-preserve-unknown-fields": True,
        },
        "tags": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set", "default": []},
        "parts": {
            "type": "array",
            "items": _PARTS,
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
        },
        "counts": {"type": "object", "additionalProperties": {"type": "integer"}},
    },
}
DEFINITION: Json = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "widgets.fuzz.example.com"},
    "spec": {
        "group": "fuzz.example.com",
        "names": {"plural": "widgets", "kind": "Widget"},
        "scope": "Namespaced",
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": _SPEC}}},
            }
        ],
    },
}
"""A custom resource with one of everything that a structural schema can say."""
SPECS["widgets"] = {
    "spec": {
        "size": 3,
        "color": "red",
        "port": "http",
        "free": {"a": [1, {"b": None}]},
        "inner": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}},
        "tags": ["a", "b"],
        "parts": [{"name": "a", "n": 1.5}],
        "counts": {"a": 1},
    }
}
