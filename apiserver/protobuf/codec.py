"""Whole objects: the envelope of four bytes and a runtime.Unknown, and the frames of a watch.

Source: k8s.io/apimachinery `runtime/serializer/protobuf` and `runtime/generated.proto`.
"""

from __future__ import annotations

from typing import Any

from apiserver.kinds.kind import Object
from apiserver.protobuf.decoding import read_message
from apiserver.protobuf.encoding import write_message
from apiserver.protobuf.messages import META, Message, message, message_of
from apiserver.protobuf.wire import ProtobufError, delimited, text, varint
from miniplane.apimachinery.status import StatusError

MAGIC = b"k8s\x00"
"""The four bytes before every object."""
RAW_TAG = b"\x12"
"""Of the field that holds the message, Unknown.raw: number 2, delimited."""
CLOSING = delimited(3, b"") + delimited(4, b"")
UNKNOWN = "k8s.io.apimachinery.pkg.runtime.Unknown"
WATCH_EVENT = META + "WatchEvent"

__all__ = ["ProtobufError", "decode", "encode", "encode_watch_event", "supported"]


def supported(api_version: str, kind: str) -> bool:
    """Whether a kind has a protobuf form: custom resources and Tables have none."""
    return message_of(api_version, kind) is not None


def decode(body: bytes, *, api_version: str = "", kind: str = "") -> Object:
    """The object in a body. Absent fields stay absent, zero values that were sent are there: `schema.decode` knows
    which of them Go would show.

    api_version, kind: what it is where the envelope does not say. Raises ProtobufError with the real server's text.
    """
    envelope = _unwrap(body)
    type_meta = envelope.get("typeMeta") or {}
    api_version = type_meta.get("apiVersion") or api_version
    kind = type_meta.get("kind") or kind
    if not kind:
        raise ProtobufError("Object 'Kind' is missing in protobuf message")
    plan = message_of(api_version, kind)
    if plan is None:
        raise ProtobufError(
            f'no kind "{kind}" is registered for version "{api_version}" in scheme "pkg/api/legacyscheme/scheme.go:30"'
        )
    raw: bytes = envelope.get("raw", b"")
    found: Object = {"apiVersion": api_version, "kind": kind}
    found |= read_message(plan, raw, 0, len(raw))
    return found


def _unwrap(body: bytes) -> dict[str, Any]:
    if not body:
        raise ProtobufError("empty data")
    if not body.startswith(MAGIC):
        prefix = " ".join(str(byte) for byte in MAGIC)
        raise ProtobufError(f"provided data does not appear to be a protobuf message, expected prefix [{prefix}]")
    if len(body) == len(MAGIC):
        raise ProtobufError("empty body")
    found: dict[str, Any] = read_message(message(UNKNOWN), body, len(MAGIC), len(body))
    return found


def encode(obj: Object) -> bytes:
    """An object or list with its envelope. Raises StatusError 406 for a kind without a protobuf form."""
    api_version, kind = obj.get("apiVersion", ""), obj.get("kind", "")
    raw = encode_part(api_version, kind, obj)
    return b"".join((opening(api_version, kind, len(raw)), raw, CLOSING))


def opening(api_version: str, kind: str, size: int) -> bytes:
    """The envelope up to the `size` bytes of the message; CLOSING comes behind them."""
    type_meta = text(1, api_version) + text(2, kind)
    return MAGIC + delimited(1, type_meta) + RAW_TAG + varint(size)


def encode_part(api_version: str, kind: str, part: Object) -> bytes:
    """Some fields of a message, a few items of a list for one: such parts in a row are the message. Raises StatusError
    406 for a kind without a protobuf form."""
    return write_message(required(api_version, kind), part)


def required(api_version: str, kind: str) -> Message:
    """The message of a kind. Raises StatusError 406 where it has none."""
    plan = message_of(api_version, kind)
    if plan is None:
        version = api_version.rpartition("/")[2]
        raise StatusError(
            406,
            "NotAcceptable",
            f"object *{version}.{kind} does not implement the protobuf marshalling interface and cannot be encoded to "
            "a protobuf message",
        )
    return plan


def encode_watch_event(event: str, obj: Object) -> bytes:
    """One frame of a watch: four bytes of length (big-endian), then a bare WatchEvent that holds the object with its
    envelope (`framer.LengthDelimitedFramer`, `protobuf.NewRawSerializer`)."""
    body = text(1, event) + delimited(2, delimited(1, encode(obj)))
    return len(body).to_bytes(4, "big") + body
