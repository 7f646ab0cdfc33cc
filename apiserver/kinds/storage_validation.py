"""Validation of PersistentVolumes and PersistentVolumeClaims, and of the claims that pods make for themselves."""

from __future__ import annotations

import posixpath
from typing import Any

from apiserver import validation as rules
from apiserver.field import FieldError, forbidden, immutable, invalid, not_supported, required
from apiserver.kinds.kind import Object
from apiserver.kinds.pods import volumes
from apiserver.kinds.pods.checks import NOT_POSITIVE, Scope, each, named, needs, no_backsteps, optional_one_of, words
from apiserver.kinds.pods.internal import diff, internal
from apiserver.kinds.pods.scheduling import node_selector
from miniplane.apimachinery.quantity import Quantity

ACCESS_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
VOLUME_MODES = ("Block", "Filesystem")
RECLAIM = ("Delete", "Recycle", "Retain")
BETA_CLASS = "volume.beta.kubernetes.io/storage-class"


def access_modes(modes: Any, path: str) -> list[FieldError]:
    """Known ones; ReadWriteOncePod stands alone."""
    found = [not_supported(path, mode, ACCESS_MODES) for mode in modes if mode not in ACCESS_MODES]
    if "ReadWriteOncePod" in modes and any(mode in ACCESS_MODES[:3] for mode in modes):
        found.append(forbidden(path, "may not use ReadWriteOncePod with other access modes"))
    return found


def _positive(text: str, path: str) -> list[FieldError]:
    value = Quantity.parse(text)
    return [] if value.amount > 0 else [invalid(path, value.canonical(), NOT_POSITIVE)]


def claim_spec(spec: Object, path: str) -> list[FieldError]:
    """A PersistentVolumeClaimSpec."""
    modes = spec.get("accessModes") or ()
    found = [] if modes else [required(f"{path}.accessModes", "at least 1 access mode is required")]
    found += rules.label_selector(spec.get("selector"), f"{path}.selector")
    found += access_modes(modes, f"{path}.accessModes")
    storage = ((spec.get("resources") or {}).get("requests") or {}).get("storage")
    at = f"{path}.resources[storage]"
    found += [required(at)] if storage is None else _positive(storage, at)
    found += _class(spec.get("storageClassName"), f"{path}.storageClassName")
    found += optional_one_of(f"{path}.volumeMode", spec.get("volumeMode"), VOLUME_MODES)
    for name in ("dataSource", "dataSourceRef"):
        if spec.get(name) is not None:
            found += _data_source(spec[name], f"{path}.{name}")
    found += _sources_agree(spec, path)
    return found + _class(spec.get("volumeAttributesClassName"), f"{path}.volumeAttributesClassName")


def _class(name: str | None, path: str) -> list[FieldError]:
    return each(path, name, rules.dns1123_subdomain(name)) if name else []


def _data_source(source: Object, path: str) -> list[FieldError]:
    found = needs(source, path, "name", "kind")
    group, kind, space = source.get("apiGroup") or "", source.get("kind", ""), source.get("namespace")
    if not group and kind != "PersistentVolumeClaim":
        why = "must be 'PersistentVolumeClaim' when referencing the default apiGroup"
        found.append(invalid(path, kind, why))
    if group:
        found += each(f"{path}.apiGroup", group, rules.dns1123_subdomain(group))
    return found + (each(f"{path}.namespace", space, rules.dns1123_label(space)) if space else [])


def _sources_agree(spec: Object, path: str) -> list[FieldError]:
    first, second = spec.get("dataSource"), spec.get("dataSourceRef")
    if first is None or second is None:
        return []
    if second.get("namespace"):
        return [invalid(path, f"{path}.dataSource", "may not be specified when dataSourceRef.namespace is specified")]
    if all((first.get(key) or "") == (second.get(key) or "") for key in ("apiGroup", "kind", "name")):
        return []
    return [invalid(path, f"{path}.dataSource", "must match dataSourceRef")]


