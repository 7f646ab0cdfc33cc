"""What a client asks to be answered in (Accept) and what it sent (Content-Type): pure parsing, no encoding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from apiserver import errors

JSON = "application/json"
YAML = "application/yaml"
PROTOBUF = "application/vnd.kubernetes.protobuf"
CBOR = "application/cbor"
OBJECT_TYPES = (JSON, YAML, PROTOBUF)
LIST_TYPES = (*OBJECT_TYPES, f"{JSON};stream=watch", f"{PROTOBUF};stream=watch")
TRANSFORMS = frozenset({"Table", "PartialObjectMetadata", "PartialObjectMetadataList"})


@dataclass(slots=True, frozen=True)
class Output:
    """The chosen representation. `transform` is "" or one of TRANSFORMS in `meta.k8s.io/<version>`."""

    media: str = JSON
    transform: str = ""
    version: str = "v1"
    pretty: bool = False


PLAIN = Output()
PEOPLES_CLIENTS = (b"curl", b"Wget", b"Mozilla/5.0")
TRUE = frozenset({"1", "t", "T", "true", "TRUE", "True"})
"""What Go's strconv.ParseBool takes for true."""


def for_people(agent: bytes, pretty: str) -> bool:
    """Whether JSON is to be indented: the parameter `pretty` decides, without it the `User-Agent` (isPrettyPrint)."""
    return pretty in TRUE if pretty else agent.startswith(PEOPLES_CLIENTS)


@dataclass(slots=True, frozen=True)
class Clause:
    media: str
    params: tuple[tuple[str, str], ...]
    quality: float


def clauses(accept: str) -> list[Clause]:
    """The clauses of an Accept header, best first; equal quality keeps the order."""
    found = []
    for part in accept.split(","):
        media, *rest = part.split(";")
        params, quality = [], 1.0
        for param in rest:
            name, _, value = param.strip().partition("=")
            if name == "q":
                try:
                    quality = float(value)
                except ValueError:
                    quality = 1.0
            else:
                params.append((name, value.strip('"')))
        if media.strip():
            found.append(Clause(media.strip().lower(), tuple(params), quality))
    return sorted(found, key=lambda clause: -clause.quality)


@lru_cache(maxsize=256)
def negotiate(accept: str, is_list: bool, offered: tuple[str, ...] = OBJECT_TYPES) -> Output:
    """Choose a representation. Raises 406: one text where the route has none of the media types, another where the
    transformation does not exist (the order of the real server: routing first)."""
    if not accept.strip() or accept.strip() == "*/*":
        return PLAIN
    wanted = clauses(accept)
    routed = LIST_TYPES if is_list else OBJECT_TYPES
    if not any(clause.media == "*/*" or clause.media in OBJECT_TYPES for clause in wanted):
        raise errors.not_acceptable(routed)
    for clause in wanted:
        media = _media(clause.media, offered)
        if media is None:
            continue
        output = _with_params(media, dict(clause.params))
        if output is not None:
            return output
    raise errors.not_acceptable_transform()


def _media(media: str, offered: Sequence[str]) -> str | None:
    if media in ("*/*", "application/*"):
        return offered[0]
    return media if media in offered else None


def _with_params(media: str, params: dict[str, str]) -> Output | None:
    stream = params.get("stream")
    if stream and stream != "watch":
        return None
    transform = params.get("as", "")
    version = params.get("v", "")
    pretty = params.get("pretty") == "1"
    if not transform:
        return Output(media, pretty=pretty)
    if transform not in TRANSFORMS or params.get("g") != "meta.k8s.io" or version not in ("v1", "v1beta1"):
        return None
    return Output(media, transform, version, pretty)


def error_media(accept: str) -> str:
    """The media type in which an error is sent: what was asked for where we have it, else JSON."""
    for clause in clauses(accept):
        if clause.media in OBJECT_TYPES:
            return clause.media
        if clause.media in ("*/*", "application/*"):
            return JSON
    return JSON


def content_type(header: str) -> str:
    """The media type of a body: lower case, parameters dropped; absent means JSON. Raises 415 for other types."""
    media = header.partition(";")[0].strip().lower()
    if not media:
        return JSON
    if media not in OBJECT_TYPES:
        raise errors.unsupported_media_type()
    return media
