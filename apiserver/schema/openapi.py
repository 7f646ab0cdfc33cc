"""OpenAPI documents of what is served: v2 as one document, v3 as one per group version with an index."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import orjson

from apiserver.kinds.kind import Kind
from apiserver.schema import openapi_paths as paths
from apiserver.schema import openapi_schemas as schemas_of
from apiserver.schema.custom_openapi import as_swagger, custom_definitions
from apiserver.schema.openapi_parameters import PARAMETERS
from apiserver.schema.openapi_paths import Operation
from apiserver.schema.references import references
from apiserver.schema.registry import Schemas

Json = dict[str, Any]
_PATCH: Json = {
    "description": "Patch is provided to give a concrete name and type to the Kubernetes PATCH request body.",
    "type": "object",
}
_UNAUTHORIZED = {"401": {"description": "Unauthorized"}}
_STATUS_TEXT = {"200": "OK", "201": "Created", "202": "Accepted"}


class OpenAPI:
    """The documents of the kinds given; every document is made when first asked for and kept."""

    def __init__(self, schemas: Schemas, kinds: Sequence[Kind]) -> None:
        self.schemas, self.kinds = schemas, kinds
        self.version = f"v1.{schemas.minor}.0"
        self._v3: dict[tuple[str, str], Json] = {}
        self._v2: Json | None = None
        self._index: Json | None = None

    def v2(self) -> Json:
        """The Swagger 2.0 document."""
        if self._v2 is None:
            self._v2 = self._swagger()
        return self._v2

    def v3(self, group: str, version: str) -> Json | None:
        """The OpenAPI 3.0 document of a group version; None for one that is not served."""
        found = self._v3.get((group, version))
        if found is None:
            kinds = [kind for kind in self.kinds if (kind.group, kind.version) == (group, version)]
            if not kinds:
                return None
            found = self._v3[group, version] = self._document(group, version, kinds)
        return found

    def v3_index(self) -> Json:
        """Where each group version's document is. The hash in its URL says when to fetch it again (clients keep the
        answer for as long as the URL stays)."""
        if self._index is None:
            served = dict.fromkeys((kind.group, kind.version) for kind in self.kinds)
            self._index = {"paths": dict(sorted(self._index_entry(*pair) for pair in served))}
        return self._index

    def _index_entry(self, group: str, version: str) -> tuple[str, Json]:
        path = paths.prefix(group, version)
        return path[1:], {"serverRelativeURL": f"/openapi/v3{path}?hash={self._hash(group, version)}"}

    def _hash(self, group: str, version: str) -> str:
        """Over what the document is made of rather than over the document: the index is asked for first."""
        basis: list[Any] = [self.schemas.minor, group, version]
        for kind in self.kinds:
            if (kind.group, kind.version) == (group, version):
                subresources = [[sub.name, sub.verbs] for sub in kind.subresources]
                basis.append([kind.plural, kind.kind, kind.namespaced, kind.verbs, subresources])
                basis.append(custom_definitions(kind) if kind.custom else None)
        digest = hashlib.sha512(orjson.dumps(basis, option=orjson.OPT_NON_STR_KEYS)).hexdigest()
        return digest.upper()

    def _names(self, kind: Kind) -> tuple[str, str]:
        """The definitions of a kind and of its list."""
        if kind.custom:
            make = paths.custom_definition_name
            return make(kind.group, kind.version, kind.kind), make(kind.group, kind.version, kind.list_name)
        name = self.schemas.definition_name(kind.group, kind.version, kind.kind)
        listed = self.schemas.definition_name(kind.group, kind.version, kind.list_name)
        guess = paths.definition_name(kind.group, kind.version, kind.kind)
        return name or guess, listed or f"{name or guess}List"

    def _operations(self, kinds: Iterable[Kind]) -> list[Operation]:
        found = [operation for kind in kinds for operation in paths.operations(kind, *self._names(kind))]
        return sorted(found, key=lambda operation: operation.path)

    def _document(self, group: str, version: str, kinds: list[Kind]) -> Json:
        operations = self._operations(kinds)
        served: Json = {}
        for operation in operations:
            entry = served.setdefault(operation.path, {})
            entry[operation.method] = _operation_v3(operation)
            entry["parameters"] = [_parameter_v3(item, operation) for item in paths.path_parameters(operation.path)] + [
                _query_v3("pretty")
            ]
        wanted = {name for operation in operations for name in _definitions_of(operation)}
        wanted.update(name for kind in kinds for name in self._names(kind))
        return {
            "openapi": "3.0.0",
            "info": {"title": "Kubernetes", "version": self.version},
            "paths": served,
            "components": {
                "schemas": self._components(wanted, kinds),
                "securitySchemes": {"BearerToken": _SECURITY},
            },
        }

    def _components(self, wanted: set[str], kinds: list[Kind]) -> Json:
        custom = {name: schema for kind in kinds if kind.custom for name, schema in custom_definitions(kind).items()}
        found: Json = {}
        todo = list(wanted)
        while todo:
            name = todo.pop()
            if name in found:
                continue
            if name in custom:
                found[name] = custom[name]
            elif name in self.schemas.raw:
                found[name] = schemas_of.component(name, self.schemas.raw[name])
            else:
                found[name] = _PATCH if name == paths.PATCH_BODY else {"type": "object"}
            todo.extend(references(found[name]))
        return dict(sorted(found.items()))

    def _swagger(self) -> Json:
        operations = self._operations(self.kinds)
        served: Json = {}
        for operation in operations:
            entry = served.setdefault(operation.path, {})
            entry[operation.method] = _operation_v2(operation)
            entry["parameters"] = [_parameter_v2(item, operation) for item in paths.path_parameters(operation.path)] + [
                _query_v2("pretty")
            ]
        definitions = {name: schemas_of.swagger(name, raw) for name, raw in self.schemas.raw.items()}
        definitions[paths.PATCH_BODY] = _PATCH
        for kind in self.kinds:
            if kind.custom:
                for name, schema in custom_definitions(kind).items():
                    definitions[name] = as_swagger(schema)
        for operation in operations:
            for name in _definitions_of(operation):
                definitions.setdefault(name, {"type": "object"})
        return {
            "swagger": "2.0",
            "info": {"title": "Kubernetes", "version": self.version},
            "paths": served,
            "definitions": dict(sorted(definitions.items())),
            "securityDefinitions": {"BearerToken": _SECURITY},
            "security": [{"BearerToken": []}],
        }


_SECURITY = {"description": "Bearer Token authentication", "type": "apiKey", "name": "authorization", "in": "header"}


def _definitions_of(operation: Operation) -> Iterable[str]:
    return filter(None, (operation.body, *operation.answers.values()))


def _common(operation: Operation) -> Json:
    group, version, kind = operation.gvk
    owner = operation.path.split("/")
    served = (owner[2], owner[3]) if owner[1] == "apis" else ("", owner[2])
    return {
        "tags": [paths.tag(*served)],
        "description": operation.description,
        "operationId": operation.id,
        "x-kubernetes-action": operation.action,
        "x-kubernetes-group-version-kind": {"group": group, "kind": kind, "version": version},
    }


def _content(media: Iterable[str], name: str) -> Json:
    schema = {"schema": {"$ref": f"#/components/schemas/{name}"}}
    return dict.fromkeys(media, schema)


def _operation_v3(operation: Operation) -> Json:
    found = _common(operation)
    if operation.query:
        found["parameters"] = [_query_v3(name) for name in operation.query]
    if operation.body:
        found["requestBody"] = {"content": _content(operation.consumes, operation.body)}
        if operation.method != "delete":
            found["requestBody"]["required"] = True
    answers = {
        code: {"description": _STATUS_TEXT[code], "content": _content(operation.produces, name)}
        for code, name in operation.answers.items()
    }
    found["responses"] = answers | _UNAUTHORIZED
    return found


def _operation_v2(operation: Operation) -> Json:
    found = _common(operation)
    found["consumes"] = list(operation.consumes)
    found["produces"] = list(operation.produces)
    found["schemes"] = ["https"]
    parameters: list[Json] = []
    if operation.body:
        schema = {"$ref": f"#/definitions/{operation.body}"}
        parameters.append({"name": "body", "in": "body", "schema": schema})
        if operation.method != "delete":
            parameters[0]["required"] = True
    parameters += [_query_v2(name) for name in operation.query]
    if parameters:
        found["parameters"] = parameters
    answers = {
        code: {"description": _STATUS_TEXT[code], "schema": {"$ref": f"#/definitions/{name}"}}
        for code, name in operation.answers.items()
    }
    found["responses"] = answers | _UNAUTHORIZED
    return found


def _parameter(item: Json, operation: Operation) -> Json:
    return {**item, "description": item["description"].format(operation.gvk[2])}


def _parameter_v3(item: Json, operation: Operation) -> Json:
    return {**_parameter(item, operation), "schema": {"type": "string", "uniqueItems": True}}


def _parameter_v2(item: Json, operation: Operation) -> Json:
    return {**_parameter(item, operation), "type": "string", "uniqueItems": True}


@cache
def _query_v3(name: str) -> Json:
    kind, description = PARAMETERS[name]
    schema = {"type": kind, "uniqueItems": True}
    return {"name": name, "in": "query", "description": description, "schema": schema}


@cache
def _query_v2(name: str) -> Json:
    kind, description = PARAMETERS[name]
    return {"uniqueItems": True, "type": kind, "description": description, "name": name, "in": "query"}