def claim_update(new: Object, old: Object) -> list[FieldError]:
    """A changed claim: only size and attributes class, and these only once it is bound. The real server judges the spec
    twice, and tells its causes as often."""
    found = claim_spec(new["spec"], "spec") * 2
    wanted, live = dict(new["spec"]), dict(old["spec"])
    if not live.get("volumeName") and wanted.get("volumeName"):
        live["volumeName"] = wanted["volumeName"]
    notes, before = (obj["metadata"].get("annotations") or {} for obj in (new, old))
    if notes.get(BETA_CLASS, "") != before.get(BETA_CLASS, ""):
        found.append(immutable(f"metadata.annotations.{BETA_CLASS}", notes.get(BETA_CLASS, "")))
    if live.get("storageClassName") is None and before.get(BETA_CLASS) in (None, wanted.get("storageClassName")):
        wanted.pop("storageClassName", None)
    if (new.get("status") or {}).get("phase") == "Bound":
        _keep_size_and_class(wanted, live)
    shown, known = internal(wanted, "PersistentVolumeClaimSpec"), internal(live, "PersistentVolumeClaimSpec")
    if shown != known:
        why = (
            "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"
        )
        found.append(forbidden("spec", f"{why}\n{diff(known, shown)}"))
    return found + _shrunk(new, old) + _modes_kept(new, old)


def _keep_size_and_class(wanted: Object, live: Object) -> None:
    resources = dict(wanted.get("resources") or {})
    if resources.get("requests"):
        storage = ((live.get("resources") or {}).get("requests") or {}).get("storage", "0")
        wanted["resources"] = {**resources, "requests": {**resources["requests"], "storage": storage}}
    if wanted.get("volumeAttributesClassName") is not None:
        wanted["volumeAttributesClassName"] = live.get("volumeAttributesClassName")


def _size(obj: Object) -> Quantity:
    return Quantity.parse(((obj["spec"].get("resources") or {}).get("requests") or {}).get("storage", "0"))


def _shrunk(new: Object, old: Object) -> list[FieldError]:
    """A failed expansion may be taken back, down to what the volume has (KEP-1790)."""
    capacity = Quantity.parse(((old.get("status") or {}).get("capacity") or {}).get("storage", "0"))
    if _size(new) < _size(old) and _size(new) <= capacity:
        return [forbidden("spec.resources.requests.storage", "field can not be less than status.capacity")]
    return []


def _modes_kept(new: Object, old: Object) -> list[FieldError]:
    found: list[FieldError] = []
    if new["spec"].get("volumeMode") != old["spec"].get("volumeMode"):
        found.append(immutable("volumeMode", new["spec"].get("volumeMode")))
    wanted, applied = (
        new["spec"].get("volumeAttributesClassName"),
        (old.get("status") or {}).get("currentVolumeAttributesClassName"),
    )
    if applied is not None and not wanted and old["spec"].get("volumeAttributesClassName") != wanted:
        what = "nil" if wanted is None else "empty string"
        why = f"update to {what} is forbidden when status.currentVolumeAttributesClassName is not nil"
        found.append(forbidden("spec.volumeAttributesClassName", why))
    return found


RESIZE_STATUSES = (
    "ControllerResizeInProgress", "ControllerResizeInfeasible", "NodeResizeInProgress", "NodeResizeInfeasible",
    "NodeResizePending",
)  # fmt: skip


def claim_status(claim: Object) -> list[FieldError]:
    """What is wrong with a claim's status."""
    status = claim.get("status") or {}
    found = [] if claim["spec"].get("accessModes") else [required("Spec.accessModes")]
    for name, amount in sorted((status.get("capacity") or {}).items()):
        found += _basic(amount, f"status.capacity[{name}]")
    path = "status.allocatedResourceStatuses"
    for name, state in sorted((status.get("allocatedResourceStatuses") or {}).items()):
        found += _claim_resource(name, path)
        if state not in RESIZE_STATUSES:
            found.append(not_supported(path, name, RESIZE_STATUSES))
    path = "status.allocatedResources"
    for name, amount in sorted((status.get("allocatedResources") or {}).items()):
        found += _claim_resource(name, path) or _basic(amount, f"{path}[{name}]")
    return found


