"""The core group's kinds other than Pod, Service, Endpoints and Event."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apiserver import validation as rules
from apiserver.field import FieldError, duplicate, forbidden, immutable, invalid, not_supported, required, too_long
from apiserver.kinds.kind import STATUS, Column, Context, Kind, Object, Strategy, Subresource
from apiserver.kinds.pod_defaults import default_pod_spec
from apiserver.kinds.pod_validation import validate_pod_template
from apiserver.kinds.scale import scale_subresource, set_string
from apiserver.kinds.workload_columns import CONTAINERS, IMAGES, at, count, format_labels
from apiserver.table import AGE
from miniplane.apimachinery.quantity import Quantity, rounded_to_milli

NAME_LABEL = "kubernetes.io/metadata.name"
STATUS_SUB = Subresource("status", STATUS)
SIZE_LIMIT = 1024 * 1024
PROXY = ("create", "delete", "get", "patch", "update")


class Free(Strategy):
    """Objects whose every field is the client's."""

    def prepare_for_create(self, obj: Object, context: Context) -> None:
        """Nothing is the server's."""

    def prepare_for_update(self, obj: Object, old: Object, context: Context) -> None:
        """Nothing is the server's."""


class NamespaceStrategy(Strategy):
    """Namespace: it goes when its own finalizers are gone."""

    delete_answers_object = True

    def default(self, obj: Object) -> None:
        obj["metadata"].setdefault("labels", {})
        if obj["metadata"].get("name"):
            obj["metadata"]["labels"][NAME_LABEL] = obj["metadata"]["name"]

    def prepare_for_create(self, obj: Object, context: Context) -> None:
        obj["metadata"].setdefault("labels", {})[NAME_LABEL] = obj["metadata"].get("name", "")
        obj["status"] = {"phase": "Active"}
        finalizers = (obj.get("spec") or {}).get("finalizers") or []
        obj["spec"] = {"finalizers": finalizers if "kubernetes" in finalizers else [*finalizers, "kubernetes"]}

    def prepare_for_update(self, obj: Object, old: Object, context: Context) -> None:
        super().prepare_for_update(obj, old, context)
        obj.setdefault("spec", {})
        before = (old.get("spec") or {}).get("finalizers")
        if before is None:
            obj["spec"].pop("finalizers", None)
        else:
            obj["spec"]["finalizers"] = before

    def validate_name(self, name: str, prefix: bool = False) -> list[str]:
        return rules.dns1123_label(name, prefix=prefix)

    def mark_deleted(self, obj: Object, context: Context) -> None:
        obj.setdefault("status", {})["phase"] = "Terminating"

    def may_go(self, obj: Object) -> bool:
        return not (obj.get("spec") or {}).get("finalizers")

    def field_values(self, obj: Object) -> Mapping[str, str]:
        phase = (obj.get("status") or {}).get("phase", "")
        return {"status.phase": phase, "name": obj["metadata"]["name"]}


class FinalizeStrategy(NamespaceStrategy):
    """The finalize subresource changes spec.finalizers alone."""

    def prepare_for_update(self, obj: Object, old: Object, context: Context) -> None:
        obj["status"] = old.get("status") or {}


class NodeStrategy(Strategy):
    """Node."""

    def prepare_for_create(self, obj: Object, context: Context) -> None:
        """A kubelet registers itself with its status."""
        obj.setdefault("status", {})

    def validate(self, obj: Object, context: Context) -> list[FieldError]:
        found: list[FieldError] = []
        seen = set()
        for index, taint in enumerate((obj.get("spec") or {}).get("taints") or ()):
            found += _taint(taint, f"metadata.taints[{index}]")
            pair = (taint.get("key"), taint.get("effect"))
            if pair in seen:
                found.append(duplicate(f"metadata.taints[{index}]", taint))
            seen.add(pair)
        return found

    def field_values(self, obj: Object) -> Mapping[str, str]:
        return {"spec.unschedulable": "true" if (obj.get("spec") or {}).get("unschedulable") else "false"}


EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")


def _taint(taint: Object, path: str) -> list[FieldError]:
    found = [invalid(f"{path}.key", taint.get("key", ""), text) for text in rules.qualified_name(taint.get("key", ""))]
    value = taint.get("value", "")
    found += [invalid(f"{path}.value", value, text) for text in rules.label_value(value)]
    if taint.get("effect") not in EFFECTS:
        if not taint.get("effect"):
            found.append(required(f"{path}.effect"))
        else:
            found.append(not_supported(f"{path}.effect", taint["effect"], EFFECTS))
    return found


