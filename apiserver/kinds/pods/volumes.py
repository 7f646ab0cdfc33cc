"""Volumes of a pod spec (core validation's ValidateVolumes): one table of sources, in the real server's order."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from apiserver import validation as rules
from apiserver.field import FieldError, duplicate, forbidden, invalid, not_supported, required, too_long
from apiserver.kinds.kind import Object
from apiserver.kinds.pods.checks import (
    Scope,
    descending_path,
    each,
    file_mode,
    in_range,
    named,
    needs,
    no_backsteps,
    optional_one_of,
)
from apiserver.kinds.pods.projected import downward_api, keys_to_paths, projected
from miniplane.apimachinery.quantity import Quantity

Check = Callable[[Object, str, Scope], list[FieldError]]
HOST_PATH_TYPES = (
    "", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket",
)  # fmt: skip
PULL_POLICIES = ("Always", "IfNotPresent", "Never")


def validate_volumes(volumes: Any, path: str, scope: Scope) -> tuple[dict[str, Object], list[FieldError]]:
    """The volumes by name that are valid (mounts refer to them), and the errors."""
    found: list[FieldError] = []
    valid: dict[str, Object] = {}
    created = {f"{scope.name}-{v.get('name', '')}" for v in volumes if scope.name and v.get("ephemeral") is not None}
    for index, volume in enumerate(volumes):
        at, name = f"{path}[{index}]", volume.get("name", "")
        faults = _source(volume, at, scope) + named(f"{at}.name", name, rules.dns1123_label)
        if name in valid:
            faults.append(duplicate(f"{at}.name", name))
        if not faults:
            valid[name] = volume
        found += faults
        claim = (volume.get("persistentVolumeClaim") or {}).get("claimName")
        if claim and claim in created:
            why = "must not reference a PVC that gets created for an ephemeral volume"
            found.append(invalid(f"{at}.persistentVolumeClaim.claimName", claim, why))
    return valid, found


def _source(volume: Object, path: str, scope: Scope) -> list[FieldError]:
    found: list[FieldError] = []
    count = 0
    for name, check in SOURCES.items():
        source = volume.get(name)
        if source is None:
            continue
        if count and name != "emptyDir":
            shown = _MISNAMED.get(name, name)
            found.append(forbidden(f"{path}.{shown}", "may not specify more than 1 volume type"))
            continue
        count += 1
        found += check(source, f"{path}.{_PATHS.get(name, name)}", scope)
        if name == "ephemeral" and scope.name and volume.get("name"):
            claim = f"{scope.name}-{volume['name']}"
            texts = [f'PVC name "{claim}": {text}' for text in rules.dns1123_subdomain(claim)]
            found += each(f"{path}.name", volume["name"], texts)
    if not count:
        found.append(required(path, "must specify a volume type"))
    return found


_PATHS = {"gcePersistentDisk": "persistentDisk"}
"""Where the errors of a source name another field than its own."""
_MISNAMED = {"cephfs": "cephFS", "downwardAPI": "downwarAPI"}
"""The same for a second source; the spelling is the real server's."""


def _requires(*names: str) -> Check:
    return lambda source, path, scope: needs(source, path, *names)


def _empty_dir(source: Object, path: str, scope: Scope) -> list[FieldError]:
    limit = source.get("sizeLimit")
    if limit is not None and Quantity.parse(limit).amount < 0:
        return [forbidden(f"{path}.sizeLimit", "SizeLimit field must be a valid resource quantity")]
    return []


def host_path(source: Object, path: str, scope: Scope) -> list[FieldError]:
    if not source.get("path"):
        return [required(f"{path}.path")]
    found = no_backsteps(f"{path}.path", source["path"])
    return found + optional_one_of(f"{path}.type", source.get("type"), HOST_PATH_TYPES)


def _git_repo(source: Object, path: str, scope: Scope) -> list[FieldError]:
    return needs(source, path, "repository") + descending_path(f"{path}.directory", source.get("directory", ""))


def _disk(name: str) -> Check:
    def check(source: Object, path: str, scope: Scope) -> list[FieldError]:
        found = needs(source, path, name)
        if not 0 <= source.get("partition", 0) <= 255:  # 0 is no partition, though the message leaves it out
            found += in_range(f"{path}.partition", source["partition"], 1, 255)
        return found

    return check


