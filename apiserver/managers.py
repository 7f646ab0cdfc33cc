"""Where the write path meets managed fields: who writes, and what apply makes of the live object."""

from __future__ import annotations

from typing import TYPE_CHECKING

from apiserver.kinds.kind import Context, Kind, Object
from apiserver.patch import managed

if TYPE_CHECKING:
    from apiserver.request import Request
    from apiserver.writeoptions import WriteOptions

MANAGER_LIMIT = 128


def manager_of(field_manager: str, user_agent: str) -> str:
    """The manager's name: `fieldManager`, else the User-Agent up to its first slash."""
    return (field_manager or user_agent.partition("/")[0])[:MANAGER_LIMIT] or "unknown"


def reset_fields(kind: Kind, subresource: str) -> tuple[tuple[str, ...], ...]:
    """Paths that this kind of write does not own: status of the main resource, spec of the status subresource."""
    if subresource == "status":
        if kind.strategy.status_resets_metadata:
            return (("spec",), ("metadata",))
        return (("spec",), *(("metadata", name) for name in kind.strategy.status_keeps))
    return (("status",),) if "status" in kind.subresource_names else ()


def track(request: Request, old: Object | None, new: Object, options: WriteOptions, context: Context) -> None:
    """Write `new`'s managedFields for a create (`old` None), update or patch; an apply has already done so."""
    if options.applied:
        return
    kind = request.kind
    schema = request.server.registry.type_of(kind)
    if schema is None:
        return
    managed.after_update(
        old,
        new,
        schema,
        manager=manager_of(options.field_manager, request.header(b"user-agent")),
        api_version=kind.api_version,
        subresource=request.info.subresource,
        now=context.now,
        reset=reset_fields(kind, request.info.subresource),
    )


def apply(request: Request, live: Object | None, applied: Object, options: WriteOptions) -> Object:
    """Server-side apply: the merged object with its managedFields. Raises 400, 409, 422."""
    from apiserver.patch import apply as server_side_apply

    kind = request.kind
    schema = request.server.registry.type_of(kind)
    if schema is None:
        from apiserver import errors

        raise errors.unsupported_patch_type(("application/json-patch+json", "application/merge-patch+json"))
    return server_side_apply.apply(
        live,
        applied,
        schema,
        manager=options.field_manager,
        api_version=kind.api_version,
        force=bool(options.force),
        subresource=request.info.subresource,
        now=request.server.now(),
        reset=reset_fields(kind, request.info.subresource),
    )
