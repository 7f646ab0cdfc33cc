"""Objects as they were committed last, decoded: what is changed again soon after (a pod that starts) need not be read
again from its bytes."""

from __future__ import annotations

from apiserver.encoding import at_version, object_as_version
from apiserver.kinds.kind import Kind, Object
from apiserver.storage.types import Key, Record

LIMIT = 256
"""Objects that are remembered; a pod takes about 12 KB of memory, less what it shares with its predecessor."""


class Recent:
    """Decoded objects by key, each of one record and good for that record alone. Nobody may change them."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._known: dict[Key, tuple[Record, Object]] = {}

    def object_of(self, kind: Kind, record: Record) -> Object:
        """The object of a record in `kind`'s version, not to be changed."""
        found = self._known.get(record.key)
        if found is not None and found[0] is record and found[1]["apiVersion"] == kind.api_version:
            return found[1]
        return object_as_version(kind, record)

    def keep(self, record: Record, obj: Object) -> None:
        """Remember of what object, which is not changed any more, a record was made. It must be in the version that is
        stored."""
        known = self._known
        known.pop(record.key, None)
        if len(known) >= self._limit:
            del known[next(iter(known))]
        known[record.key] = (record, at_version(obj, str(record.revision)))
