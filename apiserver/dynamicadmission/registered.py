"""What users registered (webhook configurations, policies, bindings), read again only when it changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from apiserver.kinds.kind import Object

if TYPE_CHECKING:
    from apiserver.server import App

T = TypeVar("T")


class Registered(Generic[T]):
    """A value made of all stored objects of some resources; costs a look at a flag where nothing changed."""

    def __init__(
        self, resources: Mapping[str, Callable[[list[Object]], Any]], combine: Callable[[Mapping[str, Any]], T]
    ) -> None:
        self._resources, self._combine = resources, combine
        self._following: App | None = None
        self._stale = True
        self._value: T

    def get(self, app: App) -> T:
        if self._following is not app:
            self._following, self._stale = app, True
            for resource in self._resources:
                app.store.listeners.setdefault(resource, []).append(self._changed)
        if self._stale:
            self._value = self._combine({name: read(app.cluster.list(name)) for name, read in self._resources.items()})
            self._stale = False
        return self._value

    def _changed(self, _: object) -> None:
        self._stale = True
