"""The OpenAPI documents as they are sent: built and compressed once, each with its entity tag, as kube-openapi does."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from apiserver.discovery import etag
from apiserver.negotiation import JSON, clauses
from apiserver.protobuf.openapi import MEDIA_TYPE as PROTOBUF_V2

GZIP_LEVEL = 5
"""Documents are compressed once and kept that way: a tenth of their size."""
V2_TYPES = {
    JSON: JSON,
    "application/com.github.proto-openapi.spec.v2@v1.0+protobuf": PROTOBUF_V2,
    PROTOBUF_V2: PROTOBUF_V2,
}
"""What a client may ask of /openapi/v2 -> what it is answered in."""
ANYTHING = ("*/*", "application/*")


@dataclass(slots=True, frozen=True)
class Document:
    """A document, compressed."""

    packed: bytes
    tag: str

    @property
    def plain(self) -> bytes:
        return gzip.decompress(self.packed)


class Documents:
    """The documents of one `OpenAPI`, made when first asked for. Safe to use from several threads: at worst one is
    made twice."""

    def __init__(self, source: Any) -> None:
        self.source = source
        self._kept: dict[str, Document | None] = {}

    def v2(self, media: str) -> Document:
        """/openapi/v2 in one of the types of `V2_TYPES`."""
        found = self._get(f"v2 {media}", self._v2_protobuf if media == PROTOBUF_V2 else self.source.v2)
        assert found is not None
        return found

    def _v2_protobuf(self) -> bytes:
        from apiserver.protobuf.openapi import openapi_v2_protobuf

        return openapi_v2_protobuf(self.source.v2())

    def index(self) -> Document:
        """/openapi/v3"""
        found = self._get("v3", self.source.v3_index)
        assert found is not None
        return found

    def group_version(self, path: str) -> Document | None:
        """/openapi/v3/PATH, for `api/v1` and `apis/GROUP/VERSION`; None for others."""
        root, _, rest = path.partition("/")
        group, _, version = rest.rpartition("/")
        if not rest or (root, bool(group)) not in (("api", False), ("apis", True)):
            return None
        return self._get(path, lambda: self.source.v3(group, version), f'"{self.hash_of(path)}"')

    def hash_of(self, path: str) -> str:
        """The hash that the index links a document with."""
        entry = self.source.v3_index()["paths"].get(path) or {}
        return str(entry.get("serverRelativeURL", "")).partition("hash=")[2]

    def _get(self, name: str, make: Callable[[], Any], tag: str = "") -> Document | None:
        if name in self._kept:
            return self._kept[name]
        value = make()
        if value is None:
            return None
        body = value if isinstance(value, bytes) else orjson.dumps(value)
        self._kept[name] = found = Document(gzip.compress(body, GZIP_LEVEL), tag or etag(body))
        return found


def v2_media(accept: str) -> str | None:
    """The media type of a /openapi/v2 answer; None where we have none that the client takes."""
    if not accept.strip():
        return JSON
    for clause in clauses(accept):
        if clause.media in ANYTHING:
            return JSON
        if clause.media in V2_TYPES:
            return V2_TYPES[clause.media]
    return None


def v3_acceptable(accept: str) -> bool:
    """/openapi/v3/... documents are JSON."""
    return not accept.strip() or any(clause.media in (JSON, *ANYTHING) for clause in clauses(accept))