class ConfigMapStrategy(Free):
    """ConfigMap: keys, size, immutability."""

    def validate(self, obj: Object, context: Context) -> list[FieldError]:
        data, binary = obj.get("data") or {}, obj.get("binaryData") or {}
        found: list[FieldError] = []
        size = 0
        for key in sorted(data):
            found += [invalid(f"data[{key}]", key, text) for text in rules.config_map_key(key)]
            if key in binary:
                found.append(invalid(f"data[{key}]", key, f"duplicate of key present in binaryData"))  # noqa: F541
            size += len(data[key].encode())
        for key in sorted(binary):
            found += [invalid(f"binaryData[{key}]", key, text) for text in rules.config_map_key(key)]
            size += len(binary[key]) * 3 // 4
        if size > SIZE_LIMIT:
            found.append(too_long("[]", SIZE_LIMIT))
        return found

    def validate_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        found = _frozen(obj, old, ("data", "binaryData"))
        return found + self.validate(obj, context)


def _frozen(obj: Object, old: Object, fields: tuple[str, ...]) -> list[FieldError]:
    if not old.get("immutable"):
        return []
    why = "field is immutable when `immutable` is set"
    found = [] if obj.get("immutable") else [forbidden("immutable", why)]
    return found + [forbidden(name, why) for name in fields if (obj.get(name) or {}) != (old.get(name) or {})]


SECRET_KEYS: dict[str, tuple[str, ...]] = {
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
}
ACCOUNT_NAME = "kubernetes.io/service-account.name"


