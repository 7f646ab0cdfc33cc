"""Discovery documents, legacy and aggregated, from the kind registry."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from functools import cache, cached_property
from typing import Any



from apiserver.kinds.kind import Kind, Subresource
from apiserver.negotiation import JSON, clauses

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
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v={};as=APIGroupDiscoveryList"


@cache
def storage_hash(group: str, version: str, kind: str) -> str:
    """storageVersionHash: the first eight bytes of a SHA-256 (`discovery.StorageVersionHash`)."""
    return base64.b64encode(hashlib.sha256(f"{group}/{version}/{kind}".encode()).digest()[:8]).decode()


def _version_order(version: str) -> tuple[int, int, int]:
    """GA before beta before alpha, newer before older (`version.CompareKubeAwareVersionStrings`)."""
    import re

    match = re.fullmatch(r"v(\d+)(?:(alpha|beta)(\d+))?", version)
    if match is None:
        return (3, 0, 0)
    stage = {None: 0, "beta": 1, "alpha": 2}[match[2]]
    return (stage, -int(match[1]), -int(match[3] or 0))


class Discovery:
    """Documents are made once for a set of kinds."""

    def __init__(self, kinds: Sequence[Kind]) -> None:
        self._kinds = list(kinds)

    @cached_property
    def groups(self) -> dict[str, dict[str, list[Kind]]]:
        """group -> version -> kinds, all in the order in which they are listed."""
        found: dict[str, dict[str, list[Kind]]] = {}
        for kind in self._kinds:
            found.setdefault(kind.group, {}).setdefault(kind.version, []).append(kind)
        ordered = sorted(found, key=lambda group: (PRIORITIES.index(group) if group in PRIORITIES else 99, group))
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
        return {
            "kind": "APIGroupDiscoveryList",
            "apiVersion": f"apidiscovery.k8s.io/{version}",
            "metadata": {},
            "items": items,
        }

    def etag(self, body: bytes) -> str:
        return '"' + hashlib.sha256(body).hexdigest().upper() + '"'


def aggregated_version(accept: str) -> tuple[str, bool]:
    """(the aggregated version that a client wants, "" for none; whether plain JSON would do as well)."""
    plain = not accept.strip()
    for clause in clauses(accept):
        params = dict(clause.params)
        if clause.media in (JSON, "*/*", "application/yaml", "application/vnd.kubernetes.protobuf") and "as" not in params:
            return "", True
        if clause.media == JSON and params.get("as") == "APIGroupDiscoveryList" and params.get("v") == "v2":
            return "v2", plain
    return "", plain


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


