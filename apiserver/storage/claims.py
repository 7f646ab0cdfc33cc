"""Who holds what: addresses, ports and whatever else only one object may have."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, delete, insert, select, tuple_

from apiserver.storage import tables
from apiserver.storage.types import Claim, ClaimTaken, Event, Key, Write

PAGE = 1000


@dataclass(slots=True)
class Plan:
    """What a batch does, and how to take it back."""

    events: list[Event] = field(default_factory=list)
    undo: list[Callable[[], None]] = field(default_factory=list)
    claimed: list[tuple[Claim, Key]] = field(default_factory=list)
    released: list[Claim] = field(default_factory=list)
    holders: set[Key] = field(default_factory=set)

    def take_back(self) -> None:
        """Undo all of it; the plan is empty then."""
        for step in reversed(self.undo):
            step()
        for steps in (self.events, self.undo, self.claimed, self.released):
            steps.clear()
        self.holders.clear()


class Claims:
    """The claims table in memory: by what is claimed, and (`owned`) by who holds it."""

    def __init__(self) -> None:
        self._holders: dict[Claim, Key] = {}
        self.owned: dict[Key, tuple[Claim, ...]] = {}

    def load(self, connection: Connection) -> None:
        """Read all of them."""
        self.owned = _read(connection.execute(select(tables.claims)))
        self._holders = {claim: key for key, claims in self.owned.items() for claim in claims}

    @staticmethod
    def of(connection: Connection, keys: Iterable[Key]) -> dict[Key, tuple[Claim, ...]]:
        """What these objects hold in the database."""
        held: dict[Key, tuple[Claim, ...]] = {}
        columns = (tables.claims.c.resource, tables.claims.c.namespace, tables.claims.c.name)
        wanted = list(keys)
        for start in range(0, len(wanted), PAGE):
            some = tuple_(*columns).in_(wanted[start : start + PAGE])
            held |= _read(connection.execute(select(tables.claims).where(some)))
        return held

    def take_over(self, events: Sequence[Event], held: dict[Key, tuple[Claim, ...]]) -> None:
        """Events of other processes, after which their objects hold `held`; the events are told so."""
        for event in events:
            key = event.record.key
            if key in held or key in self.owned:
                event.claims = () if event.type == "DELETED" else held.get(key, ())
        # let go of everything first: what one leaves another may have taken
        for key in {event.record.key for event in events} & self.owned.keys():
            for claim in self.owned.pop(key):
                del self._holders[claim]
        for key, claims in held.items():
            self.owned[key] = claims
            self._holders.update(dict.fromkeys(claims, key))

    def release(self, plan: Plan, writes: Sequence[Write]) -> None:
        """What the writes of a group let go of is free for the others of the group, whatever their order."""
        for write in writes:
            held = self.owned.get(write.key)
            if held and write.claims is not None:
                self._hold(plan, write.key, tuple(claim for claim in held if claim in write.claims))

    def plan(self, plan: Plan, write: Write) -> tuple[Claim, ...] | None:
        """Take and release; what the object holds then, None where nothing changes. Raises ClaimTaken."""
        if write.claims is None:
            return None
        key = write.key
        if not write.claims and key not in self.owned and key not in plan.holders:
            return None
        for claim in write.claims:
            holder = self._holders.get(claim)
            if holder is not None and holder != key:
                raise ClaimTaken(key, claim)
        self._hold(plan, key, tuple(dict.fromkeys(write.claims)))
        return self.owned.get(key, ())

    def _hold(self, plan: Plan, key: Key, wanted: tuple[Claim, ...]) -> None:
        held = self.owned.get(key, ())
        plan.holders.add(key)
        plan.undo.append(lambda: self._restore(key, held))
        for claim in held:
            if claim not in wanted:
                del self._holders[claim]
                plan.released.append(claim)
        for claim in wanted:
            if claim not in held:
                self._holders[claim] = key
                plan.claimed.append((claim, key))
        if wanted:
            self.owned[key] = wanted
        else:
            self.owned.pop(key, None)

    def _restore(self, key: Key, held: tuple[Claim, ...]) -> None:
        for claim in self.owned.pop(key, ()):
            if claim not in held:
                self._holders.pop(claim, None)
        for claim in held:
            self._holders[claim] = key
        if held:
            self.owned[key] = held

    def write(self, connection: Connection, plan: Plan) -> None:
        """Put what a plan has changed into the database."""
        table = tables.claims
        for claim in plan.released:
            connection.execute(delete(table).where(table.c.space == claim.space, table.c.value == claim.value))
        final = {claim: key for claim, key in plan.claimed if self._holders.get(claim) == key}
        for claim, key in final.items():
            connection.execute(insert(table).values(space=claim.space, value=claim.value, **key._asdict()))


def _read(rows: Iterable[Any]) -> dict[Key, tuple[Claim, ...]]:
    held: dict[Key, tuple[Claim, ...]] = {}
    for row in rows:
        key = Key(row.resource, row.namespace, row.name)
        held[key] = (*held.get(key, ()), Claim(row.space, row.value))
    return held