class SecretStrategy(Free):
    """Secret: types and the keys they need."""

    def default(self, obj: Object) -> None:
        import base64

        obj["type"] = obj.get("type") or "Opaque"
        plain = obj.pop("stringData", None)
        if plain:
            data = obj.setdefault("data", {})
            for key, value in plain.items():
                data[key] = base64.b64encode(value.encode()).decode()

    def validate(self, obj: Object, context: Context) -> list[FieldError]:
        data = obj.get("data") or {}
        found: list[FieldError] = []
        for key in sorted(data):
            found += [invalid(f"data[{key}]", key, text) for text in rules.config_map_key(key)]
        if sum(len(value) * 3 // 4 for value in data.values()) > SIZE_LIMIT:
            found.append(too_long("data", SIZE_LIMIT))
        kind = obj.get("type", "")
        found += [required(f"data[{key}]") for key in SECRET_KEYS.get(kind, ()) if key not in data]
        if kind == "kubernetes.io/basic-auth" and not {"username", "password"} & set(data):
            found += [required("data[username]"), required("data[password]")]
        if kind == "kubernetes.io/service-account-token" and not (obj["metadata"].get("annotations") or {}).get(ACCOUNT_NAME):
            found.append(required(f"metadata.annotations[{ACCOUNT_NAME}]"))
        return found

    def validate_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        found = [] if obj.get("type") == old.get("type") else [immutable("type", obj.get("type"))]
        found += _frozen(obj, old, ("data",))
        return found + self.validate(obj, context)

    def field_values(self, obj: Object) -> Mapping[str, str]:
        return {"type": obj.get("type", "")}


class ServiceAccountStrategy(Free):
    """ServiceAccount."""

    delete_answers_object = True


class LimitRangeStrategy(Free):
    """LimitRange."""

    def default(self, obj: Object) -> None:
        for item in (obj.setdefault("spec", {})).get("limits") or ():
            for name in ("max", "min", "default", "defaultRequest", "maxLimitRequestRatio"):
                if item.get(name):
                    item[name] = {key: rounded_to_milli(value) for key, value in item[name].items()}
            if item.get("type") == "Container":
                default = item.setdefault("default", {})
                for key, value in (item.get("max") or {}).items():
                    default.setdefault(key, value)
                request = item.setdefault("defaultRequest", {})
                for source in (default, item.get("min") or {}):
                    for key, value in source.items():
                        request.setdefault(key, value)
                for name in ("default", "defaultRequest"):
                    if not item[name]:
                        del item[name]

    def validate(self, obj: Object, context: Context) -> list[FieldError]:
        found: list[FieldError] = []
        seen: set[str] = set()
        for index, item in enumerate((obj.get("spec") or {}).get("limits") or ()):
            path, kind = f"spec.limits[{index}]", item.get("type", "")
            if kind in seen:
                found.append(duplicate(f"{path}.type", kind))
            seen.add(kind)
            if kind == "Pod":
                found += [
                    forbidden(f"{path}.{name}", "may not be specified when `type` is 'Pod'")
                    for name in ("default", "defaultRequest")
                    if item.get(name)
                ]
            found += _limit_order(item, path)
        return found


def _limit_order(item: Object, path: str) -> list[FieldError]:
    found: list[FieldError] = []
    low, high = item.get("min") or {}, item.get("max") or {}
    default, request = item.get("default") or {}, item.get("defaultRequest") or {}
    for name in sorted({*low, *high, *default, *request}):
        pairs = ((low, high, "min", "min", "max"), (low, request, "defaultRequest", "min", "default request"))
        pairs += ((request, high, "defaultRequest", "default request", "max"),)
        pairs += ((request, default, "defaultRequest", "default request", "default limit"), (default, high, "default", "default", "max"))
        for first, second, field, a, b in pairs:
            if name in first and name in second and Quantity.parse(first[name]) > Quantity.parse(second[name]):
                why = f"{a} value {first[name]} is greater than {b} value {second[name]}"
                found.append(invalid(f"{path}.{field}[{name}]", first[name], why))
    return found


class QuotaStrategy(Strategy):
    """ResourceQuota."""

    def default(self, obj: Object) -> None:
        hard = obj.setdefault("spec", {}).get("hard")
        if hard:
            obj["spec"]["hard"] = {key: rounded_to_milli(value) for key, value in hard.items()}

    def prepare_for_create(self, obj: Object, context: Context) -> None:
        obj["status"] = {}


class ClaimStrategy(Strategy):
    """PersistentVolumeClaim."""

    delete_answers_object = True

    def default(self, obj: Object) -> None:
        obj.setdefault("spec", {}).setdefault("volumeMode", "Filesystem")

    def prepare_for_create(self, obj: Object, context: Context) -> None:
        obj["status"] = {"phase": "Pending"}

    def validate(self, obj: Object, context: Context) -> list[FieldError]:
        spec, found = obj["spec"], []
        modes = spec.get("accessModes") or []
        if not modes:
            found.append(required("spec.accessModes", "at least 1 access mode is required"))
        supported = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
        found += [not_supported("spec.accessModes", mode, supported) for mode in modes if mode not in supported]
        storage = ((spec.get("resources") or {}).get("requests") or {}).get("storage")
        if storage is None:
            found.append(required("spec.resources[storage]"))
        elif Quantity.parse(storage).amount <= 0:
            found.append(invalid("spec.resources[storage]", storage, "must be greater than zero"))
        return found


class VolumeStrategy(Strategy):
    """PersistentVolume."""

    delete_answers_object = True

    def default(self, obj: Object) -> None:
        spec = obj.setdefault("spec", {})
        spec["persistentVolumeReclaimPolicy"] = spec.get("persistentVolumeReclaimPolicy") or "Retain"
        spec.setdefault("volumeMode", "Filesystem")
        if spec.get("hostPath") is not None:
            spec["hostPath"].setdefault("type", "")
        if spec.get("claimRef") is not None:
            spec["claimRef"].setdefault("apiVersion", "v1")
            spec["claimRef"].setdefault("kind", "PersistentVolumeClaim")

    def prepare_for_create(self, obj: Object, context: Context) -> None:
        obj["status"] = {"phase": "Pending"}


class PodTemplateStrategy(Free):
    """PodTemplate."""

    def default(self, obj: Object) -> None:
        template = obj.setdefault("template", {})
        template.setdefault("metadata", {})
        default_pod_spec(template.setdefault("spec", {}))

    def validate(self, obj: Object, context: Context) -> list[FieldError]:
        return validate_pod_template(obj["template"], "template", context)


class ControllerStrategy(Strategy):
    """ReplicationController."""

    has_generation = True
    orphan_dependents_by_default = True

    def default(self, obj: Object) -> None:
        spec = obj.setdefault("spec", {})
        spec.setdefault("replicas", 1)
        template = spec.get("template")
        if template is None:
            return
        template.setdefault("metadata", {})
        default_pod_spec(template.setdefault("spec", {}))
        labels = template["metadata"].get("labels")
        if labels:
            spec.setdefault("selector", dict(labels))
            if not obj["metadata"].get("labels"):
                obj["metadata"]["labels"] = dict(labels)

    def prepare_for_create(self, obj: Object, context: Context) -> None:
        obj["status"] = {"replicas": 0}

    def validate(self, obj: Object, context: Context) -> list[FieldError]:
        spec, found = obj["spec"], []
        if spec.get("minReadySeconds", 0) < 0:
            found.append(invalid("spec.minReadySeconds", spec["minReadySeconds"], "must be greater than or equal to 0"))
        selector = spec.get("selector") or {}
        if not selector:
            found.append(required("spec.selector"))
        if (spec.get("replicas") or 0) < 0:
            found.append(invalid("spec.replicas", spec["replicas"], "must be greater than or equal to 0"))
        template = spec.get("template")
        if template is None:
            return [*found, required("spec.template")]
        labels = (template.get("metadata") or {}).get("labels") or {}
        if any(labels.get(key) != value for key, value in selector.items()):
            why = "`selector` does not match template `labels`"
            found.append(invalid("spec.template.metadata.labels", labels or None, why))
        found += validate_pod_template(template, "spec.template", context)
        policy = (template.get("spec") or {}).get("restartPolicy")
        if policy != "Always":
            found.append(not_supported("spec.template.spec.restartPolicy", policy or "", ("Always",)))
        return found


def _node_status(obj: Object) -> str:
    ready = next((c for c in (obj.get("status") or {}).get("conditions") or () if c.get("type") == "Ready"), None)
    text = "Unknown" if ready is None else "Ready" if ready.get("status") == "True" else "NotReady"
    return text + (",SchedulingDisabled" if (obj.get("spec") or {}).get("unschedulable") else "")


ROLE_PREFIX = "node-role.kubernetes.io/"


def _roles(obj: Object) -> str:
    labels = obj["metadata"].get("labels") or {}
    found = {key[len(ROLE_PREFIX) :] for key in labels if key.startswith(ROLE_PREFIX) and len(key) > len(ROLE_PREFIX)}
    if labels.get("kubernetes.io/role"):
        found.add(labels["kubernetes.io/role"])
    return ",".join(sorted(found)) or "<none>"


def _address(kind: str) -> Any:
    def value(obj: Object) -> str:
        addresses = (obj.get("status") or {}).get("addresses") or ()
        return next((a["address"] for a in addresses if a.get("type") == kind), "<none>")

    return value


def _info(name: str) -> Any:
    def value(obj: Object) -> str:
        return ((obj.get("status") or {}).get("nodeInfo") or {}).get(name) or "<unknown>"

    return value


NODE_COLUMNS = (
    Column("Status", _node_status),
    Column("Roles", _roles),
    AGE,
    Column("Version", lambda obj: ((obj.get("status") or {}).get("nodeInfo") or {}).get("kubeletVersion", "")),
    Column("Internal-IP", _address("InternalIP"), priority=1),
    Column("External-IP", _address("ExternalIP"), priority=1),
    Column("OS-Image", _info("osImage"), priority=1),
    Column("Kernel-Version", _info("kernelVersion"), priority=1),
    Column("Container-Runtime", _info("containerRuntimeVersion"), priority=1),
)
_MODES = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}


