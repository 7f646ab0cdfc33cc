"""Plugins for what users register: their code is loaded when the first registration appears, so that servers without
any neither start slower nor work more per request."""

from __future__ import annotations

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
        self._following: App | None = None
        self._plugin: Plugin | None = None

    def _loaded(self, request: Request) -> Plugin | None:
        if self._following is not request.server:
            self._follow(request.server)
        return self._plugin

    def _follow(self, app: App) -> None:
        self._following = app
        app.store.listeners.setdefault(self._resource, []).append(self._appeared)
        if app.store.count(self._resource):
            self._appeared()

    def _appeared(self, _: object = None) -> None:
        if self._plugin is None:
            found = getattr(import_module(f"apiserver.dynamicadmission.{self._module}"), self.name)
            self._plugin = found()

    def _acting(self, request: Request, context: Context) -> Plugin | None:
        """The plugin on its way to a write: what is registered may look at anything."""
        plugin = self._loaded(request)
        if plugin is not None and request.server.store.count(self._resource):
            context.unique = True
        return plugin

    async def delete(self, request: Request, kind: Kind, old: Object, context: Context) -> None:
        plugin = self._loaded(request)
        if plugin is not None:
            await plugin.delete(request, kind, old, context)

    async def call(self, request: Request, kind: Kind, obj: Object, context: Context) -> None:
        plugin = self._loaded(request)
        if plugin is not None:
            await plugin.call(request, kind, obj, context)


class MutatesOnDemand(OnDemand):
    """One that changes objects."""

    async def mutate(self, request: Request, kind: Kind, obj: Object, old: Object | None, context: Context) -> None:
        plugin = self._acting(request, context)
        if plugin is not None:
            await plugin.mutate(request, kind, obj, old, context)


class ValidatesOnDemand(OnDemand):
    """One that refuses objects."""

    async def validate(self, request: Request, kind: Kind, obj: Object, old: Object | None, context: Context) -> None:
        plugin = self._acting(request, context)
        if plugin is not None:
            await plugin.validate(request, kind, obj, old, context)
