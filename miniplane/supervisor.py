"""Child processes: started, restarted with back-off when they crash, and never left behind.

A child gets a pipe as standard input which this process alone holds open: however this process ends, `kill -9`
included, the child reads end-of-file and ends too (`miniplane.child`). On standard output it says one line ending in
`ready`.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence

FIRST_DELAY = 0.5
LONGEST_DELAY = 30.0
STEADY = 60.0
"""Seconds after which a crash counts as the first again."""
GRACE = 0.7
"""Seconds that children have to end by themselves."""
REFUSED = 2
"""The exit code of a command that says what is wrong with its arguments or surroundings."""

Say = Callable[[str], None]


class Child:
    """One supervised process. `ready` is set by its ready line and cleared when it ends; `refused` where it ends with
    code 2 before it was ever ready: what it was told to do is wrong, and trying again would not help.

    `orders` is a line for its standard input, `inherited` are descriptors that it gets.
    """

    def __init__(
        self, name: str, command: Sequence[str], say: Say, orders: str = "", inherited: Sequence[int] = ()
    ) -> None:
        self.name, self.command, self.say = name, list(command), say
        self.orders, self.inherited = orders, inherited
        self.ready, self.refused = threading.Event(), threading.Event()
        self.stopping = threading.Event()
        self.process: subprocess.Popen[str] | None = None
        self.delay = FIRST_DELAY
        self._spawned = threading.Lock()
        self.thread = threading.Thread(target=self._run, name=f"supervise-{name}", daemon=True)

    def _run(self) -> None:
        began_well = False
        while not self.stopping.is_set():
            began = time.monotonic()
            code = self._run_once()
            began_well |= self.ready.is_set()
            self.ready.clear()
            if self.stopping.is_set():
                return
            if code == REFUSED and self.orders and not began_well:
                self.refused.set()
                return
            if time.monotonic() - began > STEADY:
                self.delay = FIRST_DELAY
            self.say(f"{self.name} ended with {_described(code)}; starting it again in {self.delay:g} s")
            self.stopping.wait(self.delay)
            self.delay = min(self.delay * 2, LONGEST_DELAY)

    def _run_once(self) -> int:
        with self._spawned:
            if self.stopping.is_set():
                return 0
            # A session of its own: Ctrl-C reaches us alone, and we end the children in order.
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                start_new_session=True,
                pass_fds=self.inherited,
            )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        if self.orders:
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.write(self.orders + "\n")
                self.process.stdin.flush()
        for line in self.process.stdout:
            if line.rstrip().endswith("ready"):
                self.ready.set()
            else:
                self.say(f"{self.name}: {line.rstrip()}")
        return self.process.wait()

    def terminate(self) -> None:
        """Ask it to end and start it no more."""
        self.stopping.set()
        with self._spawned:
            if self.process is not None and self.process.poll() is None:
                self.process.terminate()

    def finish(self, deadline: float) -> None:
        """Wait for its end until the deadline (monotonic), then kill it."""
        if self.process is None:
            return
        try:
            self.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.thread.join(0.2)
        if self.process.stdin is not None:
            self.process.stdin.close()


def _described(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"


class Supervisor:
    """Several children, ended together."""

    def __init__(self, say: Say, grace: float = GRACE) -> None:
        self.say, self.grace = say, grace
        self.children: list[Child] = []

    def start(self, name: str, arguments: Sequence[str], *, orders: str = "", inherited: Sequence[int] = ()) -> Child:
        """Run `miniplane ARGUMENTS` as a child."""
        command = [sys.executable, "-m", "miniplane.child", *arguments]
        child = Child(name, command, self.say, orders, inherited)
        self.children.append(child)
        child.thread.start()
        return child

    def wait_ready(self) -> None:
        """Return when every child is ready, or when they are told to stop."""
        for child in self.children:
            while not child.ready.wait(0.5):
                if child.stopping.is_set():
                    return

    def stop(self) -> None:
        """End every child within about the grace."""
        for child in self.children:
            child.terminate()
        deadline = time.monotonic() + self.grace
        for child in self.children:
            child.finish(deadline)