def _files(name: str) -> Check:
    def check(source: Object, path: str, scope: Scope) -> list[FieldError]:
        found = needs(source, path, name) + file_mode(f"{path}.defaultMode", source.get("defaultMode"))
        return found + keys_to_paths(source, path)

    return check


def nfs(source: Object, path: str, scope: Scope) -> list[FieldError]:
    found = needs(source, path, "server", "path")
    if not source.get("path", "").startswith("/"):
        found.append(invalid(f"{path}.path", source.get("path", ""), "must be an absolute path"))
    return found


_INITIATORS = {
    "iqn": re.compile(r"iqn\.\d{4}-\d{2}\.([A-Za-z0-9.-]+)(:[^,;*&$|\s]+)$"),
    "eui": re.compile(r"^eui.[A-Za-z0-9]{16}$"),
    "naa": re.compile(r"^naa.[A-Za-z0-9]{32}$"),
}


def _initiator(path: str, value: str) -> list[FieldError]:
    pattern = _INITIATORS.get(value[:3])
    if pattern is None:
        return [invalid(path, value, "must be valid format starting with iqn, eui, or naa")]
    return [] if pattern.search(value) else [invalid(path, value, "must be valid format")]


def iscsi(source: Object, path: str, scope: Scope) -> list[FieldError]:
    found = needs(source, path, "targetPortal")
    name = source.get("iqn", "")
    found += _initiator(f"{path}.iqn", name) if name else [required(f"{path}.iqn")]
    found += in_range(f"{path}.lun", source.get("lun", 0), 0, 255)
    if (source.get("chapAuthDiscovery") or source.get("chapAuthSession")) and source.get("secretRef") is None:
        found.append(required(f"{path}.secretRef"))
    if source.get("initiatorName") is not None:
        found += _initiator(f"{path}.initiatorname", source["initiatorName"])
    return found


def fibre_channel(source: Object, path: str, scope: Scope) -> list[FieldError]:
    names, ids = source.get("targetWWNs") or [], source.get("wwids") or []
    found: list[FieldError] = []
    if not names and not ids:
        found.append(required(f"{path}.targetWWNs", "must specify either targetWWNs or wwids, but not both"))
    if names and ids:
        why = "targetWWNs and wwids can not be specified simultaneously"
        found.append(invalid(f"{path}.targetWWNs", names, why))
    if names and source.get("lun") is None:
        found.append(required(f"{path}.lun", "lun is required if targetWWNs is specified"))
    elif names:
        found += in_range(f"{path}.lun", source["lun"], 0, 255)
    return found


def quobyte(source: Object, path: str, scope: Scope) -> list[FieldError]:
    pairs = "must be a host:port pair or multiple pairs separated by commas"
    registry = source.get("registry", "")
    found: list[FieldError] = []
    if not registry:
        found.append(required(f"{path}.registry", pairs))
    elif len(source.get("tenant", "")) >= 65:
        found.append(required(f"{path}.tenant", "must be a UUID and may not exceed a length of 64 characters"))
    else:
        bad = [pair for pair in registry.split(",") if not re.fullmatch(r"(\[[^\]]*\]|[^:\[\]]*):[^:]*", pair)]
        found += [invalid(f"{path}.registry", registry, pairs) for _ in bad]
    return found + needs(source, path, "volume")


def flocker(source: Object, path: str, scope: Scope) -> list[FieldError]:
    name, uuid = source.get("datasetName", ""), source.get("datasetUUID", "")
    found: list[FieldError] = []
    if not name and not uuid:
        found.append(required(path, "one of datasetName and datasetUUID is required"))
    if name and uuid:
        found.append(invalid(path, "resource", "datasetName and datasetUUID can not be specified simultaneously"))
    if "/" in name:
        found.append(invalid(f"{path}.datasetName", name, "must not contain '/'"))
    return found


def flex(source: Object, path: str, scope: Scope) -> list[FieldError]:
    found = needs(source, path, "driver")
    for key in sorted(source.get("options") or {}):
        if f".{key.partition('/')[0].lower()}".endswith((".kubernetes.io", ".k8s.io")):
            why = "kubernetes.io and k8s.io namespaces are reserved"
            found.append(invalid(f"{path}.options[{key}]", key, why))
    return found


def _with_secret(*names: str) -> Check:
    def check(source: Object, path: str, scope: Scope) -> list[FieldError]:
        found = needs(source, path, *names)
        if source.get("secretRef") is not None:
            found += needs(source["secretRef"], f"{path}.secretRef", "name")
        return found

    return check


