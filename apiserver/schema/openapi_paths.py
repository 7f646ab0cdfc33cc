"""The paths of a kind as OpenAPI operations, independent of the document's version (see `openapi`)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from apiserver.kinds.kind import Kind, Subresource
from apiserver.schema.openapi_parameters import COLLECTION, DELETE, LIST, WRITE

META = "io.k8s.apimachinery.pkg.apis.meta.v1."
STATUS_BODY = META + "Status"
DELETE_OPTIONS = META + "DeleteOptions"
WATCH_EVENT = META + "WatchEvent"
PATCH_BODY = META + "Patch"

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
READS = ("application/json", "application/yaml", "application/vnd.kubernetes.protobuf")
STREAMS = ("application/json;stream=watch", "application/vnd.kubernetes.protobuf;stream=watch")
CBOR = ("application/cbor",)
CBOR_STREAM = ("application/cbor-seq",)


@dataclass(slots=True, frozen=True)
class Operation:
    """One operation. `body` and `answers` are definition names; `answers` by status."""

    path: str
    method: str
    action: str
    id: str
    description: str
    gvk: tuple[str, str, str]
    answers: dict[str, str]
    body: str = ""
    query: tuple[str, ...] = ()
    consumes: tuple[str, ...] = ("*/*",)
    produces: tuple[str, ...] = READS + CBOR


def camel_group(group: str) -> str:
    """The group in operation ids: `rbac.authorization.k8s.io` -> `RbacAuthorization`, "" -> `Core`."""
    stem = group.removesuffix(".k8s.io") if group else "core"
    return "".join(part[:1].upper() + part[1:] for part in re.split(r"[.\-]", stem))


def tag(group: str, version: str) -> str:
    camel = camel_group(group)
    return f"{camel[:1].lower()}{camel[1:]}_{version}"


def prefix(group: str, version: str) -> str:
    return f"/apis/{group}/{version}" if group else f"/api/{version}"


def article(noun: str) -> str:
    return "an" if noun[:1].lower() in "aeiou" else "a"


class _Paths:
    """The operations of one kind."""

    def __init__(self, kind: Kind, definition: str, list_definition: str) -> None:
        self.kind, self.definition, self.list_definition = kind, definition, list_definition
        self.gvk = (kind.group, kind.version, kind.kind)
        self.base = prefix(kind.group, kind.version)
        self.middle = "/namespaces/{namespace}" if kind.namespaced else ""
        self.group = camel_group(kind.group) + kind.version[:1].upper() + kind.version[1:]
        self.scoped = "Namespaced" if kind.namespaced else ""

    def operations(self) -> Iterator[Operation]:
        collection = f"{self.base}{self.middle}/{self.kind.plural}"
        item = collection + "/{name}"
        yield from self.collection(collection)
        yield from self.item(item)
        for sub in self.kind.subresources:
            yield from self.subresource(f"{item}/{sub.name}", sub)
        if self.kind.namespaced and "list" in self.kind.verbs:
            yield self.listing(f"{self.base}/{self.kind.plural}", "ForAllNamespaces")
        yield from self.watches()

    def id(self, verb: str, suffix: str = "", scoped: str | None = None) -> str:
        return f"{verb}{self.group}{self.scoped if scoped is None else scoped}{self.kind.kind}{suffix}"

    def collection(self, path: str) -> Iterator[Operation]:
        noun = self.kind.kind
        if "list" in self.kind.verbs:
            yield self.listing(path)
        if "create" in self.kind.verbs:
            text = f"create {article(noun)} {noun}"
            answers = dict.fromkeys(("200", "201", "202"), self.definition)
            yield self.make(path, "post", "post", self.id("create"), text, answers, self.definition, WRITE)
        if "deletecollection" in self.kind.verbs:
            text, name = f"delete collection of {noun}", self.id("delete", "", f"Collection{self.scoped}")
            answers = {"200": STATUS_BODY}
            yield self.make(path, "delete", "deletecollection", name, text, answers, DELETE_OPTIONS, COLLECTION)

    def listing(self, path: str, suffix: str = "") -> Operation:
        name = self.id("list", suffix, "" if suffix else None)
        text = f"list or watch objects of kind {self.kind.kind}"
        streams = (*READS, *STREAMS, *CBOR, *CBOR_STREAM)
        return self.make(path, "get", "list", name, text, {"200": self.list_definition}, "", LIST, produces=streams)

    def item(self, path: str) -> Iterator[Operation]:
        noun, verbs = self.kind.kind, self.kind.verbs
        if "get" in verbs:
            yield self.make(path, "get", "get", self.id("read"), f"read the specified {noun}", {"200": self.definition})
        if "update" in verbs:
            yield self.put(path, f"replace the specified {noun}", self.definition, self.gvk)
        if "delete" in verbs:
            answers = dict.fromkeys(("200", "202"), self.definition if self._answers_object() else STATUS_BODY)
            text = f"delete {article(noun)} {noun}"
            yield self.make(path, "delete", "delete", self.id("delete"), text, answers, DELETE_OPTIONS, DELETE)
        if "patch" in verbs:
            yield self.patch(path, f"partially update the specified {noun}", self.definition, self.gvk)

    def _answers_object(self) -> bool:
        return self.kind.strategy.delete_answers_object

    def subresource(self, path: str, sub: Subresource) -> Iterator[Operation]:
        noun = self.kind.kind
        suffix = "".join(part[:1].upper() + part[1:] for part in sub.name.split("/"))
        gvk = sub.gvk or self.gvk
        body = definition_name(*sub.gvk) if sub.gvk else self.definition
        if "get" in sub.verbs:
            text = f"read {sub.name} of the specified {noun}"
            yield self.make(path, "get", "get", self.id("read", suffix), text, {"200": body}, gvk=gvk)
        if "update" in sub.verbs:
            yield self.put(path, f"replace {sub.name} of the specified {noun}", body, gvk, suffix)
        if "create" in sub.verbs:
            text = f"create {sub.name} of {article(noun)} {noun}"
            answers = dict.fromkeys(("200", "201", "202"), body)
            yield self.make(path, "post", "post", self.id("create", suffix), text, answers, body, WRITE, gvk=gvk)
        if "patch" in sub.verbs:
            yield self.patch(path, f"partially update {sub.name} of the specified {noun}", body, gvk, suffix)

    def put(self, path: str, text: str, body: str, gvk: tuple[str, str, str], suffix: str = "") -> Operation:
        answers = dict.fromkeys(("200", "201"), body)
        return self.make(path, "put", "put", self.id("replace", suffix), text, answers, body, WRITE, gvk=gvk)

    def patch(self, path: str, text: str, body: str, gvk: tuple[str, str, str], suffix: str = "") -> Operation:
        answers = dict.fromkeys(("200", "201"), body)
        takes = [JSON_PATCH, MERGE_PATCH, *([] if self.kind.custom else [STRATEGIC_PATCH]), APPLY_PATCH]
        query = [*WRITE, "force"]
        name = self.id("patch", suffix)
        return self.make(path, "patch", "patch", name, text, answers, PATCH_BODY, query, tuple(takes), gvk=gvk)

    def watches(self) -> Iterator[Operation]:
        if "watch" not in self.kind.verbs or self.kind.custom:
            return
        collection = f"{self.middle}/{self.kind.plural}"
        yield self.watch(collection + "/{name}", "watch", self.id("watch"))
        yield self.watch(collection, "watchlist", self.id("watch", "List"))
        if self.kind.namespaced:
            name = self.id("watch", "ListForAllNamespaces", "")
            yield self.watch(f"/{self.kind.plural}", "watchlist", name)

    def watch(self, path: str, action: str, name: str) -> Operation:
        many = "individual changes to a list" if action == "watchlist" else "changes to an object"
        text = f"watch {many} of {self.kind.kind}. deprecated: use the 'watch' parameter with a list operation instead"
        if action == "watch":
            text += ", filtered to a single item with the 'fieldSelector' parameter."
        else:
            text += "."
        streams = (*READS, *STREAMS, *CBOR, *CBOR_STREAM)
        answers = {"200": WATCH_EVENT}
        return self.make(f"{self.base}/watch{path}", "get", action, name, text, answers, query=LIST, produces=streams)

    def make(
        self,
        path: str,
        method: str,
        action: str,
        name: str,
        description: str,
        answers: dict[str, str],
        body: str = "",
        query: list[str] | None = None,
        consumes: tuple[str, ...] = ("*/*",),
        produces: tuple[str, ...] = READS + CBOR,
        gvk: tuple[str, str, str] | None = None,
    ) -> Operation:
        parameters = tuple(query or ())
        return Operation(
            path, method, action, name, description, gvk or self.gvk, answers, body, parameters, consumes, produces
        )


_GROUP_PACKAGES = {
    "apiextensions.k8s.io": "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions",
    "apiregistration.k8s.io": "io.k8s.kube-aggregator.pkg.apis.apiregistration",
}


def definition_name(group: str, version: str, kind: str) -> str:
    """The definition of a built-in kind: `io.k8s.api.core.v1.Pod`."""
    package = _GROUP_PACKAGES.get(group) or f"io.k8s.api.{group.partition('.')[0] or 'core'}"
    if group == "meta.k8s.io":
        return META + kind
    return f"{package}.{version}.{kind}"


def custom_definition_name(group: str, version: str, kind: str) -> str:
    """The definition of a custom kind: the group's parts reversed."""
    return ".".join([*reversed(group.split(".")), version, kind])


def operations(kind: Kind, definition: str, list_definition: str) -> Iterator[Operation]:
    """Every operation of a kind."""
    return _Paths(kind, definition, list_definition).operations()


def path_parameters(path: str) -> list[dict[str, Any]]:
    """The parameters in a path, in the order of their names."""
    texts = {
        "name": "name of the {}",
        "namespace": "object name and auth scope, such as for teams and projects",
        "path": "path to the resource",
    }
    names = sorted(re.findall(r"{(\w+)}", path))
    return [{"name": name, "in": "path", "required": True, "description": texts[name]} for name in names]
