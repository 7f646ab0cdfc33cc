"""Warnings about pods and pod templates that are accepted but will not do what they seem to say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from apiserver.kinds.kind import Object
from apiserver.kinds.pods.overlaps import overlapping_paths
from apiserver.kinds.pods.pod_annotations import APP_ARMOR, SECCOMP_CONTAINER, SECCOMP_POD
from apiserver.kinds.pods.security import containers
from apiserver.recall import Recall
from apiserver.validation import dns1123_label, ip_warnings, label_value
from miniplane.apimachinery.quantity import Quantity

_ANNOTATIONS = {
    "scheduler.alpha.kubernetes.io/critical-pod": 'non-functional in v1.16+; use the "priorityClassName" field instead',
    "security.alpha.kubernetes.io/sysctls": 'non-functional in v1.11+; use the "sysctls" field instead',
    "security.alpha.kubernetes.io/unsafe-sysctls": 'non-functional in v1.11+; use the "sysctls" field instead',
}
_LABELS = {
    "beta.kubernetes.io/arch": 'deprecated since v1.14; use "kubernetes.io/arch" instead',
    "beta.kubernetes.io/os": 'deprecated since v1.14; use "kubernetes.io/os" instead',
    "failure-domain.beta.kubernetes.io/region": 'deprecated since v1.17; use "topology.kubernetes.io/region" instead',
    "failure-domain.beta.kubernetes.io/zone": 'deprecated since v1.17; use "topology.kubernetes.io/zone" instead',
    "beta.kubernetes.io/instance-type": 'deprecated since v1.17; use "node.kubernetes.io/instance-type" instead',
}
_VOLUMES = {
    "photonPersistentDisk": "deprecated in v1.11, non-functional in v1.16+",
    "gitRepo": "deprecated in v1.11, and disabled by default in v1.33+",
    "scaleIO": "deprecated in v1.16, non-functional in v1.22+",
    "flocker": "deprecated in v1.22, non-functional in v1.25+",
    "storageos": "deprecated in v1.22, non-functional in v1.25+",
    "quobyte": "deprecated in v1.22, non-functional in v1.25+",
    "glusterfs": "deprecated in v1.25, non-functional in v1.26+",
    "cephfs": "deprecated in v1.28, non-functional in v1.31+",
    "rbd": "deprecated in v1.28, non-functional in v1.31+",
}
_judged: Recall[tuple[str, ...]] = Recall(1024)
_SHOWN = {"storageos": "storageOS"}
_BYTES = ("memory", "ephemeral-storage")
_REQUIRED, _PREFERRED = (
    "requiredDuringSchedulingIgnoredDuringExecution",
    "preferredDuringSchedulingIgnoredDuringExecution",
)


def pod_warnings(pod: Object) -> list[str]:
    """Of a new pod."""
    found: list[str] = []
    faults = dns1123_label(pod["metadata"].get("name", ""))
    if faults:
        found.append(
            "metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; a DNS label "
            f"is recommended: [{' '.join(faults)}]"
        )
    return found + template_warnings(pod, "")


def template_warnings(template: Object, path: str) -> list[str]:
    """Of a pod template at `path`; "" for a pod itself."""
    notes, spec = (template.get("metadata") or {}).get("annotations") or {}, template.get("spec") or {}
    return list(_judged.of(lambda: tuple(_warnings(notes, spec, path)), notes, spec, path))


def _warnings(notes: Mapping[str, str], spec: Object, path: str) -> list[str]:
    prefix = f"{path}." if path else ""
    at = f"{prefix}spec"
    return [
        *_node_labels(spec, at),
        *(f"{prefix}metadata.annotations[{key}]: {text}" for key, text in _ANNOTATIONS.items() if key in notes),
        *_volumes(spec.get("volumes") or (), f"{at}.volumes"),
        *overlapping_paths(spec.get("volumes") or ()),
        *_repeated(spec.get("hostAliases") or (), "ip", f"{at}.hostAliases"),
        *_repeated(spec.get("imagePullSecrets") or (), "name", f"{at}.imagePullSecrets"),
        *_empty_names(spec.get("imagePullSecrets") or (), f"{at}.imagePullSecrets"),
        *_fractions(spec.get("overhead") or {}, f"{at}.overhead"),
        *_profiles(notes, spec, prefix, is_template=bool(path)),
        *_ports(spec, at),
        *_port_names(spec, at),
        *_grace(spec, at),
        *_pod_affinity(spec.get("affinity") or {}, f"{at}.affinity"),
        *_addresses(spec, at),
    ]


def _node_labels(spec: Object, path: str) -> Iterator[str]:
    for key in sorted(spec.get("nodeSelector") or {}):
        if key in _LABELS:
            yield f"{path}.nodeSelector[{key}]: {_LABELS[key]}"
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    at = f"{path}.affinity.nodeAffinity"
    for index, term in enumerate((affinity.get(_REQUIRED) or {}).get("nodeSelectorTerms") or ()):
        yield from term_labels(term, f"{at}.{_REQUIRED}.nodeSelectorTerms[{index}]")
    for index, term in enumerate(affinity.get(_PREFERRED) or ()):
        where = f"{at}.{_PREFERRED}[{index}].preference"
        yield from term_labels(term.get("preference") or {}, where, check_values=True)
    for index, item in enumerate(spec.get("topologySpreadConstraints") or ()):
        where, key = f"{path}.topologySpreadConstraints[{index}]", item.get("topologyKey", "")
        if key in _LABELS:
            yield f"{where}.topologyKey: {key} is {_LABELS[key]}"
        if item.get("labelSelector") is None:
            yield f"{where}.labelSelector: a null labelSelector results in matching no pod"


def term_labels(term: Object, path: str, *, check_values: bool = False) -> Iterator[str]:
    """Of a NodeSelectorTerm: labels that nodes no longer have. `check_values`: its values were not validated."""
    for index, item in enumerate(term.get("matchExpressions") or ()):
        key, at = item.get("key", ""), f"{path}.matchExpressions[{index}]"
        if key in _LABELS:
            yield f"{at}.key: {key} is {_LABELS[key]}"
        for place, value in enumerate(item.get("values") or ()) if check_values else ():
            yield from (f"{at}.values[{place}]: {value} is invalid, {fault}" for fault in label_value(value))


def _volumes(volumes: Any, path: str) -> Iterator[str]:
    from apiserver.kinds.storage_warnings import claim_spec_warnings

    for index, volume in enumerate(volumes):
        for source, text in _VOLUMES.items():
            if volume.get(source) is not None:
                yield f"{path}[{index}].{_SHOWN.get(source, source)}: {text}"
        claim = (volume.get("ephemeral") or {}).get("volumeClaimTemplate")
        if claim is not None:
            yield from claim_spec_warnings(
                claim.get("spec") or {}, f"{path}[{index}].ephemeral.volumeClaimTemplate.spec"
            )


def _repeated(items: Any, key: str, path: str) -> Iterator[str]:
    seen: set[str] = set()
    for index, item in enumerate(items):
        value = item.get(key, "")
        if value in seen:
            yield f'{path}[{index}].{key}: duplicate {key} "{value}"'
        seen.add(value)


def _empty_names(items: Any, path: str) -> Iterator[str]:
    for index, item in enumerate(items):
        if not item.get("name"):
            yield f'{path}[{index}].name: invalid empty name ""'


def _fractions(amounts: Mapping[str, str], path: str) -> Iterator[str]:
    for name in _BYTES:
        if name in amounts:
            value = Quantity.parse(amounts[name])
            if value.milli_value() % 1000:
                yield f'{path}[{name}]: fractional byte value "{value.canonical()}" is invalid, must be an integer'


def _profiles(notes: Mapping[str, str], spec: Object, prefix: str, *, is_template: bool) -> Iterator[str]:
    shared = spec.get("securityContext") or {}
    obsolete = 'non-functional in v1.27+; use the "seccompProfile" field instead'
    if shared.get("seccompProfile") is None and SECCOMP_POD in notes:
        yield f"{prefix}metadata.annotations[{SECCOMP_POD}]: {obsolete}"
    for container, at in containers(spec, f"{prefix}spec"):
        own, name = container.get("securityContext") or {}, container.get("name", "")
        if own.get("seccompProfile") is None and SECCOMP_CONTAINER + name in notes:
            yield f"{prefix}metadata.annotations[{SECCOMP_CONTAINER}{name}]: {obsolete}"
        unset = shared.get("appArmorProfile") is None and own.get("appArmorProfile") is None
        if is_template and unset and APP_ARMOR + name in notes:
            text = 'deprecated since v1.30; use the "appArmorProfile" field instead'
            yield f"{prefix}metadata.annotations[{APP_ARMOR}{name}]: {text}"
        resources = container.get("resources") or {}
        for resource in _BYTES:
            for side in ("limits", "requests"):
                amounts = resources.get(side) or {}
                if resource in amounts:
                    yield from _fractions({resource: amounts[resource]}, f"{at}.resources.{side}")
        yield from _variables(container.get("env") or (), f"{at}.env")


def _variables(variables: Any, path: str) -> Iterator[str]:
    """A second definition that does not build on the first."""
    seen: set[str] = set()
    for index, item in enumerate(variables):
        name, value = item.get("name", ""), item.get("value", "")
        reference = f"$({name})"
        if name in seen and (item.get("valueFrom") is not None or value == reference or reference not in value):
            yield f'{path}[{index}]: hides previous definition of "{name}", which may be dropped when using apply'
        seen.add(name)


def _ports(spec: Object, path: str) -> Iterator[str]:
    known: dict[tuple[int, str], list[tuple[str, Object]]] = {}
    for container, at in containers(spec, path):
        for index, port in enumerate(container.get("ports") or ()):
            where = f"{at}.ports[{index}]"
            if port.get("hostIP") and not port.get("hostPort"):
                yield f"{where}: hostIP set without hostPort: {_go_port(port)}"
            others = known.setdefault((port.get("containerPort", 0), port.get("protocol", "")), [])
            for other_at, other in others:
                clash = _clash(port, other)
                if clash:
                    yield f"{where}: {clash} port definition with {other_at}"
            others.append((where, port))


def _port_names(spec: Object, path: str) -> Iterator[str]:
    known: dict[str, str] = {}
    for container, at in containers(spec, path):
        for index, port in enumerate(container.get("ports") or ()):
            name, where = port.get("name", ""), f"{at}.ports[{index}]"
            first = known.setdefault(name, where) if name else where
            if first != where:
                what = f"services and probes that select ports by name will use {first}"
                yield f'{where}: duplicate port name "{name}" with {first}, {what}'


def _go_port(port: Object) -> str:
    fields = (
        ("Name", port.get("name", "")), ("HostPort", port.get("hostPort", 0)),
        ("ContainerPort", port.get("containerPort", 0)), ("Protocol", port.get("protocol", "")),
        ("HostIP", port.get("hostIP", "")),
    )  # fmt: skip
    return "{" + " ".join(f"{name}:{value}" for name, value in fields) + "}"


def _clash(port: Object, other: Object) -> str:
    address, number = port.get("hostIP", ""), port.get("hostPort", 0)
    other_address, other_number = other.get("hostIP", ""), other.get("hostPort", 0)
    if (address, number) == (other_address, other_number):
        return "duplicate"
    if not number or not other_number:
        return "overlapping"
    if number == other_number and bool(address) != bool(other_address):
        return "dangerously ambiguous"
    return ""


def _grace(spec: Object, path: str) -> Iterator[str]:
    if (spec.get("terminationGracePeriodSeconds") or 0) < 0:
        text = "must be >= 0; negative values are invalid and will be treated as 1"
        yield f"{path}.terminationGracePeriodSeconds: {text}"


def _pod_affinity(affinity: Object, path: str) -> Iterator[str]:
    text = "a null labelSelector results in matching no pod"
    for name in ("podAffinity", "podAntiAffinity"):
        value = affinity.get(name) or {}
        for index, term in enumerate(value.get(_REQUIRED) or ()):
            if term.get("labelSelector") is None:
                yield f"{path}.{name}.{_REQUIRED}[{index}].labelSelector: {text}"
        for index, weighted in enumerate(value.get(_PREFERRED) or ()):
            if (weighted.get("podAffinityTerm") or {}).get("labelSelector") is None:
                yield f"{path}.{name}.{_PREFERRED}[{index}].podAffinityTerm.labelSelector: {text}"


def _addresses(spec: Object, path: str) -> Iterator[str]:
    for index, server in enumerate((spec.get("dnsConfig") or {}).get("nameservers") or ()):
        yield from ip_warnings(f"{path}.dnsConfig.nameservers[{index}]", server)
    for index, alias in enumerate(spec.get("hostAliases") or ()):
        yield from ip_warnings(f"{path}.hostAliases[{index}].ip", alias.get("ip", ""))