def _modes(modes: Any) -> str:
    return ",".join(short for mode, short in _MODES.items() if mode in (modes or ()))


def _claim_bound(obj: Object, *path: str) -> Any:
    return at(*path)(obj) if (obj.get("spec") or {}).get("volumeName") else None


def _deleting(obj: Object, default: str) -> str:
    if obj["metadata"].get("deletionTimestamp"):
        return "Terminating"
    return str((obj.get("status") or {}).get("phase", default))


CLAIM_COLUMNS = (
    Column("Status", lambda obj: _deleting(obj, "")),
    Column("Volume", at("spec", "volumeName", default="")),
    Column("Capacity", lambda obj: (_claim_bound(obj, "status", "capacity") or {}).get("storage", "")),
    Column("Access Modes", lambda obj: _modes(_claim_bound(obj, "status", "accessModes"))),
    Column("StorageClass", at("spec", "storageClassName", default="")),
    Column("VolumeAttributesClass", at("spec", "volumeAttributesClassName", default="<unset>")),
    AGE,
    Column("VolumeMode", at("spec", "volumeMode", default="<unset>"), priority=1),
)


def _claim(obj: Object) -> str:
    reference = (obj.get("spec") or {}).get("claimRef")
    return f"{reference.get('namespace', '')}/{reference.get('name', '')}" if reference else ""


VOLUME_COLUMNS = (
    Column("Capacity", lambda obj: ((obj.get("spec") or {}).get("capacity") or {}).get("storage", "")),
    Column("Access Modes", lambda obj: _modes((obj.get("spec") or {}).get("accessModes"))),
    Column("Reclaim Policy", at("spec", "persistentVolumeReclaimPolicy", default="")),
    Column("Status", lambda obj: _deleting(obj, "")),
    Column("Claim", _claim),
    Column("StorageClass", at("spec", "storageClassName", default="")),
    Column("VolumeAttributesClass", at("spec", "volumeAttributesClassName", default="<unset>")),
    Column("Reason", at("status", "reason", default="")),
    AGE,
    Column("VolumeMode", at("spec", "volumeMode", default="<unset>"), priority=1),
)


