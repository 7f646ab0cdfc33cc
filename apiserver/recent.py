"""Objects as they were committed last, decoded: what is changed again soon after (a pod that starts) need not be read
again from its bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from apiserver.encoding import NOTHING, at_version, object_as_version
from apiserver.kinds.kind import Kind, Object
from apiserver.storage.types import Key, Record

LIMIT = 256
"""Objects that are remembered; a pod takes about 12 KB of memory, less what it shares with its predecessor."""


@dataclass(slots=True)
class _Known:
    """`encoded` is JSON of fields of `obj`."""

    record: Record
    obj: Object
    encoded: Mapping[str, bytes]


class Recent:
    """Decoded objects by key, each of one record and good for that record alone. Nobody may change them."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._known: dict[Key, _Known] = {}

    def object_of(self, kind: Kind, record: Record) -> Object:
        """The object of a record in `kind`'s version, not to be changed."""
        found = self._known.get(record.key)
        if found is not None and found.record is record and found.obj["apiVersion"] == kind.api_version:
            return found.obj
        return object_as_version(kind, record)

    def encoded(self, record: Record, obj: Object) -> Mapping[str, bytes]:
        """JSON of what an object shares with that of a record, where it need not be encoded again: the spec, which
        writes of the status leave alone."""
        found, spec = self._known.get(record.key), obj.get("spec")
        if found is None or spec is None or found.obj.get("spec") is not spec:
            return NOTHING
        if not found.encoded:
            found.encoded = {"spec": orjson.dumps(spec)}
        return found.encoded

    def keep(self, record: Record, obj: Object, encoded: Mapping[str, bytes] = NOTHING) -> None:
        """Remember of what object, which is not changed any more, a record was made, and JSON of its fields. It must be
        in the version that is stored."""
        known = self._known
        known.pop(record.key, None)
        if len(known) >= self._limit:
            del known[next(iter(known))]
        known[record.key] = _Known(record, at_version(obj, str(record.revision)), encoded)
