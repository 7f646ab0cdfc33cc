"""The records that pass between handlers and storage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

EventType = Literal["ADDED", "MODIFIED", "DELETED"]


class Key(NamedTuple):
    """`resource` is "plural.group" ("pods", "deployments.apps"); `namespace` is "" for cluster-scoped objects."""

    resource: str
    namespace: str
    name: str


class Claim(NamedTuple):
    """Something only one object may hold: ("nodeport/TCP", "30080")."""

    space: str
    value: str


@dataclass(slots=True, eq=False)
class Record:
    """A stored object. `data` is the whole JSON, resourceVersion included; nobody changes a Record once it is made.

    `labels` serves label selectors; `uid` preconditions. Equal label keys and values are shared (interned).
    `version_at` is where in `data` the digits of the resourceVersion begin. `memo` is for readers: what they made of
    this content (a Table row), gone with the record.
    """

    key: Key
    revision: int
    uid: str
    data: bytes
    labels: Mapping[str, str]
    version_at: int
    memo: Any = None

    def reversioned(self, revision: int) -> Record:
        """The same content at another resourceVersion."""
        end = self.version_at + len(str(self.revision))
        data = self.data[: self.version_at] + str(revision).encode() + self.data[end:]
        return Record(self.key, revision, self.uid, data, self.labels, self.version_at)


@dataclass(slots=True, eq=False)
class Event:
    """One change. `record` is the new object (for DELETED: the last content with the deletion's revision), `previous`
    what it replaced (None for ADDED). `claims` is everything the object holds from now on, None for what it held."""

    type: EventType
    revision: int
    record: Record
    previous: Record | None
    claims: tuple[Claim, ...] | None = None


@dataclass(slots=True)
class Write:
    """One change to commit.

    expected: 0 = the object must not exist, n = it must be at revision n.
    template: (before, after) the place of the resourceVersion digits in the encoded JSON. For a deletion: of the last
    content, as the DELETED event shows it.
    claims: everything the object holds once this is committed (a deletion: ()); None leaves its claims alone.
    """

    key: Key
    type: EventType
    expected: int
    template: tuple[bytes, bytes]
    uid: str
    labels: Mapping[str, str]
    claims: tuple[Claim, ...] | None = None


class Exists(Exception):
    """A creation met an object of that key."""

    def __init__(self, key: Key) -> None:
        super().__init__(key)
        self.key = key


class Stale(Exception):
    """The object is gone (`current` None) or at another revision than expected."""

    def __init__(self, key: Key, current: Record | None) -> None:
        super().__init__(key)
        self.key, self.current = key, current


class ClaimTaken(Exception):
    """Another object holds this claim."""

    def __init__(self, key: Key, claim: Claim) -> None:
        super().__init__(key, claim)
        self.key, self.claim = key, claim


class Compacted(Exception):
    """The asked revision is older than what the log keeps; `oldest` is the compaction point."""

    def __init__(self, revision: int, oldest: int) -> None:
        super().__init__(revision, oldest)
        self.revision, self.oldest = revision, oldest


class Unavailable(Exception):
    """The database cannot be reached or refuses writes (disk full, read only)."""