def _claim_resource(name: str, path: str) -> list[FieldError]:
    """A qualified name; of Kubernetes' own only storage."""
    found = each(path, name, rules.qualified_name(name))
    if not found and name != "storage" and ("/" not in name or "kubernetes.io/" in name):
        found.append(not_supported(path, name, ("storage",)))
    return found


def _basic(amount: str, path: str) -> list[FieldError]:
    value = Quantity.parse(amount).value()
    return [invalid(path, value, "must be a valid resource quantity")] if value < 0 else []


def _glusterfs(source: Object, path: str, scope: Scope) -> list[FieldError]:
    found, space = needs(source, path, "endpoints", "path"), source.get("endpointsNamespace")
    if space == "":
        why = "if the endpointnamespace is set, it must be a valid namespace name"
        found.append(invalid(f"{path}.endpointsNamespace", space, why))
    elif space is not None:
        found += each(f"{path}.endpointsNamespace", space, rules.dns1123_label(space))
    return found


def _azure_file(source: Object, path: str, scope: Scope) -> list[FieldError]:
    found = needs(source, path, "secretName", "shareName")
    return found + ([required(f"{path}.secretNamespace")] if source.get("secretNamespace") == "" else [])


def _local(source: Object, path: str, scope: Scope) -> list[FieldError]:
    return no_backsteps(f"{path}.path", source["path"]) if source.get("path") else [required(f"{path}.path")]


_SECRETS = ("controllerPublishSecretRef", "controllerExpandSecretRef", "nodePublishSecretRef", "nodeExpandSecretRef")


def _csi(source: Object, path: str, scope: Scope) -> list[FieldError]:
    found = volumes.driver_name(f"{path}.driver", source.get("driver", "")) + needs(source, path, "volumeHandle")
    for name in _SECRETS:
        reference, at = source.get(name), f"{path}.{name}"
        if reference is not None:
            found += named(f"{at}.name", reference.get("name"), rules.dns1123_subdomain)
            found += named(f"{at}.namespace", reference.get("namespace"), rules.dns1123_label)
    return found


_ORDER = words(
    "hostPath gcePersistentDisk awsElasticBlockStore glusterfs flocker nfs rbd quobyte cephfs iscsi "
    "cinder fc flexVolume azureFile vsphereVolume photonPersistentDisk portworxVolume azureDisk scaleIO "
    "local storageos csi"
)
_OWN: dict[str, volumes.Check] = {"glusterfs": _glusterfs, "azureFile": _azure_file, "local": _local, "csi": _csi}


def volume_spec(spec: Object, path: str = "spec", *, inline: bool = False) -> list[FieldError]:
    """A PersistentVolumeSpec. `inline`: one of a VolumeAttachment, which is of a CSI driver and says little else."""
    if inline:
        return _inline(spec, path)
    modes = spec.get("accessModes") or ()
    found = ([] if modes else [required(f"{path}.accessModes")]) + access_modes(modes, f"{path}.accessModes")
    found += _capacity(spec.get("capacity") or {}, f"{path}.capacity")
    policy = spec.get("persistentVolumeReclaimPolicy")
    found += optional_one_of(f"{path}.persistentVolumeReclaimPolicy", policy or None, RECLAIM)
    affinity = spec.get("nodeAffinity")
    if affinity is not None and affinity.get("required") is None:
        found.append(required(f"{path}.nodeAffinity.required", "must specify required node constraints"))
    elif affinity is not None:
        found += node_selector(affinity["required"], f"{path}.nodeAffinity.required")
    found += _source(spec, path)
    root = posixpath.normpath((spec.get("hostPath") or {}).get("path") or ".") == "/"
    if root and policy == "Recycle":
        why = "may not be 'recycle' for a hostPath mount of '/'"
        found.append(forbidden(f"{path}.persistentVolumeReclaimPolicy", why))
    found += _class(spec.get("storageClassName"), f"{path}.storageClassName")
    found += optional_one_of(f"{path}.volumeMode", spec.get("volumeMode"), VOLUME_MODES)
    return found + _attributes(spec, path)


