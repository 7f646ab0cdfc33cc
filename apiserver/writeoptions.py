"""CreateOptions, UpdateOptions, PatchOptions and DeleteOptions: query parameters and their validation."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from apiserver import errors
from apiserver.field import FieldError, forbidden, invalid, not_supported
from apiserver.field import required as field_required
from apiserver.gointegers import bounded

if TYPE_CHECKING:
    from apiserver.request import Request
    from apiserver.requestinfo import RequestInfo

FIELD_MANAGER_LIMIT = 128


@dataclass(slots=True)
class WriteOptions:
    """`field_manager` is "" where the query names none: the User-Agent then tells the manager."""

    dry_run: bool = False
    field_manager: str = ""
    field_validation: str = "Warn"
    force: bool | None = None
    applied: bool = False  # server-side apply: managed fields are already written


def parse(info: RequestInfo, kind: str, *, apply: bool = False) -> WriteOptions:
    """The options of a create, update or patch; `kind` is CreateOptions, UpdateOptions or PatchOptions. Raises 422."""
    if not info.query and not apply:
        return WriteOptions()
    options = WriteOptions(
        dry_run="dryRun" in info.query,
        field_manager=info.param("fieldManager"),
        field_validation=info.param("fieldValidation"),
        force=info.flag("force") if "force" in info.query else None,
    )
    faults: list[FieldError] = []
    if kind == "PatchOptions":
        faults += _patch_only(options, apply)
    faults += _field_manager(options.field_manager)
    faults += dry_run_faults(info.query.get("dryRun", []))
    if options.field_validation not in ("", "Ignore", "Warn", "Strict"):
        faults.append(not_supported("fieldValidation", options.field_validation, ("", "Ignore", "Strict", "Warn")))
    if faults:
        raise errors.invalid_options(kind, faults)
    options.field_validation = options.field_validation or "Warn"
    return options


def _patch_only(options: WriteOptions, apply: bool) -> list[FieldError]:
    if apply:
        missing = not options.field_manager
        return [field_required("fieldManager", "is required for apply patch")] if missing else []
    if options.force is not None:
        return [forbidden("force", "may not be specified for non-apply patch")]
    return []


def _field_manager(name: str) -> list[FieldError]:
    found: list[FieldError] = []
    if len(name.encode()) > FIELD_MANAGER_LIMIT:
        text = f"Too long: may not be more than {FIELD_MANAGER_LIMIT} bytes"
        found.append(FieldError("FieldValueTooLong", "fieldManager", text))
    for index, char in enumerate(name):
        if not char.isprintable():
            at = len(name[:index].encode())
            found.append(invalid("fieldManager", name, f"invalid character U+{ord(char):04X} (at position {at})"))
    return found


def dry_run_faults(values: list[str]) -> list[FieldError]:
    """`dryRun` is a list of which only "All" is known."""
    if not values or set(values) == {"All"}:
        return []
    return [not_supported("dryRun", values, ("All",))]


@dataclass(slots=True)
class DeleteOptions:
    """grace_period: seconds, None where the client leaves it to the object."""

    dry_run: bool = False
    grace_period: int | None = None
    propagation: str = ""
    orphan: bool | None = None
    uid: str | None = None
    resource_version: str | None = None
    raw: dict[str, Any] = field(default_factory=dict)


async def read_delete_options(request: Request) -> DeleteOptions:
    """DeleteOptions from the body, else from the query. Raises 400, 415, 422."""
    from apiserver.body import parse as parse_body
    from apiserver.body import typed_options
    from apiserver.negotiation import content_type

    data = await request.body()
    if data:
        media = content_type(request.header(b"content-type"))
        try:
            value = parse_body(data, media, "DeleteOptions")
        except errors.StatusError as error:
            found = re.search(r"couldn't get version/kind; json parse error: .*(?= \()", error.message)
            raise errors.bad_request(found[0]) if found else error from None
        raw = typed_options(value, data, request)
    else:
        raw = _from_query(request.info)
    return checked(raw)


def _from_query(info: RequestInfo) -> dict[str, Any]:
    raw: dict[str, Any] = {}
    if "gracePeriodSeconds" in info.query:
        raw["gracePeriodSeconds"] = integer(info.param("gracePeriodSeconds"))
    if "propagationPolicy" in info.query:
        raw["propagationPolicy"] = info.param("propagationPolicy")
    if "orphanDependents" in info.query:
        raw["orphanDependents"] = info.flag("orphanDependents")
    if "dryRun" in info.query:
        raw["dryRun"] = list(info.query["dryRun"])
    return raw


def integer(text: str) -> int:
    """A number in a query. Raises 400 with Go's words."""
    digits = text[1:] if text[:1] in ("-", "+") else text
    if not (digits.isascii() and digits.isdigit()):
        raise errors.bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax')
    value = bounded(text)
    if not -(2**63) <= value < 2**63:
        raise errors.bad_request(f'strconv.ParseInt: parsing "{text}": value out of range')
    return value


def checked(raw: dict[str, Any]) -> DeleteOptions:
    preconditions = raw.get("preconditions") or {}
    options = DeleteOptions(
        dry_run=bool(raw.get("dryRun")),
        grace_period=raw.get("gracePeriodSeconds"),
        propagation=raw.get("propagationPolicy") or "",
        orphan=raw.get("orphanDependents"),
        uid=preconditions.get("uid"),
        resource_version=preconditions.get("resourceVersion"),
        raw=raw,
    )
    faults: list[FieldError] = []
    if options.propagation and options.orphan is not None:
        both = "orphanDependents and deletionPropagation cannot be both set"
        faults.append(invalid("propagationPolicy", options.propagation, both))
    if raw.get("propagationPolicy") is not None and options.propagation not in ("Foreground", "Background", "Orphan"):
        faults.append(
            not_supported("propagationPolicy", options.propagation, ("Foreground", "Background", "Orphan", "nil"))
        )
    faults += dry_run_faults(raw.get("dryRun") or [])
    if faults:
        raise errors.invalid_options("DeleteOptions", faults)
    return options
