"""Which kinds are served: the built-in ones of one Kubernetes minor, and the custom ones as they come and go."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from apiserver.kinds.kind import Kind
from apiserver.schema.registry import Schemas
from apiserver.schema.types import Type


class Registry:
    """`find` is on every request's path: one dictionary look-up."""

    def __init__(self, kinds: Sequence[Kind], minor: int) -> None:
        self.minor = minor
        self.schemas = Schemas.for_minor(minor)
        self._all = {(kind.group, kind.version, kind.kind): kind for kind in kinds}
        self.builtin = [kind for kind in kinds if kind.since <= minor <= kind.until]
        self.custom: list[Kind] = []
        self.listeners: list[Callable[[], None]] = []
        self._index()

    def _index(self) -> None:
        kinds = self.kinds()
        self._routes = {(kind.group, kind.version, kind.plural): kind for kind in kinds}
        self._versions = {(kind.group, kind.version) for kind in kinds}
        self._groups = {kind.group for kind in kinds}
        self._gvks = {(kind.group, kind.version, kind.kind): kind for kind in kinds}

    def kinds(self) -> list[Kind]:
        """Every served kind, custom ones last."""
        return [*self.builtin, *self.custom]

    def set_custom(self, kinds: Iterable[Kind]) -> None:
        """Replace the custom kinds; listeners (discovery, OpenAPI) forget what they built."""
        self.custom = list(kinds)
        self._index()
        for listener in self.listeners:
            listener()

    def find(self, group: str, version: str, plural: str) -> Kind | None:
        return self._routes.get((group, version, plural))

    def by_kind(self, group: str, version: str, kind: str) -> Kind | None:
        return self._gvks.get((group, version, kind))

    def companion(self, group: str, version: str, kind: str) -> Kind:
        """A built-in kind that the server itself writes, whether this minor serves it or not."""
        return self._all[group, version, kind]

    def has_group(self, group: str) -> bool:
        return group in self._groups

    def custom_group(self, group: str) -> bool:
        """Whether a group has custom kinds only."""
        return not any(kind.group == group for kind in self.builtin)

    def has_version(self, group: str, version: str) -> bool:
        return (group, version) in self._versions

    def type_of(self, kind: Kind) -> Type | None:
        """The schema of a kind; None for a kind that publishes none."""
        return kind.schema or self.schemas.type(kind.group, kind.version, kind.kind)

    def by_resource(self, resource: str) -> Kind | None:
        """The first served kind stored under `plural.group`."""
        return next((kind for kind in self.kinds() if kind.resource == resource), None)
