"""The memory of a process that serves: what was loaded is left alone, and what is free goes back to the system."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable
from pathlib import Path

GC_THRESHOLDS = (50_000, 20, 100)
LOOK_SECONDS = 5.0
WORK_SECONDS = 0.01
"""CPU time of this process within which it frees nothing that is worth a look."""
SLACK_PAGES = 2048
"""Growth (8 MB of usual pages) since the process was smallest that is."""
_STATM = Path("/proc/self/statm")


def settle() -> None:
    """Keep what was loaded out of garbage collection, and collect less often: requests leave few cycles, and walking a
    cache of many thousand objects stalls every client."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


async def give_back() -> None:
    """Give free memory back to the system, for as long as the process serves.

    glibc gives back only what is free at the end of its heap, and one small block there that is in use keeps all that a
    thousand closed TLS connections had. Elsewhere than with glibc this returns at once.
    """
    trim = await asyncio.to_thread(_malloc_trim)
    if trim is None:
        return
    least, worked = _resident(), time.process_time()
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        if time.process_time() - worked < WORK_SECONDS:
            continue
        if _resident() > least + SLACK_PAGES:
            await asyncio.to_thread(trim, 0)
        least, worked = min(least, _resident()), time.process_time()


def _resident() -> int:
    """Of this process, in pages."""
    return int(_STATM.read_text().split()[1])


def _malloc_trim() -> Callable[[int], int] | None:
    import ctypes  # takes 4 ms, which a start can do without

    if not _STATM.exists():
        return None
    trim: Callable[[int], int] | None = getattr(ctypes.CDLL(None), "malloc_trim", None)
    return trim
