"""What a namespace's labels ask of its pods: a level of the Pod Security Standards at a version (KEP-2579)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from apiserver.kinds.kind import Object
from apiserver.kinds.namespaces import LEVELS, POD_SECURITY

if TYPE_CHECKING:
    from apiserver.podsecurity_checks import Finding

LATEST = 999
"""A minor version beyond all that change anything."""


class Policy(NamedTuple):
    """A level at a version of the standards ("latest" or "v1.20")."""

    level: str = "privileged"
    version: str = "latest"

    def __str__(self) -> str:
        return f"{self.level}:{self.version}"

    @property
    def minor(self) -> int:
        return LATEST if self.version == "latest" else int(self.version.removeprefix("v1."))

    def stricter_than(self, other: Policy) -> bool:
        return LEVELS.index(self.level) > LEVELS.index(other.level)

    def findings(self, metadata: Object, spec: Object) -> list[Finding]:
        """How a pod violates it."""
        from apiserver.podsecurity_standards import checks_of

        notes = metadata.get("annotations") or {}
        found = (check(notes, spec) for check in checks_of(self.level, self.minor))
        return [finding for finding in found if finding is not None]


def policy(labels: Mapping[str, str], mode: str) -> Policy:
    """What a namespace's labels say for a mode; warnings follow what is enforced where they are not mentioned."""
    stated = labels.get(f"{POD_SECURITY}{mode}")
    version = labels.get(f"{POD_SECURITY}{mode}-version")
    found = Policy(stated if stated in LEVELS else "privileged", version or "latest")
    if stated is not None or mode == "enforce":
        return found
    enforced = policy(labels, "enforce")
    return Policy(enforced.level, version or enforced.version) if enforced.stricter_than(found) else found
