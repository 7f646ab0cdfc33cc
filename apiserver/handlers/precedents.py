"""Creates that say the same as an earlier one but for the name: what came of that one is recalled.

Controllers, and tests, create many objects from one template. What the pipeline in `create.py` makes of a request is a
function of
- what the client says: everything but the name goes into the key of a `Case`;
- objects of the cluster that admission looks at: when one changes, what was made before in its namespace, or
  everywhere if it has none, is forgotten;
- the identity of the object: name, uid and the time of day. It is filled in last.
What depends on anything else is not kept (`Precedents.keep`), and neither is what a body came to that came only once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING

import orjson

from apiserver.encoding import outline, to_storage
from apiserver.kinds.kind import Context, Object
from apiserver.negotiation import JSON
from apiserver.recall import DIGEST, LARGEST
from apiserver.storage.types import Event, Key, Write

if TYPE_CHECKING:
    from apiserver.request import Request
    from apiserver.server import App

LIMIT, SEEN = 512, 4096
"""How many precedents are kept, and of how many creates is known that they came once."""
LARGEST_OUTLINE = 4 * LARGEST
"""Bytes that a body may come to: defaults and managed fields are in it."""
_METADATA, _NAME_FIELD = b'"metadata"', b'"name"'
_NAME = re.compile(rb'\s*:\s*"([-a-z0-9]+)"')
_JSON = JSON.encode()


@dataclass(slots=True, frozen=True)
class Case:
    """A create that came as JSON. `key` tells what it says but for the name, `name` is "" where the server is to make
    one; around it is the rest of the body. `changes` counts what admission looks at, as it was when the create came."""

    key: bytes
    name: str
    before: bytes
    after: bytes
    changes: int


@dataclass(slots=True, frozen=True)
class Precedent:
    """What came of a create: an object with blanks for its identity (`encoding.outline`), its labels, and the prefix
    of the names that the server makes."""

    before: bytes
    after: bytes
    labels: Mapping[str, str]
    prefix: str

    def write(self, key: Key, uid: str, now: str) -> Write:
        """The Write that creates another such object."""
        identity = {b"name": key.name.encode(), b"uid": uid.encode(), b"now": now.encode()}
        return Write(key, "ADDED", 0, (self.before % identity, self.after), uid, self.labels)


class Precedents:
    """Precedents by namespace and key. Everything is forgotten when there are too many."""

    def __init__(self, app: App) -> None:
        self._admission = app.admission
        self._changes = 0
        self._seen: set[bytes] = set()
        self._known: dict[str, dict[bytes, Precedent]] = {}
        self._count = 0
        for resource in app.admission.looked_at():
            app.store.listeners.setdefault(resource, []).append(self._changed)

    def _changed(self, event: Event) -> None:
        self._changes += 1
        namespace = event.record.key.namespace
        if namespace:
            self._count -= len(self._known.pop(namespace, ()))
        else:
            self._forget()

    def _forget(self) -> None:
        self._known.clear()
        self._count = 0

    def case(self, request: Request) -> Case | None:
        """The create as a case; None for a body that is too large or no JSON."""
        data, headers = request.received, request.headers
        media = headers.get(b"content-type", _JSON)
        if not data or len(data) > LARGEST or not media.startswith(_JSON):
            return None
        user, info = request.user, request.info
        agent = headers.get(b"user-agent")
        said = (info.path, info.query, media, agent, user.name, user.uid, user.groups, user.extra)
        about = repr(said).encode("utf-8", "surrogatepass")
        before, name, after = _around_name(data)
        text = b"%d %d %b%b%b" % (len(about), len(before), about, before, after)
        return Case(blake2b(text, digest_size=DIGEST).digest(), name.decode(), before, after, self._changes)

    def known(self, request: Request, case: Case | None) -> Precedent | None:
        """What came of an earlier create of this case."""
        found = self._known.get(request.info.namespace) if case is not None else None
        return found.get(case.key) if found and case is not None else None

    def keep(self, case: Case, request: Request, obj: Object, context: Context) -> None:
        """What the pipeline made of a case, unless it is this object's alone."""
        if case.key not in self._seen:
            if len(self._seen) >= SEEN:
                self._seen.clear()
            self._seen.add(case.key)
        elif case.changes == self._changes and not self._alone(request, obj, context) and _names_object(case):
            self._put(request.info.namespace, case, to_storage(request.kind, obj))

    def _alone(self, request: Request, obj: Object, context: Context) -> bool:
        """Whether more came of a request than an object that others might get as well."""
        told = request.warnings or request.audit_annotations
        if told or context.dry_run or context.unique or context.companions:
            return True
        kind = request.kind
        return kind.custom or self._admission.looks_beyond(kind.resource) or not kind.strategy.alike(obj)

    def _put(self, namespace: str, case: Case, obj: Object) -> None:
        metadata = obj["metadata"]
        found = outline(obj)
        if found is None or len(found[0]) + len(found[1]) > LARGEST_OUTLINE:
            return
        if self._count >= LIMIT:
            self._forget()
        prefix = "" if case.name else metadata["generateName"]
        known = self._known.setdefault(namespace, {})
        self._count += case.key not in known
        known[case.key] = Precedent(*found, metadata.get("labels") or {}, prefix)


def _around_name(data: bytes) -> tuple[bytes, bytes, bytes]:
    """A body before, in and after the name of its object, so far as that can be told without parsing it: a wrong guess
    costs the recall, no more. All of a body to which the server makes a name is before it."""
    at = data.find(_METADATA)
    if b'"generateName"' not in data and at >= 0:
        at = data.find(_NAME_FIELD, at)
        found = _NAME.match(data, at + len(_NAME_FIELD)) if at >= 0 else None
        if found is not None:
            return data[: found.start(1)], found[1], data[found.end(1) :]
    return data, b"", b""


def _names_object(case: Case) -> bool:
    """Whether what was taken for the name is where the object's name comes from, and nothing else."""
    if not case.name:
        return _name_in(case.before) is None
    return all(_name_in(b"%b%b%b" % (case.before, name, case.after)) == name.decode() for name in (b"0", b"1"))


def _name_in(data: bytes) -> object:
    """The name that the metadata of a body says."""
    try:
        return orjson.loads(data)["metadata"].get("name")
    except (orjson.JSONDecodeError, TypeError, KeyError, AttributeError):
        return None
