"""batch/v1, put together."""

from __future__ import annotations

from apiserver.kinds import cronjobs, jobs
from apiserver.kinds.kind import Kind

KINDS: tuple[Kind, ...] = (*cronjobs.KINDS, *jobs.KINDS)
