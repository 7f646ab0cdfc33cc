"""Verb -> handler. Special subresources have entries of their own ("projection:get", "binding:create")."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from apiserver.handlers import calls, components, create, delete, patch, read, subresources, update, watch
from apiserver.request import Request, Response

HANDLERS: dict[str, Callable[[Request], Awaitable[Response]]] = {
    "get": read.get,
    "list": read.list_objects,
    "watch": watch.watch,
    "create": create.create,
    "update": update.update,
    "patch": patch.patch,
    "delete": delete.delete,
    "deletecollection": delete.delete_collection,
    "projection:get": subresources.get_projection,
    "projection:update": subresources.update_projection,
    "projection:patch": subresources.patch_projection,
    **calls.CALLS,
    **components.COMPONENT_HANDLERS,
}
