"""A kind as data (`Kind`) and its behaviour (`Strategy`). Generic code owns the verb, the strategy owns the kind."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from apiserver.field import FieldError
from apiserver.storage.types import Claim, Key

if TYPE_CHECKING:
    from apiserver.conversion import WebhookConversion
    from apiserver.schema.types import Type

Object = dict[str, Any]
"""A decoded API object: plain JSON values. Absent and empty follow the Go types (see `apiserver.schema`)."""

ALL_VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(slots=True, frozen=True)
class User:
    """Who asks: authentication's answer."""

    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


class Cluster(Protocol):
    """What a strategy may see of the rest of the cluster: committed state and settings. Reads only."""

    service_cidrs: tuple[str, ...]  # one, or one of each family; the first one's family is the default
    node_port_range: tuple[int, int]
    minor: int  # of the Kubernetes version we serve

    def get(self, resource: str, namespace: str, name: str) -> Object | None:
        """The decoded object of `resource` ("pods", "deployments.apps"), or None."""

    def exists(self, resource: str, namespace: str, name: str) -> bool:
        """Whether there is such an object (quicker than `get`)."""

    def list(self, resource: str, namespace: str = "", labels: Mapping[str, str] | None = None) -> list[Object]:
        """Decoded objects in storage order; all namespaces where `namespace` is ""."""

    def claimed(self, space: str, value: str) -> Key | None:
        """Who holds a claim."""

    def claims(self, space: str) -> Mapping[str, Key]:
        """Every claim of a space."""


@dataclass(slots=True)
class Context:
    """One request, as strategies and admission see it. `warnings` are sent as Warning headers; `companions` are
    admission's part of the transaction: asked on each attempt to commit, they answer as `Strategy.companions` does (and
    "update" for an object that is there) or raise StatusError. Whoever makes something of a create that another one of
    the same words might not get says so by `unique`."""

    cluster: Cluster
    user: User
    namespace: str
    now: str  # RFC 3339, seconds
    dry_run: bool = False
    subresource: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    companions: list[Callable[[], list[tuple[str, Object]]]] = field(default_factory=list)
    unique: bool = False


KEPT_METADATA = ("labels", "annotations", "finalizers", "ownerReferences")
"""What `ResetObjectMetaForStatus` of the real server puts back, of what clients write."""
_OF_STATUS_WRITES = frozenset({"status", "metadata", "apiVersion", "kind"})


