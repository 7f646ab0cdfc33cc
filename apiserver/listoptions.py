"""ListOptions: parsing and validation (apimachinery's `internalversion/validation`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from apiserver import errors, validation
from apiserver.field import FieldError, forbidden, not_supported
from apiserver.gointegers import parse_unsigned
from apiserver.kinds.kind import Kind
from apiserver.writeoptions import integer
from miniplane.apimachinery.selectors import FieldSelector, LabelSelector

if TYPE_CHECKING:
    from apiserver.requestinfo import RequestInfo

GENERIC_FIELDS = ("metadata.name", "metadata.namespace")
MATCH = "resourceVersionMatch"
WITH_CONTINUE = f"{MATCH} is forbidden when continue is provided"


def revision(text: str) -> int:
    """`resourceVersion` of a query. Raises ValueError in the real server's words."""
    try:
        return parse_unsigned(text)
    except ValueError as error:
        raise ValueError(f'resourceVersion: Invalid value: "{text}": {error}') from None


@dataclass(slots=True)
class ListOptions:
    """resource_version: "" where the client names none. timeout: seconds or None."""

    labels: LabelSelector
    fields: FieldSelector
    resource_version: str = ""
    match: str = ""
    limit: int = 0
    token: str = ""
    timeout: int | None = None
    bookmarks: bool = False
    send_initial: bool | None = None

    @property
    def selective(self) -> bool:
        return not (self.labels.empty and self.fields.empty)


def parse(info: RequestInfo, kind: Kind, *, watch: bool) -> ListOptions:
    """The options of a list, watch or deletecollection. Raises 400, 422."""
    options = ListOptions(
        labels=_labels(info.param("labelSelector")),
        fields=_fields(info.param("fieldSelector"), kind),
        resource_version=info.param("resourceVersion"),
        match=info.param("resourceVersionMatch"),
        limit=_number(info, "limit") or 0,
        token=info.param("continue"),
        timeout=_number(info, "timeoutSeconds"),
        bookmarks=info.flag("allowWatchBookmarks"),
        send_initial=info.flag("sendInitialEvents") if "sendInitialEvents" in info.query else None,
    )
    faults = _faults(options, watch)
    if faults:
        raise errors.invalid_options("ListOptions", faults)
    return options


def _number(info: RequestInfo, name: str) -> int | None:
    return integer(info.param(name)) if name in info.query else None


def _labels(text: str) -> LabelSelector:
    if not text:
        return LabelSelector()
    try:
        return LabelSelector.parse(text, key_errors=validation.qualified_name, value_errors=validation.label_value)
    except ValueError as error:
        raise errors.bad_request(str(error)) from None


def _fields(text: str, kind: Kind) -> FieldSelector:
    if not text:
        return FieldSelector()
    try:
        selector = FieldSelector.parse(text)
    except ValueError as error:
        raise errors.bad_request(str(error)) from None
    known = (*GENERIC_FIELDS, *kind.selectable_fields)
    for field, _, _ in selector.requirements:
        if field not in known or (field == "metadata.namespace" and not _knows_namespace(kind)):
            raise errors.bad_request(_unsupported(field, kind))
    return selector


def _knows_namespace(kind: Kind) -> bool:
    """Kinds with field labels of their own list them all; for the others the default allows both of GENERIC_FIELDS."""
    return kind.namespaced or not (kind.custom or kind.selectable_fields)


def _unsupported(field: str, kind: Kind) -> str:
    if kind.custom or kind.selectable_fields:
        return f"field label not supported: {field}"
    return f'"{field}" is not a known field selector: only "metadata.name", "metadata.namespace"'


def _faults(options: ListOptions, watch: bool) -> list[FieldError]:
    return _watch_faults(options) if watch else _list_faults(options)


def _list_faults(options: ListOptions) -> list[FieldError]:
    faults: list[FieldError] = []
    if options.match:
        if not options.resource_version:
            faults.append(forbidden(MATCH, f"{MATCH} is forbidden unless resourceVersion is provided"))
        if options.token:
            faults.append(forbidden(MATCH, WITH_CONTINUE))
        if options.match not in ("Exact", "NotOlderThan"):
            faults.append(not_supported(MATCH, options.match, ("Exact", "NotOlderThan", "")))
        if options.match == "Exact" and options.resource_version == "0":
            faults.append(forbidden(MATCH, f'{MATCH} "exact" is forbidden for resourceVersion "0"'))
    if options.send_initial is not None:
        faults.append(forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"))
    return faults


def _watch_faults(options: ListOptions) -> list[FieldError]:
    faults: list[FieldError] = []
    if options.send_initial is not None and options.match != "NotOlderThan":
        faults.append(forbidden(MATCH, f"sendInitialEvents requires setting {MATCH} to NotOlderThan"))
    if options.match:
        if options.send_initial is None:
            faults.append(forbidden(MATCH, f"{MATCH} is forbidden for watch unless sendInitialEvents is provided"))
        if options.match != "NotOlderThan":
            faults.append(not_supported(MATCH, options.match, ("NotOlderThan",)))
    if options.token and (options.match or _defaults_to_initial_events(options)):
        faults.append(forbidden(MATCH, WITH_CONTINUE))
    return faults


def _defaults_to_initial_events(options: ListOptions) -> bool:
    """Such a watch is validated as one with sendInitialEvents and NotOlderThan (SetListOptionsDefaults)."""
    return options.send_initial is None and options.resource_version in ("", "0")