def _quota(prefix: bool) -> Any:
    def value(obj: Object) -> str:
        status = obj.get("status") or {}
        hard, used = status.get("hard") or {}, status.get("used") or {}
        parts = [
            f"{name}: {used.get(name, '0')}/{hard[name]}"
            for name in sorted(hard)
            if name.startswith("limits.") is prefix
        ]
        return ", ".join(parts)

    return value


def _kind(name: str, plural: str, namespaced: bool, strategy: Strategy, *short: str, **more: Any) -> Kind:
    return Kind("", "v1", name, plural, namespaced, strategy, short_names=short, **more)


KINDS: tuple[Kind, ...] = (
    _kind("Binding", "bindings", True, Strategy(), verbs=("create",), handler="binding"),
    _kind("ComponentStatus", "componentstatuses", False, Strategy(), "cs", verbs=("get", "list"), singular="componentstatus"),
    _kind("ConfigMap", "configmaps", True, ConfigMapStrategy(), "cm",
          columns=(Column("Data", lambda obj: len(obj.get("data") or {}) + len(obj.get("binaryData") or {})), AGE)),
    _kind("LimitRange", "limitranges", True, LimitRangeStrategy(), "limits"),
    _kind("Namespace", "namespaces", False, NamespaceStrategy(), "ns",
          verbs=("create", "delete", "get", "list", "patch", "update", "watch"),
          columns=(Column("Status", at("status", "phase", default="")), AGE), selectable_fields=("status.phase", "name"),
          subresources=(Subresource("finalize", ("update",), strategy=FinalizeStrategy()), STATUS_SUB)),
    _kind("Node", "nodes", False, NodeStrategy(), "no", columns=NODE_COLUMNS, selectable_fields=("spec.unschedulable",),
          subresources=(Subresource("proxy", PROXY, gvk=("", "v1", "NodeProxyOptions"), handler="connect"), STATUS_SUB)),
    _kind("PersistentVolumeClaim", "persistentvolumeclaims", True, ClaimStrategy(), "pvc", columns=CLAIM_COLUMNS,
          subresources=(STATUS_SUB,)),
    _kind("PersistentVolume", "persistentvolumes", False, VolumeStrategy(), "pv", columns=VOLUME_COLUMNS,
          subresources=(STATUS_SUB,)),
    _kind("PodTemplate", "podtemplates", True, PodTemplateStrategy(),
          columns=(Column("Containers", lambda obj: ",".join(c.get("name", "") for c in _template_containers(obj))),
                   Column("Images", lambda obj: ",".join(c.get("image", "") for c in _template_containers(obj))),
                   Column("Pod Labels", lambda obj: format_labels(((obj.get("template") or {}).get("metadata") or {}).get("labels"))))),
    _kind("ReplicationController", "replicationcontrollers", True, ControllerStrategy(), "rc", categories=("all",),
          columns=(Column("Desired", count("spec", "replicas"), type="integer"),
                   Column("Current", count("status", "replicas"), type="integer"),
                   Column("Ready", count("status", "readyReplicas"), type="integer"), AGE, CONTAINERS, IMAGES,
                   Column("Selector", lambda obj: format_labels((obj.get("spec") or {}).get("selector")), priority=1)),
          selectable_fields=("status.replicas",), subresources=(scale_subresource(set_string), STATUS_SUB)),
    _kind("ResourceQuota", "resourcequotas", True, QuotaStrategy(), "quota",
          columns=(Column("Request", _quota(False)), Column("Limit", _quota(True)), AGE), subresources=(STATUS_SUB,)),
    _kind("Secret", "secrets", True, SecretStrategy(), selectable_fields=("type",),
          columns=(Column("Type", at("type", default="")), Column("Data", lambda obj: len(obj.get("data") or {})), AGE)),
    _kind("ServiceAccount", "serviceaccounts", True, ServiceAccountStrategy(), "sa",
          columns=(Column("Secrets", lambda obj: len(obj.get("secrets") or ())), AGE),
          subresources=(Subresource("token", ("create",), gvk=("authentication.k8s.io", "v1", "TokenRequest"), handler="token"),)),
)


def _template_containers(obj: Object) -> list[Any]:
    return ((obj.get("template") or {}).get("spec") or {}).get("containers") or []
