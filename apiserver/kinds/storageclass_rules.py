"""Defaults and rules of storage.k8s.io/v1 (storage validation), causes in the real server's order."""

from __future__ import annotations

from typing import Any

from apiserver import validation as rules
from apiserver.field import FieldError, duplicate, forbidden, immutable, invalid, not_supported, required, too_long
from apiserver.kinds.kind import KEPT_METADATA, Context, Object, Strategy
from apiserver.kinds.pods.checks import each, not_negative, optional_one_of
from apiserver.kinds.pods.internal import internal
from apiserver.kinds.pods.volumes import driver_name
from apiserver.kinds.storage_validation import volume_spec
from apiserver.kinds.strategies import Counted, Free
from apiserver.validation import label_selector
from miniplane.apimachinery.quantity import Quantity

PARAMETERS, PARAMETERS_SIZE, METADATA_SIZE, MESSAGE, NODE_ID = 512, 256 * 1024, 256 * 1024, 1024, 192
"""How many, bytes, bytes, bytes, characters."""
RECLAIM = ("Delete", "Retain")
BINDING = ("Immediate", "WaitForFirstConsumer")
FS_GROUP = ("File", "None", "ReadWriteOnceWithFSType")
LIFECYCLES = ("Persistent", "Ephemeral")
TOKEN_SECONDS = (600, 2**32)


def _parameters(parameters: Object, *, needed: bool = False) -> list[FieldError]:
    if len(parameters) > PARAMETERS:
        return [too_long("parameters", PARAMETERS)]
    found: list[FieldError] = []
    if "" in parameters:
        found.append(invalid("parameters", "", "field can not be empty."))
    if sum(len(key.encode()) + len(value.encode()) for key, value in parameters.items()) > PARAMETERS_SIZE:
        found.append(too_long("parameters", PARAMETERS_SIZE))
    if needed and not parameters:
        found.append(required("parameters", "must contain at least one key/value pair"))
    return found


def _driver(obj: Object, field: str) -> list[FieldError]:
    name = obj.get(field, "")
    return each(field, name.lower(), rules.qualified_name(name.lower())) if name else [required(field)]


def _unchanged(obj: Object, old: Object, names: tuple[str, ...]) -> list[FieldError]:
    return [
        forbidden(name, f"updates to {name} are forbidden.")
        for name in names
        if (obj.get(name) or None) != (old.get(name) or None)
    ]


class StorageClassStrategy(Free):
    """StorageClass."""

    metadata_again = 1
    delete_answers_object = True

    def default(self, obj: Object) -> None:
        if obj.get("reclaimPolicy") is None:
            obj["reclaimPolicy"] = "Delete"
        if obj.get("volumeBindingMode") is None:
            obj["volumeBindingMode"] = "Immediate"

    def validate(self, obj: Object, context: Context) -> list[FieldError]:
        found = _driver(obj, "provisioner") + _parameters(obj.get("parameters") or {})
        found += optional_one_of("reclaimPolicy", obj["reclaimPolicy"] or None, RECLAIM)
        found += optional_one_of("volumeBindingMode", obj["volumeBindingMode"], BINDING)
        return found + _topologies(obj.get("allowedTopologies") or [])

    def validate_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        found = self.validate(obj, context) + _unchanged(obj, old, ("parameters", "provisioner", "reclaimPolicy"))
        if obj["volumeBindingMode"] != old.get("volumeBindingMode"):
            found.append(immutable("volumeBindingMode", obj["volumeBindingMode"]))
        return found


def _topologies(terms: list[Object]) -> list[FieldError]:
    """Each term is compared with those before it, and with an empty one for each that there is."""
    found: list[FieldError] = []
    known: list[dict[str, set[str]]] = [{} for _ in terms]
    for index, term in enumerate(terms):
        path = f"allowedTopologies[{index}]"
        found += _topology(term, path)
        wanted = {
            item.get("key", ""): set(item.get("values") or ()) for item in term.get("matchLabelExpressions") or ()
        }
        found += [duplicate(f"{path}.matchLabelExpressions", "") for other in known if other == wanted]
        known.append(wanted)
    return found


def _topology(term: Object, path: str) -> list[FieldError]:
    found: list[FieldError] = []
    seen: set[str] = set()
    for index, item in enumerate(term.get("matchLabelExpressions") or ()):
        at, key, values = f"{path}.matchLabelExpressions[{index}]", item.get("key", ""), item.get("values") or []
        if key in seen:
            found.append(duplicate(f"{at}.key", key))
        seen.add(key)
        if not values:
            found.append(required(f"{at}.values"))
        found += [duplicate(f"{at}.values[{n}]", value) for n, value in enumerate(values) if value in values[:n]]
        found += each(f"{at}.key", key, rules.qualified_name(key))
    return found


