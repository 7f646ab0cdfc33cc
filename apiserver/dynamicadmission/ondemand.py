"""Plugins for what users register: their code is loaded when the first registration appears, so that servers without
any neither start slower nor work more per request."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING

from apiserver.admission import Plugin
from apiserver.kinds.kind import Context, Kind, Object

if TYPE_CHECKING:
    from apiserver.request import Request
    from apiserver.server import App

GROUP = "admissionregistration.k8s.io"


class OnDemand(Plugin):
    """Stands for the plugin class `name` in the module `dynamicadmission.MODULE`, which acts on objects of `plural`."""

    def __init__(self, name: str, module: str, plural: str) -> None:
        self.name, self._module, self._resource = name, module, f"{plural}.{GROUP}"
        self.looks_at = (self._resource,)  # while there is none of them; see `_acting`
        self._plugin = Plugin()
        self.idle = True

    def follow(self, app: App, wake: Callable[[], None]) -> None:
        """Wait for the first object of the resource."""

        def appeared(_: object = None) -> None:
            if self.idle:
                self._plugin = getattr(import_module(f"apiserver.dynamicadmission.{self._module}"), self.name)()
                self.idle = False
                wake()

        app.store.listeners.setdefault(self._resource, []).append(appeared)
        if app.store.count(self._resource):
            appeared()

    def _acting(self, request: Request, context: Context) -> Plugin:
        """The plugin on its way to a write: what is registered may look at anything."""
        if request.server.store.count(self._resource):
            context.unique = True
        return self._plugin

    async def delete(self, request: Request, kind: Kind, old: Object, context: Context) -> None:
        await self._plugin.delete(request, kind, old, context)

    async def call(self, request: Request, kind: Kind, obj: Object, context: Context) -> None:
        await self._plugin.call(request, kind, obj, context)


class MutatesOnDemand(OnDemand):
    """One that changes objects."""

    async def mutate(self, request: Request, kind: Kind, obj: Object, old: Object | None, context: Context) -> None:
        await self._acting(request, context).mutate(request, kind, obj, old, context)


class ValidatesOnDemand(OnDemand):
    """One that refuses objects."""

    async def validate(self, request: Request, kind: Kind, obj: Object, old: Object | None, context: Context) -> None:
        await self._acting(request, context).validate(request, kind, obj, old, context)
