"""Kinds of the smaller groups that need data more than behaviour: names, columns, selectable fields."""

from __future__ import annotations

from typing import Any

from apiserver.field import FieldError, immutable, invalid, required
from apiserver.kinds.kind import STATUS, Column, Context, Kind, Object, Strategy, Subresource
from apiserver.kinds.workload_columns import at, count
from apiserver.table import AGE, human_duration

STATUS_ONLY = (Subresource("status", STATUS),)


class Plain(Strategy):
    """A kind whose objects have no status for the server to keep apart."""

    def prepare_for_create(self, obj: Object, context: Context) -> None:
        """Everything is the client's."""

    def prepare_for_update(self, obj: Object, old: Object, context: Context) -> None:
        """Everything is the client's."""


class Counted(Plain):
    """The same with a generation."""

    has_generation = True


class RevisionStrategy(Plain):
    """ControllerRevision: a numbered copy that never changes."""

    def validate(self, obj: Object, context: Context) -> list[FieldError]:
        found: list[FieldError] = []
        if obj.get("revision", 0) < 0:
            found.append(invalid("revision", obj["revision"], "must be greater than or equal to 0"))
        if obj.get("data") is None:
            found.append(required("data", "data is mandatory"))
        return found

    def validate_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        found = self.validate(obj, context)
        if obj.get("data") != old.get("data") or obj.get("revision") != old.get("revision"):
            found.append(immutable("data", obj.get("data")))
        return found


class WithStatus(Strategy):
    """Status through its subresource only, generation counted."""

    has_generation = True


def _join(*path: str) -> Any:
    return lambda obj: ",".join(at(*path, default=[])(obj))


def _storage_class_name(obj: Object) -> str:
    annotations = obj["metadata"].get("annotations") or {}
    key = "storageclass.kubernetes.io/is-default-class"
    default = "true" in (annotations.get(key), annotations.get(key.replace("storageclass", "storageclass.beta")))
    return f"{obj['metadata'].get('name', '')}{' (default)' if default else ''}"


def _conditions(obj: Object) -> str:
    found = [item.get("type") for item in (obj.get("status") or {}).get("conditions") or ()]
    text = ",".join(name for name in ("Approved", "Denied", "Failed") if name in found) or "Pending"
    return text + (",Issued" if (obj.get("status") or {}).get("certificate") else "")


def _requested(obj: Object) -> str:
    seconds = (obj.get("spec") or {}).get("expirationSeconds")
    return human_duration(seconds) if seconds else "<none>"


def _controller(obj: Object) -> str:
    owner = next((o for o in obj["metadata"].get("ownerReferences") or () if o.get("controller")), None)
    if owner is None:
        return "<none>"
    group = owner["apiVersion"].rpartition("/")[0]
    kind = owner["kind"].lower()
    return f"{kind}.{group}/{owner['name']}" if group else f"{kind}/{owner['name']}"


def _limited(field: str) -> Any:
    def value(obj: Object) -> Any:
        limited = (obj.get("spec") or {}).get("limited") or {}
        queuing = (limited.get("limitResponse") or {}).get("queuing") or {}
        source = limited if field == "nominalConcurrencyShares" else queuing
        return source.get(field, "<none>")

    return value


def _param_kind(obj: Object) -> str:
    kind = (obj.get("spec") or {}).get("paramKind")
    return f"{kind.get('apiVersion')}/{kind.get('kind')}" if kind else "<unset>"


def _missing_level(obj: Object) -> str:
    conditions = (obj.get("status") or {}).get("conditions") or ()
    return next((c.get("status", "?") for c in conditions if c.get("type") == "Dangling"), "?")


def _service(obj: Object) -> str:
    service = (obj.get("spec") or {}).get("service")
    return f"{service.get('namespace')}/{service.get('name')}" if service else "Local"


def _available(obj: Object) -> str:
    for condition in (obj.get("status") or {}).get("conditions") or ():
        if condition.get("type") == "Available":
            status = str(condition.get("status"))
            return status if status == "True" else f"{status} ({condition.get('reason')})"
    return ""


ADMISSION, STORAGE, FLOW = "admissionregistration.k8s.io", "storage.k8s.io", "flowcontrol.apiserver.k8s.io"
WEBHOOKS = (Column("Webhooks", lambda obj: len(obj.get("webhooks") or ()), type="integer"), AGE)
POLICY = (
    Column("Validations", lambda obj: len((obj.get("spec") or {}).get("validations") or ()), type="integer"),
    Column("ParamKind", _param_kind),
    AGE,
)
MUTATIONS = (
    Column("Mutations", lambda obj: len((obj.get("spec") or {}).get("mutations") or ()), type="integer"),
    Column("ParamKind", _param_kind),
    AGE,
)
POLICY_BINDING = (
    Column("PolicyName", at("spec", "policyName", default="")),
    Column("ParamRef", lambda obj: _param_ref(obj)),
    AGE,
)