class AttributesClassStrategy(Free):
    """VolumeAttributesClass."""

    delete_answers_object = True

    def validate(self, obj: Object, context: Context) -> list[FieldError]:
        return _driver(obj, "driverName") + _parameters(obj.get("parameters") or {}, needed=True)

    def validate_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        return _unchanged(obj, old, ("driverName", "parameters")) + self.validate(obj, context)


class DriverStrategy(Counted):
    """CSIDriver."""

    disabled_fields = ("spec.preventPodSchedulingIfMissing",)  # VolumeLimitScaling, KEP-5030
    delete_answers_object = True
    unconditional_update = False

    def default(self, obj: Object) -> None:
        spec = obj.setdefault("spec", {})
        defaults: Object = {
            "attachRequired": True,
            "podInfoOnMount": False,
            "storageCapacity": False,
            "fsGroupPolicy": "ReadWriteOnceWithFSType",
            "requiresRepublish": False,
            "seLinuxMount": False,
        }
        for name, value in defaults.items():
            if spec.get(name) is None:
                spec[name] = value
        spec["volumeLifecycleModes"] = spec.get("volumeLifecycleModes") or ["Persistent"]

    def validate(self, obj: Object, context: Context) -> list[FieldError]:
        spec = obj["spec"]
        found = optional_one_of("spec.fsGroupPolicy", spec.get("fsGroupPolicy"), tuple(sorted(FS_GROUP)))
        found += _token_requests(spec.get("tokenRequests") or ())
        for mode in spec.get("volumeLifecycleModes") or ():
            if mode not in LIFECYCLES:
                found.append(not_supported("spec.volumeLifecycleModes", mode, LIFECYCLES))
        period, path = spec.get("nodeAllocatableUpdatePeriodSeconds"), "spec.nodeAllocatableUpdatePeriodSeconds"
        if period is not None and period < 10:
            found.append(invalid(path, period, "must be greater than or equal to 10 seconds"))
        return found

    def validate_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        found, spec, before = self.validate(obj, context), obj["spec"], old["spec"]
        if spec.get("attachRequired") != before.get("attachRequired"):
            found.append(immutable("spec.attachedRequired", spec.get("attachRequired")))
        if spec.get("volumeLifecycleModes") != before.get("volumeLifecycleModes"):
            found.append(immutable("spec.volumeLifecycleModes", spec.get("volumeLifecycleModes")))
        return found


def _token_requests(requests: Any) -> list[FieldError]:
    found: list[FieldError] = []
    seen: set[str] = set()
    low, high = TOKEN_SECONDS
    for index, request in enumerate(requests):
        path, audience = f"spec.tokenRequests[{index}]", request.get("audience", "")
        if audience in seen:
            found.append(duplicate(f"{path}.audience", audience))
            continue
        seen.add(audience)
        seconds = request.get("expirationSeconds")
        if seconds is not None and seconds < low:
            why = "may not specify a duration less than 10 minutes"
            found.append(invalid(f"{path}.expirationSeconds", seconds, why))
        if seconds is not None and seconds > high:
            why = "may not specify a duration larger than 2^32 seconds"
            found.append(invalid(f"{path}.expirationSeconds", seconds, why))
    return found


class NodeStrategy(Free):
    """CSINode."""

    metadata_again = 1
    delete_answers_object = True
    unconditional_update = False

    def validate(self, obj: Object, context: Context) -> list[FieldError]:
        found: list[FieldError] = []
        seen: set[str] = set()
        for index, driver in enumerate((obj.get("spec") or {}).get("drivers") or ()):
            found += _node_driver(driver, f"spec.drivers[{index}]", seen)
        return found

    def validate_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        found = self.validate(obj, context)
        known = {driver.get("name"): driver for driver in (old.get("spec") or {}).get("drivers") or ()}
        for driver in (obj.get("spec") or {}).get("drivers") or ():
            before = known.get(driver.get("name"), driver)
            names = (("Name", "name"), ("NodeID", "nodeID"), ("TopologyKeys", "topologyKeys"))
            if any((driver.get(name) or None) != (before.get(name) or None) for _, name in names):
                shown = {title: driver.get(name) for title, name in names}
                found.append(immutable("spec.drivers", {**shown, "Allocatable": None}))
        return found


