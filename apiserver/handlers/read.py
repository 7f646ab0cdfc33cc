"""get and list: which objects are meant, and at which revision."""

from __future__ import annotations

import base64
import posixpath
import string
from collections.abc import Sequence
from typing import TYPE_CHECKING

import orjson

from apiserver import errors, gojson, listoptions
from apiserver.encoding import object_as_version
from apiserver.handlers.commit import key_of
from apiserver.handlers.conversion import showable
from apiserver.handlers.lists import Page, render
from apiserver.handlers.respond import object_response
from apiserver.kinds.kind import Kind
from apiserver.listoptions import ListOptions
from apiserver.request import Response
from apiserver.storage.types import Compacted, Record
from miniplane.apimachinery.selectors import FieldSelector

if TYPE_CHECKING:
    from apiserver.request import Request

EXPIRED = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list "
    "without the continue parameter, or use the continue token in this response to retrieve the remainder of the "
    "results. Continuing with the provided token results in an inconsistent list - objects that were created, "
    "modified, or deleted between the time the first chunk was returned and now may show up in the list."
)

_BASE64 = frozenset(string.ascii_letters + string.digits + "-_")


def find(request: Request) -> Record:
    """The stored object that the URL names. Raises 404."""
    record = request.server.store.get(key_of(request.kind, request.info.namespace, request.info.name))
    if record is None:
        raise errors.not_found(request.kind, request.info.name)
    return record


async def get(request: Request) -> Response:
    """GET of one object."""
    store = request.server.store
    if store.replicated or store.behind:
        await store.consistent()
    asked = request.info.param("resourceVersion")
    if asked:
        try:
            version = listoptions.revision(asked)
        except ValueError as error:
            raise errors.plain_internal(str(error)) from None
        if version > store.revision:
            raise errors.too_large_resource_version(version, store.revision)
    record = find(request)
    if request.kind.conversion is not None:
        await showable(request.kind, [record])
    return object_response(request, record, 200)


async def list_objects(request: Request) -> Response:
    """GET of a collection: filtered, paged, at the revision that was asked for."""
    options = listoptions.parse(request.info, request.kind, watch=False)
    await request.server.store.consistent()
    page = await select(request, options)
    return render(request, page)


async def select(request: Request, options: ListOptions) -> Page:
    """Find the records of a list. Raises 400, 410, 504."""
    kind, store = request.kind, request.server.store
    namespace = request.info.namespace if kind.namespaced else ""
    revision, start = _position(options, store.revision)
    if revision == store.revision or options.resource_version == "0":
        records = candidates(request, namespace, options)
        revision = store.revision
    else:
        try:
            records = await store.snapshot(kind.resource, namespace, revision)
        except Compacted:
            raise _too_old(options, kind, start, store.revision) from None
    if start:
        records = [record for record in records if _order(kind, record) >= start]
    await showable(kind, records)
    if options.selective:
        records = matching(kind, records, options)
    limit = options.limit if options.resource_version != "0" or options.token else 0
    if limit <= 0 or len(records) <= limit:
        return Page(records, revision)
    token = encode_token(revision, _order(kind, records[limit]))
    return Page(records[:limit], revision, token, None if options.selective else len(records) - limit)


def candidates(request: Request, namespace: str, options: ListOptions) -> Sequence[Record]:
    """The current records that may match: one by name, those of an indexed label, or the collection."""
    store, kind = request.server.store, request.kind
    name = options.fields.exact("metadata.name")
    if name is not None and (namespace or not kind.namespaced):
        record = store.get(key_of(kind, namespace, name))
        return [record] if record is not None else []
    return store.list(kind.resource, namespace, label_index=options.labels.equality())


def _order(kind: Kind, record: Record) -> str:
    return f"{record.key.namespace}/{record.key.name}" if kind.namespaced else record.key.name


def _position(options: ListOptions, current: int) -> tuple[int, str]:
    """(revision to list at, first key) of a request. Raises 400, 504."""
    if options.token:
        if options.resource_version not in ("", "0"):
            raise errors.bad_request("specifying resource version is not allowed when using continue")
        revision, start = decode_token(options.token)
        return (revision if revision > 0 else current), start
    version = options.resource_version
    if not version:
        return current, ""
    try:
        asked = listoptions.revision(version)
    except ValueError as error:
        raise errors.bad_request(str(error)) from None
    if asked > current:
        raise errors.too_large_resource_version(asked, current)
    exact = options.match == "Exact" or (not options.match and options.limit > 0 and asked > 0)
    return (asked if exact else current), ""


def _too_old(options: ListOptions, kind: Kind, start: str, current: int) -> Exception:
    if options.token:
        return errors.expired(EXPIRED, encode_token(-1, start))
    return errors.expired("The resourceVersion for the provided list is too old.")


def encode_token(revision: int, start: str) -> str:
    """A continue token: where the next page starts, and at which revision."""
    body = orjson.dumps({"v": "meta.k8s.io/v1", "rv": revision, "start": start})
    return base64.urlsafe_b64encode(body).rstrip(b"=").decode()


def decode_token(token: str) -> tuple[int, str]:
    """(revision, first key) of a continue token. Raises 400 for anything that `encode_token` did not make."""
    try:
        return _token_fields(token)
    except ValueError as error:
        raise errors.bad_request(f"invalid continue token: continue key is not valid{error}") from None


def _token_fields(token: str) -> tuple[int, str]:
    """Raises ValueError with what comes after `continue key is not valid`."""
    bad = next((at for at, character in enumerate(token) if character not in _BASE64), None)
    if bad is None and len(token) % 4 == 1:
        bad = len(token) - 1
    if bad is not None:
        raise ValueError(f": illegal base64 data at input byte {bad}")
    data = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    try:
        value = orjson.loads(data)
        version, revision, start = value.get("v", ""), value.get("rv", 0), value.get("start", "")
    except ValueError:
        raise ValueError(f": {gojson.explain(data)}") from None
    except AttributeError:
        raise ValueError(": json: cannot unmarshal into Go value of type storage.continueToken") from None
    if version != "meta.k8s.io/v1":
        raise ValueError(f": server does not recognize this encoded version {version}")
    if not revision or not isinstance(revision, int):
        raise ValueError(": incorrect encoded start resourceVersion (version meta.k8s.io/v1)")
    if not start or not isinstance(start, str):
        raise ValueError(": encoded start key empty (version meta.k8s.io/v1)")
    rooted = start if start.startswith("/") else f"/{start}"
    if rooted.startswith("//") or posixpath.normpath(rooted) != rooted:
        raise ValueError(f": {start}")
    return revision, start


def matching(kind: Kind, records: Sequence[Record], options: ListOptions) -> list[Record]:
    """The records that fit both selectors."""
    labels, fields = options.labels, options.fields
    if not labels.empty:
        records = [record for record in records if labels.matches(record.labels)]
    if not fields.empty:
        records = [record for record in records if fields_match(kind, record, fields)]
    return list(records)


def fields_match(kind: Kind, record: Record, fields: FieldSelector) -> bool:
    """Whether a record fits a field selector; decodes it only for fields other than name and namespace."""
    known = {"metadata.name": record.key.name, "metadata.namespace": record.key.namespace}
    if any(name not in known for name, _, _ in fields.requirements):
        known.update(kind.strategy.field_values(object_as_version(kind, record)))
    return fields.matches(known)