def _param_ref(obj: Object) -> str:
    reference = (obj.get("spec") or {}).get("paramRef")
    if not reference:
        return "<unset>"
    if reference.get("name"):
        return f"{reference['namespace']}/{reference['name']}" if reference.get("namespace") else str(reference["name"])
    return "<selector>"


def _yes(*path: str) -> Any:
    return lambda obj: bool(at(*path)(obj))


KINDS: tuple[Kind, ...] = (
    Kind(
        "apiregistration.k8s.io",
        "v1",
        "APIService",
        "apiservices",
        False,
        Strategy(),
        categories=("api-extensions",),
        columns=(Column("Service", _service), Column("Available", _available), AGE),
        subresources=STATUS_ONLY,
    ),
    Kind(
        ADMISSION,
        "v1",
        "MutatingAdmissionPolicy",
        "mutatingadmissionpolicies",
        False,
        Counted(),
        since=36,
        categories=("api-extensions",),
        columns=MUTATIONS,
    ),
    Kind(
        ADMISSION,
        "v1",
        "MutatingAdmissionPolicyBinding",
        "mutatingadmissionpolicybindings",
        False,
        Counted(),
        since=36,
        categories=("api-extensions",),
        columns=POLICY_BINDING,
    ),
    Kind(
        ADMISSION,
        "v1",
        "MutatingWebhookConfiguration",
        "mutatingwebhookconfigurations",
        False,
        Counted(),
        categories=("api-extensions",),
        columns=WEBHOOKS,
    ),
    Kind(
        ADMISSION,
        "v1",
        "ValidatingAdmissionPolicy",
        "validatingadmissionpolicies",
        False,
        WithStatus(),
        since=30,
        categories=("api-extensions",),
        columns=POLICY,
        subresources=STATUS_ONLY,
    ),
    Kind(
        ADMISSION,
        "v1",
        "ValidatingAdmissionPolicyBinding",
        "validatingadmissionpolicybindings",
        False,
        Counted(),
        since=30,
        categories=("api-extensions",),
        columns=POLICY_BINDING,
    ),
    Kind(
        ADMISSION,
        "v1",
        "ValidatingWebhookConfiguration",
        "validatingwebhookconfigurations",
        False,
        Counted(),
        categories=("api-extensions",),
        columns=WEBHOOKS,
    ),
    Kind(
        "apps",
        "v1",
        "ControllerRevision",
        "controllerrevisions",
        True,
        RevisionStrategy(),
        columns=(Column("Controller", _controller), Column("Revision", count("revision")), AGE),
    ),
    Kind(
        "certificates.k8s.io",
        "v1",
        "CertificateSigningRequest",
        "certificatesigningrequests",
        False,
        Strategy(),
        short_names=("csr",),
        selectable_fields=("spec.signerName",),
        columns=(
            AGE,
            Column("SignerName", at("spec", "signerName", default="<none>")),
            Column("Requestor", at("spec", "username", default="")),
            Column("RequestedDuration", _requested),
            Column("Condition", _conditions),
        ),
        subresources=(Subresource("approval", STATUS), Subresource("status", STATUS)),
    ),
    Kind(
        "node.k8s.io",
        "v1",
        "RuntimeClass",
        "runtimeclasses",
        False,
        Plain(),
        columns=(Column("Handler", at("handler", default="")), AGE),
    ),
    Kind(
        "scheduling.k8s.io",
        "v1",
        "PriorityClass",
        "priorityclasses",
        False,
        Counted(),
        short_names=("pc",),
        columns=(
            Column("Value", count("value"), type="integer"),
            Column("Global-Default", _yes("globalDefault"), type="boolean"),
            AGE,
            Column("PreemptionPolicy", at("preemptionPolicy", default="")),
        ),
    ),
    Kind(
        STORAGE,
        "v1",
        "CSIDriver",
        "csidrivers",
        False,
        Counted(),
        columns=(
            Column("AttachRequired", at("spec", "attachRequired", default=True), type="boolean"),
            Column("PodInfoOnMount", _yes("spec", "podInfoOnMount"), type="boolean"),
            Column("StorageCapacity", _yes("spec", "storageCapacity"), type="boolean"),
            Column(
                "TokenRequests",
                lambda obj: (
                    ",".join(r.get("audience", "") for r in (obj.get("spec") or {}).get("tokenRequests") or ())
                    or "<unset>"
                ),
            ),
            Column("RequiresRepublish", _yes("spec", "requiresRepublish"), type="boolean"),
            Column("Modes", _join("spec", "volumeLifecycleModes")),
            AGE,
        ),
    ),
    Kind(
        STORAGE,
        "v1",
        "CSINode",
        "csinodes",
        False,
        Plain(),
        columns=(Column("Drivers", lambda obj: len((obj.get("spec") or {}).get("drivers") or ()), type="integer"), AGE),
    ),
    Kind(
        STORAGE,
        "v1",
        "CSIStorageCapacity",
        "csistoragecapacities",
        True,
        Plain(),
        columns=(
            Column("StorageClassName", at("storageClassName", default="")),
            Column("Capacity", at("capacity", default="<unset>")),
        ),
    ),
    Kind(
        STORAGE,
        "v1",
        "StorageClass",
        "storageclasses",
        False,
        Plain(),
        short_names=("sc",),
        columns=(
            Column("Provisioner", at("provisioner", default="")),
            Column("ReclaimPolicy", at("reclaimPolicy", default="Delete")),
            Column("VolumeBindingMode", at("volumeBindingMode", default="Immediate")),
            Column("AllowVolumeExpansion", _yes("allowVolumeExpansion"), type="boolean"),
            AGE,
        ),
        name_cell=_storage_class_name,
    ),
    Kind(
        STORAGE,
        "v1",
        "VolumeAttachment",
        "volumeattachments",
        False,
        Strategy(),
        subresources=STATUS_ONLY,
        columns=(
            Column("Attacher", at("spec", "attacher", default=""), format="name"),
            Column("PV", at("spec", "source", "persistentVolumeName", default="")),
            Column("Node", at("spec", "nodeName", default="")),
            Column("Attached", _yes("status", "attached"), type="boolean"),
            AGE,
        ),
    ),
    Kind(
        STORAGE,
        "v1",
        "VolumeAttributesClass",
        "volumeattributesclasses",
        False,
        Plain(),
        short_names=("vac",),
        since=34,
        columns=(Column("DriverName", at("driverName", default="")), AGE),
    ),
    Kind(
        FLOW,
        "v1",
        "FlowSchema",
        "flowschemas",
        False,
        WithStatus(),
        since=29,
        subresources=STATUS_ONLY,
        columns=(
            Column("PriorityLevel", at("spec", "priorityLevelConfiguration", "name", default="")),
            Column("MatchingPrecedence", count("spec", "matchingPrecedence"), type="integer"),
            Column("DistinguisherMethod", at("spec", "distinguisherMethod", "type", default="<none>")),
            AGE,
            Column("MissingPL", _missing_level),
        ),
    ),
    Kind(
        FLOW,
        "v1",
        "PriorityLevelConfiguration",
        "prioritylevelconfigurations",
        False,
        WithStatus(),
        since=29,
        subresources=STATUS_ONLY,
        columns=(
            Column("Type", at("spec", "type", default="")),
            Column("NominalConcurrencyShares", _limited("nominalConcurrencyShares")),
            Column("Queues", _limited("queues")),
            Column("HandSize", _limited("handSize")),
            Column("QueueLengthLimit", _limited("queueLengthLimit")),
            AGE,
        ),
    ),
    Kind("resource.k8s.io", "v1", "DeviceClass", "deviceclasses", False, Counted(), since=34, columns=(AGE,)),
    Kind(
        "resource.k8s.io",
        "v1",
        "ResourceClaim",
        "resourceclaims",
        True,
        Strategy(),
        since=34,
        subresources=STATUS_ONLY,
        columns=(Column("State", lambda obj: _claim_state(obj)), AGE),
    ),
    Kind(
        "resource.k8s.io",
        "v1",
        "ResourceClaimTemplate",
        "resourceclaimtemplates",
        True,
        Plain(),
        since=34,
        columns=(AGE,),
    ),
    Kind(
        "resource.k8s.io",
        "v1",
        "ResourceSlice",
        "resourceslices",
        False,
        Counted(),
        since=34,
        selectable_fields=("spec.driver", "spec.nodeName"),
        columns=(
            Column("Node", at("spec", "nodeName", default="")),
            Column("Driver", at("spec", "driver", default="")),
            Column("Pool", at("spec", "pool", "name", default="")),
            AGE,
        ),
    ),
)


def _claim_state(obj: Object) -> str:
    status = obj.get("status") or {}
    states = []
    if obj["metadata"].get("deletionTimestamp"):
        states.append("deleted")
    if status.get("allocation"):
        states.append("allocated")
    if status.get("reservedFor"):
        states.append("reserved")
    return ",".join(states) if states else "pending"