class Strategy:
    """The rules of a kind. Called in this order (rest.BeforeCreate / BeforeUpdate of the real server):

    create: default, [admission], prepare_for_create, validate, allocate.
    update: default, [admission], prepare_for_update, validate_update, allocate.
    Only `allocate` is called again when a claim was lost to another writer. `validate_update` does not call `validate`.
    Generic code has set and checked the metadata; strategies see name, namespace, uid, creationTimestamp in place.
    Objects are the strategy's to change except `old`.
    """

    create_on_update = False
    """PUT to a missing name creates it."""
    unconditional_update = True
    """PUT without resourceVersion overwrites; else 422 on metadata.resourceVersion."""
    delete_answers_object = False
    """DELETE answers the deleted object rather than a Status."""
    disabled_fields: tuple[str, ...] = ()
    """Fields of features that are off by default (kinds/features.py)."""
    defaulted: tuple[str, ...] | None = None
    """The fields that `default` looks at; None: any. Where they are told, `default` is not called for an update that
    leaves them as they are, and what an update leaves alone is shared with the live object: nothing may then be changed
    in place below the first level of `spec`, `status` and `metadata`."""
    has_generation = False
    """metadata.generation is 1 on creation and grows when anything but metadata and status changes; where False it
    stays what the client wrote who created the object."""
    status_resets_metadata = False
    """A status write owns nothing of the metadata."""
    status_keeps: tuple[str, ...] = ()
    """What of the metadata a status write leaves as it was, and does not own."""
    orphan_dependents_by_default = False
    metadata_again = 0
    """How often the kind's own rules judge the metadata of an update that every kind's rules have judged already."""
    built_in = True
    """Not so custom kinds, and the groups apiextensions and apiregistration: their finalizers may be any qualified
    names, also such without a domain."""
    garbage_collected = True
    """Propagation policies apply (not to Events)."""
    announces_deletion = False
    """Even an immediate deletion is first written as an update with grace 0 (pods)."""
    marked_first = False
    """A first deletion only marks the object (`mark_deleted`), without a grace period; what is marked is then deleted
    as any other object is (namespaces, definitions)."""

    def default(self, obj: Object) -> None:
        """Fill in what the version's defaulting fills in (SetDefaults_*). Idempotent; no look at the cluster."""

    def prepare_for_create(self, obj: Object, context: Context) -> None:
        """Drop what a client may not set (status), fill in what the server computes."""
        obj.pop("status", None)

    def validate(self, obj: Object, context: Context) -> list[FieldError]:
        """Causes in the real server's order; metadata is checked by generic code with `validate_name`."""
        return []

    def validate_name(self, name: str, prefix: bool = False) -> list[str]:
        """What is wrong with a name (`prefix`: it is a generateName): messages without the field."""
        from apiserver import validation

        return validation.dns1123_subdomain(name, prefix=prefix)

    def alike(self, obj: Object) -> bool:
        """Whether all creates that say the same as that of `obj`, a finished object, but for a name that is `plain`
        get the same but for name, uid and the time of day. Nothing is allocated for them and they have no claims and
        companions. What came of one is then recalled for the next (handlers/precedents.py)."""
        return False

    def plain(self, name: str) -> bool:
        """Whether nothing is to be said of a name, not even a warning."""
        return not self.validate_name(name)

    def prepare_for_update(self, obj: Object, old: Object, context: Context) -> None:
        """Put back what an update through the main resource may not change (status)."""
        if "status" in old:
            obj["status"] = old["status"]
        else:
            obj.pop("status", None)

    def validate_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        """Causes for the new object, immutable fields included."""
        return self.validate(obj, context)

    def prepare_for_status_update(self, obj: Object, old: Object, context: Context) -> None:
        """A status write: everything outside status and metadata stays as it was."""
        for field_name in old.keys() - _OF_STATUS_WRITES:
            obj[field_name] = old[field_name]
        if len(obj) > len(old) or obj.keys() != old.keys():
            for field_name in obj.keys() - old.keys() - _OF_STATUS_WRITES:
                del obj[field_name]
        for field_name in self.status_keeps:
            if field_name in old["metadata"]:
                obj["metadata"][field_name] = old["metadata"][field_name]
            else:
                obj["metadata"].pop(field_name, None)

    def validate_status_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        return []

    def warnings(self, obj: Object, old: Object | None, context: Context) -> list[str]:
        """Texts of Warning headers for a create (`old` None) or update."""
        return []

    def allocate(self, obj: Object, old: Object | None, context: Context) -> None:
        """Fill in addresses and ports that the cluster hands out (Service). May raise StatusError. Idempotent on retry:
        it gets the object as it was before the first call."""

    def claims(self, obj: Object) -> tuple[Claim, ...] | None:
        """What the stored object holds exclusively."""
        return None

    def companions(self, obj: Object | None, old: Object | None, context: Context) -> list[tuple[str, Object]]:
        """Objects created ("create", object) or removed ("delete", object) in the same transaction as this write
        (`obj` None: it is being deleted). A "create" that meets an object of its name counts as a lost claim."""
        return []

    def grace_period(self, obj: Object, options: Mapping[str, Any]) -> int:
        """Seconds between a DELETE and the end, 0 for at once. `options` are the DeleteOptions."""
        return 0

    def delete_warnings(self, obj: Object, options: Mapping[str, Any]) -> list[str]:
        """Texts of Warning headers for a deletion. `options` are the DeleteOptions."""
        return []

    def mark_deleted(self, obj: Object, finalizers: list[str], context: Context) -> None:
        """A first deletion of what is `marked_first`: what there is to say beside the deletionTimestamp. `finalizers`
        are those that the propagation policy wants."""

    def may_go(self, obj: Object) -> bool:
        """Whether an object marked for deletion, with no finalizer in its metadata, may be removed (namespaces have
        finalizers of their own)."""
        return True

    def check_delete(self, obj: Object, context: Context) -> None:
        """Raise StatusError where this object may not be deleted."""

    def field_values(self, obj: Object) -> Mapping[str, str]:
        """Values of `Kind.selectable_fields` other than metadata.name and metadata.namespace."""
        return {}


CellValue = Callable[[Object], Any]