_NOT_INLINE = (
    ("claimRef", "may not be specified in the context of inline volumes"),
    ("capacity", "may not be specified in the context of inline volumes"),
    ("csi", "has to be specified in the context of inline volumes"),
)


def _inline(spec: Object, path: str) -> list[FieldError]:
    modes = spec.get("accessModes") or ()
    found = [forbidden(f"{path}.{name}", why) for name, why in _NOT_INLINE[:2] if spec.get(name)]
    if spec.get("csi") is None:
        found.append(required(f"{path}.csi", _NOT_INLINE[2][1]))
    found += ([] if modes else [required(f"{path}.accessModes")]) + access_modes(modes, f"{path}.accessModes")
    for name in ("persistentVolumeReclaimPolicy", "nodeAffinity", "storageClassName", "volumeMode"):
        if spec.get(name) and (name != "volumeMode" or spec[name] != "Filesystem"):
            found.append(forbidden(f"{path}.{name}", _NOT_INLINE[0][1]))
    return found + _source(spec, path)


def _capacity(capacity: Object, path: str) -> list[FieldError]:
    found = [] if capacity else [required(path)]
    if list(capacity) != ["storage"]:
        found.append(not_supported(path, dict(sorted(capacity.items())) or None, ("storage",)))
    for name in sorted(capacity):
        found += _basic(capacity[name], f"{path}[{name}]") + _positive(capacity[name], f"{path}[{name}]")
    return found


def _source(spec: Object, path: str) -> list[FieldError]:
    found: list[FieldError] = []
    given = [name for name in _ORDER if spec.get(name) is not None]
    for index, name in enumerate(given):
        if index and name != "flexVolume":
            shown = "cephFS" if name == "cephfs" else name
            found.append(forbidden(f"{path}.{shown}", "may not specify more than 1 volume type"))
            continue
        at = f"{path}.{'persistentDisk' if name == 'gcePersistentDisk' else name}"
        found += (_OWN.get(name) or volumes.SOURCES[name])(spec[name], at, Scope())
        if name == "local" and spec.get("nodeAffinity") is None:
            found.append(required(f"{path}.nodeAffinity", "Local volume requires node affinity"))
    return found if given else [*found, required(path, "must specify a volume type")]


def _attributes(spec: Object, path: str) -> list[FieldError]:
    name, at = spec.get("volumeAttributesClassName"), f"{path}.volumeAttributesClassName"
    if name is None:
        return []
    found = each(at, name, rules.dns1123_subdomain(name)) if name else [required(at, "an empty string is disallowed")]
    if spec.get("csi") is None:
        found.append(required(f"{path}.csi", "has to be specified when using volumeAttributesClassName"))
    return found


def volume_update(new: Object, old: Object) -> list[FieldError]:
    """A changed volume: its source and mode stay. The spec is judged twice, as a claim's."""
    wanted, live = new["spec"], old["spec"]
    found = volume_spec(wanted) * 2
    after, before = internal(wanted, "PersistentVolumeSource"), internal(live, "PersistentVolumeSource")
    secret = "controllerExpandSecretRef"
    if live.get("csi") and wanted.get("csi") and live["csi"].get(secret) is None:
        after["CSI"] = dict(sorted((key, value) for key, value in wanted["csi"].items() if key != secret))
    if after != before:
        why = f"spec.persistentvolumesource is immutable after creation\n{diff(before, after)}"
        found.append(forbidden("spec.persistentvolumesource", why))
    if wanted.get("volumeMode") != live.get("volumeMode"):
        found.append(immutable("volumeMode", wanted.get("volumeMode")))
    if live.get("nodeAffinity") is not None and wanted.get("nodeAffinity") != live["nodeAffinity"]:
        required_nodes = (wanted.get("nodeAffinity") or {}).get("required")
        shown = {"Required": internal(required_nodes, "NodeSelector") if required_nodes is not None else None}
        found.append(immutable("nodeAffinity", shown if wanted.get("nodeAffinity") is not None else None))
    if live.get("volumeAttributesClassName") is not None and wanted.get("volumeAttributesClassName") is None:
        found.append(forbidden("spec.volumeAttributesClassName", "update from non-nil value to nil is forbidden"))
    return found
