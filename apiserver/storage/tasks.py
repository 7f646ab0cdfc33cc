"""What the writer is asked to do, and what it shows where it had to start over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from apiserver.storage.types import Claim, Key, Record, Write


@dataclass(slots=True)
class Group:
    """Writes that are committed together or not at all."""

    writes: Sequence[Write]
    done: asyncio.Future[list[Record]]


@dataclass(slots=True)
class Task:
    """Something to run in the writer thread between batches; what only reads keeps nobody from writing."""

    run: Callable[[Connection], Any]
    done: asyncio.Future[Any]
    reads: bool = True


@dataclass(slots=True)
class Picture:
    """The database as it was at one revision."""

    records: dict[Key, Record]
    owned: dict[Key, tuple[Claim, ...]]
    revision: int
