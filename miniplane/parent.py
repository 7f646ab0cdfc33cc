"""A child process ends with its parent, however that ends.

Standard input is a pipe that only the parent holds open; end-of-file means that the parent is gone.
"""

from __future__ import annotations

import os
import signal
import threading
import time

GRACE = 1.0


def follow_parent() -> None:
    """End when the parent does. From now on standard input is nobody else's to read."""
    threading.Thread(target=_follow_parent, name="follow-parent", daemon=True).start()


def _follow_parent() -> None:
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE)
    os._exit(1)
