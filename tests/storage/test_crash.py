"""kill -9 under write load: no answered write is lost, no half write, no claim without its object."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

from apiserver.storage.store import Store
from miniplane.settings import database_url
from tests.storage.objects import content

KILLS = 20
WRITER = """
import asyncio, sys
from pathlib import Path
from apiserver.storage.store import Store
from miniplane.settings import database_url
from apiserver.storage.types import Claim
from tests.storage.objects import make_write

async def main() -> None:
    store = await Store.open(database_url(None, Path(sys.argv[1])))
    first = int(sys.argv[2])
    async def worker(number: int) -> None:
        for step in range(10_000):
            name = f"{first}-{number}-{step}"
            pair = [make_write(name, claims=(Claim("port", name),)), make_write(name + "-twin")]
            await store.submit(pair)
            print(name, flush=True)
    await asyncio.gather(*(worker(number) for number in range(8)))
asyncio.run(main())
"""


def _load_and_kill(directory: Path, round_number: int) -> list[str]:
    """Write until some answers are in, then kill -9; the names that were answered."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(directory), str(round_number)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    answered = [process.stdout.readline().strip() for _ in range(20 + 7 * round_number)]
    process.kill()
    answered += process.stdout.read().splitlines()
    process.wait()
    complete = [name for name in answered if name.count("-") == 2]
    return complete[:-1]  # the last line may have been cut


async def _verify(directory: Path, answered: list[str]) -> None:
    store = await Store.open(database_url(None, directory))
    try:
        names = {record.key.name for record in store.list("things")}
        assert set(answered) <= names
        assert all(f"{name}-twin" in names for name in names if not name.endswith("-twin"))
        assert set(store.claims("port")) == {name for name in names if not name.endswith("-twin")}
        versions = [int(content(r)["metadata"]["resourceVersion"]) for r in store.list("things")]  # type: ignore[index]
        assert len(set(versions)) == len(versions)
        assert max(versions) <= store.revision
    finally:
        await store.close()


def test_twenty_kills_lose_nothing(tmp_path: Path) -> None:
    answered: list[str] = []
    for number in range(KILLS):
        answered += _load_and_kill(tmp_path, number)
        asyncio.run(_verify(tmp_path, answered))
    assert len(answered) > KILLS * 20
