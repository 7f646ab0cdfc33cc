"""Discovery documents, legacy and aggregated, from the kind registry."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import orjson

from apiserver.kinds.kind import Kind, Subresource
from apiserver.negotiation import JSON, OBJECT_TYPES, PROTOBUF, YAML, clauses

PRIORITIES = (
    "",
    "apiregistration.k8s.io",
    "apps",
    "events.k8s.io",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "autoscaling",
    "batch",
    "certificates.k8s.io",
    "networking.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "storage.k8s.io",
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "scheduling.k8s.io",
    "coordination.k8s.io",
    "node.k8s.io",
    "discovery.k8s.io",
    "resource.k8s.io",
    "flowcontrol.apiserver.k8s.io",
)
"""The order in which the real server lists its groups (kube-apiserver's APIService priorities)."""
AGGREGATED_GROUP, AGGREGATED_KIND = "apidiscovery.k8s.io", "APIGroupDiscoveryList"
CUSTOM_PRIORITY = len(PRIORITIES)
"""Custom groups come after the server's own, by name."""


@cache
def storage_hash(group: str, version: str, kind: str) -> str:
    """storageVersionHash: the first eight bytes of a SHA-256 (`discovery.StorageVersionHash`)."""
    return base64.b64encode(hashlib.sha256(f"{group}/{version}/{kind}".encode()).digest()[:8]).decode()


def _version_order(version: str) -> tuple[int, int, int]:
    """GA before beta before alpha, newer before older (`version.CompareKubeAwareVersionStrings`)."""
    match = re.fullmatch(r"v(\d+)(?:(alpha|beta)(\d+))?", version)
    if match is None:
        return (3, 0, 0)
    stage = {None: 0, "beta": 1, "alpha": 2}[match[2]]
    return (stage, -int(match[1]), -int(match[3] or 0))


_AGGREGATED_VERSIONS = {"v2": (30, 999), "v2beta1": (27, 32)}
"""The Kubernetes minors that serve a version of the aggregated form (KEP-3352)."""


@dataclass(slots=True, frozen=True)
class Aggregated:
    """An aggregated document, encoded. `tag` is its ETag."""

    body: bytes
    media: str
    tag: str


def _group_order(group: str) -> tuple[int, str]:
    return (PRIORITIES.index(group) if group in PRIORITIES else CUSTOM_PRIORITY, group)


class Discovery:
    """Documents of one set of kinds. Aggregated ones are kept as bytes: every client start asks for them; the legacy
    ones are small."""

    def __init__(self, kinds: Sequence[Kind], minor: int = 36) -> None:
        self._kinds = list(kinds)
        self._encoded: dict[tuple[bool, str, str], Aggregated] = {}
        self.aggregated_versions = tuple(
            version for version, (since, until) in _AGGREGATED_VERSIONS.items() if since <= minor <= until
        )

    @cached_property
    def groups(self) -> dict[str, dict[str, list[Kind]]]:
        """group -> version -> kinds, all in the order in which they are listed."""
        found: dict[str, dict[str, list[Kind]]] = {}
        for kind in self._kinds:
            found.setdefault(kind.group, {}).setdefault(kind.version, []).append(kind)
        ordered = sorted(found, key=_group_order)
        return {
            group: {
                version: sorted(found[group][version], key=lambda kind: kind.plural)
                for version in sorted(found[group], key=_version_order)
            }
            for group in ordered
        }

    def legacy_versions(self, address: str) -> dict[str, Any]:
        """/api"""
        return {
            "kind": "APIVersions",
            "versions": list(self.groups.get("", {})),
            "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}],
        }

    def group_list(self) -> dict[str, Any]:
        """/apis"""
        groups = [self._group(group) for group in self.groups if group]
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}

    def _group(self, group: str) -> dict[str, Any]:
        versions = [{"groupVersion": f"{group}/{version}", "version": version} for version in self.groups[group]]
        return {"name": group, "versions": versions, "preferredVersion": versions[0]}

    def group(self, group: str) -> dict[str, Any] | None:
        """/apis/GROUP"""
        if group not in self.groups:
            return None
        return {"kind": "APIGroup", "apiVersion": "v1", **self._group(group)}

    def resources(self, group: str, version: str) -> dict[str, Any] | None:
        """/api/v1 and /apis/GROUP/VERSION"""
        kinds = self.groups.get(group, {}).get(version)
        if kinds is None:
            return None
        found = [entry for kind in kinds for entry in _entries(kind)]
        body: dict[str, Any] = {"kind": "APIResourceList"}
        if group:
            body["apiVersion"] = "v1"
        return {**body, "groupVersion": f"{group}/{version}" if group else version, "resources": found}

    def aggregated(self, core: bool, version: str) -> dict[str, Any]:
        """The APIGroupDiscoveryList of /api (`core`) or /apis."""
        items = [
            {
                "metadata": {"name": group} if group else {},
                "versions": [
                    {"version": name, "resources": [_aggregated(kind) for kind in kinds], "freshness": "Current"}
                    for name, kinds in versions.items()
                ],
            }
            for group, versions in self.groups.items()
            if (group == "") is core
        ]
        api_version = f"{AGGREGATED_GROUP}/{version}"
        return {"kind": AGGREGATED_KIND, "apiVersion": api_version, "metadata": {}, "items": items}

    def aggregated_document(self, accept: str, *, core: bool) -> Aggregated | None:
        """The aggregated document that a client asks for; None where it wants the legacy one, or nothing we have."""
        wanted = _aggregated_form(accept, self.aggregated_versions)
        if wanted is None:
            return None
        key = (core, *wanted)
        if key not in self._encoded:
            self._encoded[key] = self._encode(*key)
        return self._encoded[key]

    def _encode(self, core: bool, media: str, version: str) -> Aggregated:
        value = self.aggregated(core, version)
        if media == PROTOBUF:
            from apiserver.protobuf.codec import encode

            body = encode(value)
        elif media == YAML:
            from apiserver.yamlout import dump

            body = dump(value).encode()
        else:
            body = orjson.dumps(value)
        return Aggregated(body, f"{media};g={AGGREGATED_GROUP};v={version};as={AGGREGATED_KIND}", etag(body))