def storage_os(source: Object, path: str, scope: Scope) -> list[FieldError]:
    found = named(f"{path}.volumeName", source.get("volumeName"), rules.dns1123_label)
    space = source.get("volumeNamespace")
    found += each(f"{path}.volumeNamespace", space, rules.dns1123_label(space)) if space else []
    if source.get("secretRef") is not None:
        found += needs(source["secretRef"], f"{path}.secretRef", "name")
    return found


CACHING, DISK_KINDS = ("None", "ReadOnly", "ReadWrite"), ("Dedicated", "Managed", "Shared")


def azure_disk(source: Object, path: str, scope: Scope) -> list[FieldError]:
    found = needs(source, path, "diskName", "diskURI")
    kind, uri = source.get("kind"), source.get("diskURI", "")
    found += optional_one_of(f"{path}.cachingMode", source.get("cachingMode"), CACHING)
    found += optional_one_of(f"{path}.kind", kind, DISK_KINDS)
    managed = "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}"
    blob = "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd"
    if kind == "Managed" and not uri.startswith("/subscriptions/"):
        found.append(not_supported(f"{path}.diskURI", uri, (managed,)))
    if kind is not None and kind != "Managed" and not uri.startswith("https://"):
        found.append(not_supported(f"{path}.diskURI", uri, (blob,)))
    return found


def driver_name(path: str, name: str) -> list[FieldError]:
    """Of a CSI driver."""
    found = [] if name else [required(path)]
    if len(name) > 63:
        found.append(too_long(path, 63))
    return found + each(path, name, rules.dns1123_subdomain(name.lower()))


def _csi(source: Object, path: str, scope: Scope) -> list[FieldError]:
    found = driver_name(f"{path}.driver", source.get("driver", ""))
    reference = source.get("nodePublishSecretRef")
    if reference is not None:
        name = reference.get("name", "")
        if not name:
            found.append(required(f"{path}.nodePublishSecretRef.name"))
        else:
            found += each(f"{path}.name", name, rules.dns1123_subdomain(name))
    return found


def _ephemeral(source: Object, path: str, scope: Scope) -> list[FieldError]:
    template = source.get("volumeClaimTemplate")
    if template is None:
        return [required(f"{path}.volumeClaimTemplate")]
    from apiserver.kinds.storage_validation import claim_spec

    metadata, at = template.get("metadata") or {}, f"{path}.volumeClaimTemplate"
    found = rules.annotations(metadata.get("annotations"), f"{at}.metadata.annotations")
    found += rules.labels(metadata.get("labels"), f"{at}.metadata.labels")
    extra = [name for name in metadata if name not in ("annotations", "labels") and metadata[name]]
    found += [forbidden(f"{at}.metadata.{name}", "cannot be set") for name in extra]
    return found + claim_spec(template.get("spec") or {}, f"{at}.spec")


def _image(source: Object, path: str, scope: Scope) -> list[FieldError]:
    found = needs(source, path, "reference") if scope.is_pod else []
    policy = source.get("pullPolicy")
    return found + optional_one_of(f"{path}.pullPolicy", policy or None, PULL_POLICIES)


SOURCES: dict[str, Check] = {
    "emptyDir": _empty_dir,
    "hostPath": host_path,
    "gitRepo": _git_repo,
    "gcePersistentDisk": _disk("pdName"),
    "awsElasticBlockStore": _disk("volumeID"),
    "secret": _files("secretName"),
    "nfs": nfs,
    "iscsi": iscsi,
    "glusterfs": _requires("endpoints", "path"),
    "flocker": flocker,
    "persistentVolumeClaim": _requires("claimName"),
    "rbd": _requires("monitors", "image"),
    "cinder": _with_secret("volumeID"),
    "cephfs": _requires("monitors"),
    "quobyte": quobyte,
    "downwardAPI": downward_api,
    "fc": fibre_channel,
    "flexVolume": flex,
    "configMap": _files("name"),
    "azureFile": _requires("secretName", "shareName"),
    "vsphereVolume": _requires("volumePath"),
    "photonPersistentDisk": _requires("pdID"),
    "portworxVolume": _requires("volumeID"),
    "azureDisk": azure_disk,
    "storageos": storage_os,
    "projected": projected,
    "scaleIO": _requires("gateway", "system", "volumeName"),
    "csi": _csi,
    "ephemeral": _ephemeral,
    "image": _image,
}
