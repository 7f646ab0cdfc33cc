"""SetDefaults_Pod and friends: what the server fills into a pod spec."""

from __future__ import annotations

from typing import Any

from apiserver.kinds.kind import Object
from apiserver.kinds.pods.checks import words
from apiserver.kinds.pods.resources import COMPUTE, total_requests
from miniplane.apimachinery.quantity import rounded_to_milli

_PROBE = (("timeoutSeconds", 1), ("periodSeconds", 10), ("successThreshold", 1), ("failureThreshold", 3))
_HOOKS = ("postStart", "preStop")


def default_pod_spec(spec: Object) -> None:
    """Fill in a pod spec, of a pod or of a template."""
    spec["restartPolicy"] = spec.get("restartPolicy") or "Always"
    spec["dnsPolicy"] = spec.get("dnsPolicy") or "ClusterFirst"
    spec["schedulerName"] = spec.get("schedulerName") or "default-scheduler"
    spec.setdefault("terminationGracePeriodSeconds", 30)
    spec.setdefault("securityContext", {})
    for name in ("serviceAccountName", "serviceAccount"):
        if spec.get(name):
            spec["serviceAccountName"] = spec["serviceAccount"] = spec.get("serviceAccountName") or spec[name]
    for container in (*(spec.get("initContainers") or ()), *(spec.get("containers") or ())):
        default_container(container)
    for container in spec.get("ephemeralContainers") or ():
        default_container(container)
    for volume in spec.get("volumes") or ():
        default_volume(volume)


def default_container(container: Object) -> None:
    """One container: policies, ports, probes, resources."""
    if not container.get("imagePullPolicy"):
        container["imagePullPolicy"] = pull_policy(container.get("image", ""))
    container["terminationMessagePath"] = container.get("terminationMessagePath") or "/dev/termination-log"
    container["terminationMessagePolicy"] = container.get("terminationMessagePolicy") or "File"
    for port in container.get("ports") or ():
        port["protocol"] = port.get("protocol") or "TCP"
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        if container.get(name) is not None:
            _probe(container[name])
    lifecycle = container.get("lifecycle") or {}
    for name in _HOOKS:
        _http((lifecycle.get(name) or {}).get("httpGet"))
    for variable in container.get("env") or ():
        reference = (variable.get("valueFrom") or {}).get("fieldRef")
        if reference is not None and not reference.get("apiVersion"):
            reference["apiVersion"] = "v1"
    _resources(container.setdefault("resources", {}))


def pull_policy(image: str) -> str:
    """Always for :latest or no tag, else IfNotPresent."""
    if "@" in image:
        return "IfNotPresent"
    tag = image.rpartition("/")[2].partition(":")[2]
    return "Always" if tag in ("", "latest") else "IfNotPresent"


def _probe(probe: Object) -> None:
    for name, value in _PROBE:
        probe[name] = probe.get(name) or value
    _http(probe.get("httpGet"))
    if probe.get("grpc") is not None and probe["grpc"].get("service") is None:
        probe["grpc"]["service"] = ""


def _http(action: Object | None) -> None:
    if action is not None:
        action["path"] = action.get("path") or "/"
        action["scheme"] = action.get("scheme") or "HTTP"


def _resources(resources: Object) -> None:
    for name in ("limits", "requests"):
        if resources.get(name):
            resources[name] = {key: rounded_to_milli(value) for key, value in resources[name].items()}


def default_pod(pod: Object) -> None:
    """A pod: its spec, and what templates leave to their pods."""
    spec = pod.setdefault("spec", {})
    default_pod_spec(spec)
    for container in (*(spec.get("initContainers") or ()), *(spec.get("containers") or ())):
        limits = container["resources"].get("limits")
        if limits:
            container["resources"]["requests"] = {**limits, **(container["resources"].get("requests") or {})}
    if spec.get("resources") is not None:
        _whole_pod(spec)
    if spec.get("hostNetwork"):
        _host_ports(spec)
    spec.setdefault("enableServiceLinks", True)


def _whole_pod(spec: Object) -> None:
    """Resources of the pod as a whole: what its containers ask for, else its limits (KEP-2837)."""
    whole = spec["resources"]
    requests = whole.get("requests") or {}
    if not whole.get("limits") and not requests:
        return
    for name, total in total_requests(spec).items():
        if name in COMPUTE:
            requests.setdefault(name, total.canonical())
    for name, limit in (whole.get("limits") or {}).items():
        requests.setdefault(name, limit)
    if requests:
        whole["requests"] = requests


def _host_ports(spec: Object) -> None:
    for container in (*(spec.get("initContainers") or ()), *(spec.get("containers") or ())):
        for port in container.get("ports") or ():
            port["hostPort"] = port.get("hostPort") or port.get("containerPort", 0)


_MODES = {"secret": 0o644, "configMap": 0o644, "downwardAPI": 0o644, "projected": 0o644}
_SOURCES = frozenset(
    words(
        "hostPath emptyDir gcePersistentDisk awsElasticBlockStore gitRepo secret nfs iscsi glusterfs "
        "persistentVolumeClaim rbd flexVolume cinder cephfs flocker downwardAPI fc azureFile configMap "
        "vsphereVolume quobyte azureDisk photonPersistentDisk projected portworxVolume scaleIO storageos csi "
        "ephemeral image"
    )
)


_SOURCE_DEFAULTS: dict[str, Object] = {
    "hostPath": {"type": ""},
    "iscsi": {"iscsiInterface": "default"},
    "rbd": {"pool": "rbd", "user": "admin", "keyring": "/etc/ceph/keyring"},
    "azureDisk": {"cachingMode": "ReadWrite", "kind": "Shared", "fsType": "ext4", "readOnly": False},
    "scaleIO": {"storageMode": "ThinProvisioned", "fsType": "xfs"},
}


def default_volume(volume: Object) -> None:
    """One volume: an emptyDir where no source is named, file modes, paths."""
    if not any(volume.get(source) is not None for source in _SOURCES):
        volume["emptyDir"] = {}
    for source, mode in _MODES.items():
        if volume.get(source) is not None:
            volume[source].setdefault("defaultMode", mode)
    if volume.get("image") is not None and not volume["image"].get("pullPolicy"):
        volume["image"]["pullPolicy"] = pull_policy(volume["image"].get("reference", ""))
    for item in _downward_items(volume):
        reference = item.get("fieldRef")
        if reference is not None and not reference.get("apiVersion"):
            reference["apiVersion"] = "v1"
    for source in (volume.get("projected") or {}).get("sources") or ():
        token = source.get("serviceAccountToken")
        if token is not None:
            token.setdefault("expirationSeconds", 3600)
    default_source(volume)
    claim = ((volume.get("ephemeral") or {}).get("volumeClaimTemplate") or {}).get("spec")
    if claim is not None:
        claim.setdefault("volumeMode", "Filesystem")


def default_source(volume: Object) -> None:
    """The sources that pods and PersistentVolumes share."""
    for source, defaults in _SOURCE_DEFAULTS.items():
        if volume.get(source) is not None:
            for name, value in defaults.items():
                volume[source][name] = volume[source].get(name) or value


def _downward_items(volume: Object) -> list[Any]:
    found = list((volume.get("downwardAPI") or {}).get("items") or ())
    for source in (volume.get("projected") or {}).get("sources") or ():
        found += (source.get("downwardAPI") or {}).get("items") or ()
    return found