def _node_driver(driver: Object, path: str, seen: set[str]) -> list[FieldError]:
    name, node = driver.get("name", ""), driver.get("nodeID", "")
    found = driver_name(f"{path}.name", name)
    if not node:
        found.append(required(f"{path}.nodeID"))
    if len(node) > NODE_ID:
        found.append(invalid(f"{path}.nodeID", node, f"must be {NODE_ID} characters or less"))
    found += not_negative(f"{path}.allocatable.count", (driver.get("allocatable") or {}).get("count"))
    if name in seen:
        found.append(duplicate(f"{path}.name", name))
    seen.add(name)
    keys = driver.get("topologyKeys") or []
    for index, key in enumerate(keys):
        if not key:
            found.append(required(path))
        if key in keys[:index]:
            found.append(duplicate(path, key))
        found += each(path, key, rules.qualified_name(key))
    return found


class CapacityStrategy(Free):
    """CSIStorageCapacity."""

    metadata_again = 1
    unconditional_update = False

    def validate(self, obj: Object, context: Context) -> list[FieldError]:
        name, capacity = obj.get("storageClassName", ""), obj.get("capacity")
        found = label_selector(obj.get("nodeTopology"), "nodeTopology")
        found += each("storageClassName", name, rules.dns1123_subdomain(name))
        if capacity is not None and Quantity.parse(capacity).amount < 0:
            why = "must be greater than or equal to 0"
            found.append(invalid("capacity", Quantity.parse(capacity).canonical(), why))
        return found

    def validate_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        found = self.validate(obj, context)
        for name in ("nodeTopology", "storageClassName"):
            if obj.get(name) != old.get(name):
                found.append(immutable(name, obj.get(name)))
        return found


class AttachmentStrategy(Strategy):
    """VolumeAttachment: what it attaches never changes."""

    status_resets_metadata = True
    status_keeps = KEPT_METADATA
    metadata_again = 1
    delete_answers_object = True
    unconditional_update = False

    def prepare_for_create(self, obj: Object, context: Context) -> None:
        obj["status"] = {"attached": False}

    def validate(self, obj: Object, context: Context) -> list[FieldError]:
        spec, found = obj.get("spec") or {}, self._common(obj)
        found += driver_name("spec.attacher", spec.get("attacher", ""))
        name = (spec.get("source") or {}).get("persistentVolumeName")
        if name is not None:
            found += each("spec.source.persistentVolumeName", name, rules.dns1123_subdomain(name))
        return found

    def _common(self, obj: Object) -> list[FieldError]:
        spec, status = obj.get("spec") or {}, obj.get("status") or {}
        found = [] if spec.get("attacher") else [required("spec.attacher")]
        found += _attachment_source(spec.get("source") or {}, "spec.source")
        found += each("spec.nodeName", spec.get("nodeName", ""), rules.dns1123_subdomain(spec.get("nodeName", "")))
        metadata = status.get("attachmentMetadata") or {}
        if sum(len(key.encode()) + len(value.encode()) for key, value in metadata.items()) > METADATA_SIZE:
            found.append(too_long("status.attachmentMetadata", METADATA_SIZE))
        for name in ("attachError", "detachError"):
            error = status.get(name) or {}
            if len(error.get("message", "").encode()) > MESSAGE:
                found.append(too_long(f"status.{name}.message", METADATA_SIZE))
            if error.get("errorCode", 0) < 0:
                why = "must be between 0 and 2147483647, inclusive"
                found.append(invalid(f"status.{name}.errorCode", error["errorCode"], why))
        return found

    def validate_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        found = self._common(obj)
        if obj.get("spec") != old.get("spec"):
            spec = obj.get("spec") or {}
            source = spec.get("source") or {}
            inline = source.get("inlineVolumeSpec")
            shown = {
                "Attacher": spec.get("attacher", ""),
                "Source": {
                    "PersistentVolumeName": source.get("persistentVolumeName"),
                    "InlineVolumeSpec": internal(inline, "PersistentVolumeSource") if inline else None,
                },
                "NodeName": spec.get("nodeName", ""),
            }
            found.append(immutable("spec", shown))
        return found

    def validate_status_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        return self._common(obj)


def _attachment_source(source: Object, path: str) -> list[FieldError]:
    inline, name = source.get("inlineVolumeSpec"), source.get("persistentVolumeName")
    why = "must specify exactly one of inlineVolumeSpec and persistentVolumeName"
    if inline is None and name is None:
        return [required(path, why)]
    if inline is not None and name is not None:
        return [forbidden(path, why)]
    if name is not None:
        why = "must specify non empty persistentVolumeName"
        return [] if name else [required(f"{path}.persistentVolumeName", why)]
    return volume_spec(inline or {}, f"{path}.inlineVolumeSpec", inline=True)
