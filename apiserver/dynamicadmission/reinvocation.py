"""Which mutating webhooks and policies are asked a second time (reinvocationPolicy IfNeeded, KEP-0492)."""

from __future__ import annotations

from dataclasses import dataclass, field

import orjson

from apiserver.kinds.kind import Context, Object


@dataclass(slots=True)
class Reinvocation:
    """What one request remembers between the two rounds of mutating admission."""

    round: int = 0
    wanted: bool = False
    previous: dict[str, set[str]] = field(default_factory=dict)
    again: dict[str, set[str]] = field(default_factory=dict)
    output: dict[str, bytes] = field(default_factory=dict)

    def begin(self, plugin: str, obj: Object | None) -> set[str] | None:
        """The webhooks to ask in this round; None for all."""
        if self.round == 0:
            return None
        if self.output.get(plugin) != orjson.dumps(obj):  # a built-in plugin changed the object meanwhile
            self._repeat(plugin)
        return self.again.setdefault(plugin, set())

    def called(self, plugin: str, uid: str, changed: bool, reinvocable: bool) -> None:
        if changed:
            self._repeat(plugin)
            self.wanted = True
        if reinvocable:
            self.previous.setdefault(plugin, set()).add(uid)

    def next_round(self) -> bool:
        """Begin the second round where something changed in the first one."""
        due = self.wanted and self.round == 0
        self.round += due
        return due

    def _repeat(self, plugin: str) -> None:
        self.again.setdefault(plugin, set()).update(self.previous.pop(plugin, ()))

    def end(self, plugin: str, obj: Object | None) -> None:
        self.output[plugin] = orjson.dumps(obj)


def reinvocation(context: Context) -> Reinvocation:
    """The request's memory of its rounds."""
    found = context.options.get("reinvocation")
    if not isinstance(found, Reinvocation):
        found = Reinvocation()
        context.options = {**context.options, "reinvocation": found}
    return found
