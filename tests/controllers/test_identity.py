"""A lease of a dead process of this machine is free; any other is not."""

from __future__ import annotations

import os
import subprocess
import sys

from controllers import identity


def test_only_a_dead_process_of_this_machine_is_dead() -> None:
    mine = identity.own()
    assert not identity.is_dead(mine)
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    dead = mine.replace(f"/{os.getpid()}_", f"/{process.pid}_")
    assert identity.is_dead(dead)
    machine = mine.split("_")[-2].split("/")[0]
    assert not identity.is_dead(dead.replace(machine, "another-boot"))
    assert not identity.is_dead("host_0123")
