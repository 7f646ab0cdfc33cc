"""Conflicts of server-side apply, and the 409 that lists them."""

from __future__ import annotations

from itertools import groupby
from typing import NamedTuple

from apiserver.patch.fieldset import Path, json_text, path_text
from apiserver.patch.managed import UPDATE, Identity
from miniplane.apimachinery.status import StatusError


class Conflict(NamedTuple):
    """A field that another manager owns and that would change."""

    owner: Identity
    path: Path


def conflict_error(conflicts: list[Conflict]) -> StatusError:
    """409 with one cause a field; `conflicts` come grouped by manager."""
    causes = [
        {
            "reason": "FieldManagerConflict",
            "message": f"conflict with {_owner(conflict.owner)}",
            "field": path_text(conflict.path),
        }
        for conflict in conflicts
    ]
    return StatusError(409, "Conflict", _message(conflicts), details={"causes": causes})


def _message(conflicts: list[Conflict]) -> str:
    if len(conflicts) == 1:
        owner, path = conflicts[0]
        return f"Apply failed with 1 conflict: conflict with {_owner(owner)}: {path_text(path)}"
    lines: list[str] = []
    for owner, group in groupby(conflicts, key=lambda conflict: conflict.owner):
        lines.append(f"conflicts with {_owner(owner)}:")
        lines.extend(f"- {path_text(conflict.path)}" for conflict in group)
    return f"Apply failed with {len(conflicts)} conflicts: " + "\n".join(lines)


def _owner(owner: Identity) -> str:
    text = json_text(owner.manager)
    if owner.subresource:
        text += f" with subresource {json_text(owner.subresource)}"
    return f"{text} using {owner.api_version}" if owner.operation == UPDATE else text
