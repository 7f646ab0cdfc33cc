"""Objects and errors -> answers in the representation that was negotiated."""

from __future__ import annotations

import asyncio
import zlib
from typing import TYPE_CHECKING, Any

import orjson

from apiserver import errors, negotiation, table
from apiserver.encoding import as_version, dumps
from apiserver.kinds.kind import Kind, Object
from apiserver.negotiation import JSON, PROTOBUF, YAML, Output
from apiserver.request import Response
from apiserver.storage.types import Record
from miniplane.apimachinery.status import StatusError

if TYPE_CHECKING:
    from apiserver.request import Request

GZIP_FROM = 128 * 1024
"""Bodies above this many bytes are compressed for clients that ask for gzip (kube-apiserver's threshold)."""


GZIP_HEADERS = ((b"content-encoding", b"gzip"), (b"vary", b"Accept-Encoding"))


def object_response(request: Request, found: Record | Object, status: int) -> Response:
    """One object: the stored bytes as they are where the client wants plain JSON."""
    output = request.output
    if isinstance(found, Record):
        data = as_version(request.kind, found)
        if output is negotiation.PLAIN or output == negotiation.PLAIN:
            return Response(status, data)
        return value_response(request, transformed(request, orjson.loads(data)), status)
    return value_response(request, transformed(request, found), status)


def transformed(request: Request, obj: Object, view: Kind | None = None) -> Object:
    """The object (a `view` of it) as the asked-for Table or PartialObjectMetadata. Raises 406."""
    output, kind = request.output, view or request.kind
    if not output.transform:
        return obj
    if output.transform == "PartialObjectMetadataList":
        why = f"you requested PartialObjectMetadataList, but the requested object is not a list (*{go_type(kind)})"
        raise errors.not_acceptable_transform(why)
    if output.transform == "PartialObjectMetadata":
        return table.partial_metadata(obj, output.version)
    rows = [table.row(kind, table.columns_of(kind), obj, include(request), output.version)]
    return table_of(request, rows, {"resourceVersion": obj["metadata"].get("resourceVersion", "")}, kind)


def go_type(kind: Kind) -> str:
    """The internal Go type as errors print it."""
    if kind.custom:
        return "unstructured.Unstructured"
    return f"{kind.group.partition('.')[0] or 'core'}.{kind.kind}"


def include(request: Request) -> str:
    """The includeObject option of Tables. Raises 400."""
    value = request.info.param("includeObject")
    if value not in ("", "None", "Metadata", "Object"):
        shown = orjson.dumps(value).decode()
        why = f"includeObject: Invalid value: {shown}: must be 'Metadata', 'Object', 'None', or empty"
        raise errors.bad_request(f"Unable to convert to Table as requested: {why}")
    return value


def table_of(request: Request, rows: list[Object], metadata: Object, kind: Kind) -> Object:
    return {
        "kind": "Table",
        "apiVersion": f"meta.k8s.io/{request.output.version}",
        "metadata": metadata,
        "columnDefinitions": table.definitions(table.columns_of(kind)),
        "rows": rows,
    }


def value_response(request: Request, value: Any, status: int) -> Response:
    """Any API object (not stored, or transformed) in the negotiated media type."""
    body, media = encode(value, request.output, request.output.pretty)
    return Response(status, body, media)


def encode(value: Any, output: Output, indent: bool = False) -> tuple[bytes, str]:
    """(body, media type)."""
    if output.media == YAML:
        return to_yaml(value), YAML
    if output.media == PROTOBUF:
        from apiserver.protobuf.codec import encode as encode_protobuf

        return encode_protobuf(value), PROTOBUF
    return dumps(value, indent), JSON


def to_yaml(value: Any) -> bytes:
    """YAML as sigs.k8s.io/yaml writes it: sorted keys, block style, no wrapped lines."""
    from apiserver.yamlout import dump

    return dump(value).encode()


def status_response(error: StatusError, accept: str, indent: bool = False) -> Response:
    """An error as a Status object."""
    headers = [(name.lower().encode(), value.encode()) for name, value in error.headers.items()]
    output = Output(negotiation.error_media(accept)) if accept else negotiation.PLAIN
    body, media = encode(error.body(), output, indent)
    return Response(error.code, body, media, headers)


def success_status(kind: Kind, name: str, uid: str) -> Object:
    """What DELETE answers for most kinds."""
    details = {"name": name, "group": kind.group, "kind": kind.plural, "uid": uid}
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": {key: value for key, value in details.items() if value},
    }


async def compressed(request: Request, response: Response) -> Response:
    """gzip for answers of GZIP_FROM bytes and more, to clients that take it; the work is done beside the event loop."""
    if not takes_gzip(request):
        return response
    response.body = await asyncio.get_running_loop().run_in_executor(None, _gzip, response.body)
    response.headers += GZIP_HEADERS
    return response


def takes_gzip(request: Request) -> bool:
    return b"gzip" in request.headers.get(b"accept-encoding", b"")


def gzip_packer() -> Any:
    """A zlib compressor that writes gzip, fast rather than small."""
    return zlib.compressobj(1, zlib.DEFLATED, 31)


def _gzip(body: bytes) -> bytes:
    packer = gzip_packer()
    packed: bytes = packer.compress(body)
    rest: bytes = packer.flush()
    return packed + rest
