"""Who holds a lease: this process. A holder that was a process of this very machine can be seen to be dead, and its
lease need not be waited for: a crashed process that is started again goes on at once."""

from __future__ import annotations

import os
import socket
import uuid
from pathlib import Path


def _machine() -> str:
    """This boot and this process namespace; empty where the system does not tell."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:
        return ""


def own() -> str:
    """`host_MACHINE/PID_random`."""
    return f"{socket.gethostname()}_{_machine()}/{os.getpid()}_{uuid.uuid4().hex[:8]}"


def is_dead(holder: str) -> bool:
    """Whether the holder was a process here that runs no more. Never true of another machine's."""
    parts = holder.split("_")
    place, _, number = parts[-2].rpartition("/") if len(parts) > 2 else ("", "", "")
    if not place or place != _machine() or not number.isdigit():
        return False
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False