@dataclass(slots=True, frozen=True)
class Column:
    """A Table column. `value` gets the object and returns the cell. Age columns: `type="string"`, value = the
    creationTimestamp's age (see `apiserver.table`)."""

    name: str
    value: CellValue
    type: str = "string"
    format: str = ""
    priority: int = 0
    description: str = ""
    named: bool = True
    """Where not, rows have the cell and `columnDefinitions` say nothing of it."""


class SubresourceHandler(Protocol):
    """A subresource that is neither the object's status nor a projection (binding, eviction, token, log)."""

    def __call__(self, request: Any) -> Awaitable[Any]: ...


@dataclass(slots=True, frozen=True)
class Subresource:
    """`kinds/NAME/sub`. `gvk` (group, version, kind) names what it takes and gives where that is another kind.

    Exactly one of: `strategy_status` (the object itself, written by the status rules), `projection` (read, write),
    `strategy` (the object itself with rules of its own: resize, ephemeralcontainers), `handler` name in
    `handlers.subresource`.
    """

    name: str
    verbs: tuple[str, ...]
    gvk: tuple[str, str, str] | None = None
    strategy: Strategy | None = None
    projection: Projection | None = None
    handler: str = ""
    create_handler: str = ""


@dataclass(slots=True, frozen=True)
class Projection:
    """A view of an object with a kind of its own (scale): `read(obj)` makes it, `write(obj, view, context)` changes
    the object and returns causes. `columns` are the view's; () shows it in the columns of the object."""

    read: Callable[[Object], Object]
    write: Callable[[Object, Object, Context], list[FieldError]]
    columns: tuple[Column, ...] = ()


STATUS = ("get", "patch", "update")


@dataclass(slots=True, frozen=True)
class Kind:
    """One served kind and version. Equality is identity: compare `key` where needed."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool
    strategy: Strategy = field(default_factory=Strategy)
    singular: str = ""
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ALL_VERBS
    columns: tuple[Column, ...] = ()  # after Name; () gives Name and "Created At"
    name_cell: CellValue | None = None  # of the Name column, where it shows more than the name
    name_column: Column | None = None  # the first column, where it is not Name
    row_order: Callable[[Object], Any] | None = None  # the key that the rows of a Table are sorted by
    row_conditions: Callable[[Object], list[Object]] | None = None  # of a Table row (a pod that has finished)
    selectable_fields: tuple[str, ...] = ()
    subresources: tuple[Subresource, ...] = ()
    stored_as: tuple[str, str] | None = None  # (group, version) it is stored as, where another one
    convert: Callable[[Object, str], Object] | None = None  # (object, target apiVersion) -> object
    conversion: WebhookConversion | None = None  # by webhook: what `convert` is to find is prepared first
    since: int = 0  # first minor that serves it
    until: int = 999  # last minor
    list_kind: str = ""
    warning: str = ""  # deprecation Warning header of every request
    schema: Type | None = None  # custom resources; built-ins find theirs in `apiserver.schema`
    custom: bool = False
    complete: Callable[[Object], Object] | None = None  # what the present schema makes of an object as it is stored
    complete_since: int = 0  # the revision from which on all are stored so
    closed: str = ""  # why none can be created any more
    handler: str = ""  # its verbs are served by calls of this name ("review:create") rather than from storage
    api_version: str = field(init=False)
    stored_group: str = field(init=False)  # the group it is stored in, and that its faults are told under
    resource: str = field(init=False)  # `plural.group`: the storage name, shared by every version
    subresource_names: Mapping[str, Subresource] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        stored_group = self.stored_as[0] if self.stored_as else self.group
        set_field = object.__setattr__  # once: they are asked for many times in every request
        set_field(self, "api_version", f"{self.group}/{self.version}" if self.group else self.version)
        set_field(self, "stored_group", stored_group)
        set_field(self, "subresource_names", {sub.name: sub for sub in self.subresources})
        set_field(self, "resource", f"{self.plural}.{stored_group}" if stored_group else self.plural)

    @property
    def qualified(self) -> str:
        """`plural.group` as errors print it."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def list_name(self) -> str:
        return self.list_kind or f"{self.kind}List"


def subresource(kind: Kind, name: str) -> Subresource | None:
    """The subresource of that name."""
    return kind.subresource_names.get(name)


KindList = Sequence[Kind]
