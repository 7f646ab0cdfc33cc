"""Strategies of kinds that leave more to the client than the default one does."""

from __future__ import annotations

from apiserver.kinds.kind import STATUS, Context, Object, Strategy, Subresource

STATUS_ONLY = (Subresource("status", STATUS),)


class Free(Strategy):
    """Objects whose every field is the client's."""

    def prepare_for_create(self, obj: Object, context: Context) -> None:
        """Nothing is the server's."""

    def prepare_for_update(self, obj: Object, old: Object, context: Context) -> None:
        """Nothing is the server's."""


class Counted(Free):
    """The same with a generation."""

    has_generation = True


class WithStatus(Strategy):
    """Status through its subresource only, generation counted."""

    has_generation = True