def etag(body: bytes) -> str:
    """A strong entity tag (RFC 9110, 8.8.3) made from the content."""
    return '"' + hashlib.sha256(body).hexdigest().upper() + '"'


def _aggregated_form(accept: str, versions: Sequence[str]) -> tuple[str, str] | None:
    """(media type, version): the first clause that can be met decides between aggregated and legacy."""
    for clause in clauses(accept):
        params = dict(clause.params)
        media = JSON if clause.media in ("*/*", "application/*") else clause.media
        if media not in OBJECT_TYPES:
            continue
        if "as" not in params:
            return None
        asked = (params.get("g"), params.get("as"))
        if asked == (AGGREGATED_GROUP, AGGREGATED_KIND) and params.get("v") in versions:
            return media, params["v"]
    return None


def _entries(kind: Kind) -> list[dict[str, Any]]:
    entry: dict[str, Any] = {
        "name": kind.plural,
        "singularName": kind.singular or kind.kind.lower(),
        "namespaced": kind.namespaced,
        "kind": kind.kind,
        "verbs": _verbs(kind),
    }
    if kind.handler:
        entry["singularName"] = kind.kind.lower()
    if kind.short_names:
        entry["shortNames"] = list(kind.short_names)
    if kind.categories:
        entry["categories"] = list(kind.categories)
    if "watch" in kind.verbs:
        group, version = kind.stored_as or (kind.group, kind.version)
        entry["storageVersionHash"] = storage_hash(group, version, kind.kind)
    return [entry, *(_sub_entry(kind, sub) for sub in kind.subresources)]


CUSTOM_VERBS = ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"]


def _verbs(kind: Kind) -> list[str]:
    return CUSTOM_VERBS if kind.custom else sorted(kind.verbs)


def _sub_entry(kind: Kind, sub: Subresource) -> dict[str, Any]:
    group, version, name = sub.gvk or (kind.group, kind.version, kind.kind)
    entry: dict[str, Any] = {
        "name": f"{kind.plural}/{sub.name}",
        "singularName": "",
        "namespaced": kind.namespaced,
        "kind": name,
        "verbs": list(sub.verbs),
    }
    if (group, version) != (kind.group, kind.version):
        entry |= {"group": group, "version": version}
    return entry


def _aggregated(kind: Kind) -> dict[str, Any]:
    def response(group: str, version: str, name: str) -> dict[str, str]:
        same = (group, version) == (kind.group, kind.version) and not kind.custom
        return {"group": "" if same else group, "version": "" if same else version, "kind": name}

    found: dict[str, Any] = {
        "resource": kind.plural,
        "responseKind": response(kind.group, kind.version, kind.kind),
        "scope": "Namespaced" if kind.namespaced else "Cluster",
        "singularResource": kind.singular or kind.kind.lower(),
        "verbs": _verbs(kind),
    }
    if kind.short_names:
        found["shortNames"] = list(kind.short_names)
    if kind.categories:
        found["categories"] = list(kind.categories)
    if kind.subresources:
        found["subresources"] = [
            {
                "subresource": sub.name,
                "responseKind": response(*(sub.gvk or (kind.group, kind.version, kind.kind))),
                "verbs": list(sub.verbs),
            }
            for sub in kind.subresources
        ]
    return found
