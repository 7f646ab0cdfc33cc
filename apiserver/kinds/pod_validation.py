"""Validation of pod specs (core validation's ValidatePodSpec), causes in the real server's order."""

from __future__ import annotations

from typing import Any

from apiserver import validation as rules
from apiserver.field import FieldError, duplicate, invalid, not_supported, required
from apiserver.kinds.kind import Context, Object
from miniplane.apimachinery.quantity import Quantity

RESTART = ("Always", "OnFailure", "Never")
DNS = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
PULL = ("Always", "IfNotPresent", "Never")
PROTOCOLS = ("SCTP", "TCP", "UDP")


def validate_pod_template(template: Object, path: str, context: Context) -> list[FieldError]:
    """A PodTemplateSpec: its labels, annotations and spec."""
    metadata = template.get("metadata") or {}
    found = rules.labels(metadata.get("labels"), f"{path}.labels")
    found += rules.annotations(metadata.get("annotations"), f"{path}.annotations")
    return found + validate_pod_spec(template.get("spec") or {}, f"{path}.spec", context)


def validate_pod_spec(spec: Object, path: str, context: Context) -> list[FieldError]:
    """A pod spec."""
    found: list[FieldError] = []
    names: set[str] = set()
    found += _volumes(spec.get("volumes") or (), f"{path}.volumes")
    containers = spec.get("containers") or []
    if not containers:
        found.append(required(f"{path}.containers"))
    for index, container in enumerate(containers):
        found += _container(container, f"{path}.containers[{index}]", names)
    for index, container in enumerate(spec.get("initContainers") or ()):
        found += _container(container, f"{path}.initContainers[{index}]", names)
    found += _choice(spec, path, "restartPolicy", RESTART)
    found += _choice(spec, path, "dnsPolicy", DNS)
    for name in ("hostname", "subdomain"):
        if spec.get(name):
            found += [invalid(f"{path}.{name}", spec[name], text) for text in rules.dns1123_label(spec[name])]
    return found


def _choice(spec: Object, path: str, name: str, supported: tuple[str, ...]) -> list[FieldError]:
    value = spec.get(name)
    if not value:
        return [required(f"{path}.{name}")]
    return [] if value in supported else [not_supported(f"{path}.{name}", value, supported)]


def _volumes(volumes: Any, path: str) -> list[FieldError]:
    found: list[FieldError] = []
    seen: set[str] = set()
    for index, volume in enumerate(volumes):
        name, at = volume.get("name", ""), f"{path}[{index}].name"
        if not name:
            found.append(required(at))
        else:
            found += [invalid(at, name, text) for text in rules.dns1123_label(name)]
        if name in seen:
            found.append(duplicate(at, name))
        seen.add(name)
    return found


def _container(container: Object, path: str, names: set[str]) -> list[FieldError]:
    found: list[FieldError] = []
    name = container.get("name", "")
    if not name:
        found.append(required(f"{path}.name"))
    else:
        found += [invalid(f"{path}.name", name, text) for text in rules.dns1123_label(name)]
    if name in names:
        found.append(duplicate(f"{path}.name", name))
    names.add(name)
    image = container.get("image", "")
    if not image:
        found.append(required(f"{path}.image"))
    elif image != image.strip():
        found.append(invalid(f"{path}.image", image, "must not have leading or trailing whitespace"))
    found += _ports(container.get("ports") or (), f"{path}.ports")
    found += _env(container.get("env") or (), f"{path}.env")
    policy = container.get("imagePullPolicy")
    if policy not in PULL:
        found.append(not_supported(f"{path}.imagePullPolicy", policy or "", PULL))
    return found + _resources(container.get("resources") or {}, f"{path}.resources")


def _ports(ports: Any, path: str) -> list[FieldError]:
    found: list[FieldError] = []
    names: set[str] = set()
    for index, port in enumerate(ports):
        at, name = f"{path}[{index}]", port.get("name", "")
        if name:
            faults = rules.port_name(name)
            found += [invalid(f"{at}.name", name, text) for text in faults]
            if not faults and name in names:
                found.append(duplicate(f"{at}.name", name))
            names.add(name)
        number = port.get("containerPort", 0)
        if number == 0:
            found.append(required(f"{at}.containerPort"))
        else:
            found += [invalid(f"{at}.containerPort", number, text) for text in rules.port_number(number)]
        if port.get("hostPort"):
            found += [invalid(f"{at}.hostPort", port["hostPort"], text) for text in rules.port_number(port["hostPort"])]
        if port.get("protocol") not in PROTOCOLS:
            found.append(not_supported(f"{at}.protocol", port.get("protocol", ""), PROTOCOLS))
    return found


def _env(variables: Any, path: str) -> list[FieldError]:
    found: list[FieldError] = []
    for index, variable in enumerate(variables):
        name = variable.get("name", "")
        if not name:
            found.append(required(f"{path}[{index}].name"))
        else:
            found += [invalid(f"{path}[{index}].name", name, text) for text in rules.env_var_name(name)]
    return found


def _resources(resources: Object, path: str) -> list[FieldError]:
    found: list[FieldError] = []
    limits = resources.get("limits") or {}
    for name, value in sorted(limits.items()):
        found += _amount(value, f"{path}.limits[{name}]")
    for name, value in sorted((resources.get("requests") or {}).items()):
        at = f"{path}.requests[{name}]"
        found += _amount(value, at)
        if name in limits and Quantity.parse(value) > Quantity.parse(limits[name]):
            why = f"must be less than or equal to {name} limit of {limits[name]}"
            found.append(invalid(f"{path}.requests", value, why))
    return found


def _amount(value: str, path: str) -> list[FieldError]:
    if Quantity.parse(value).amount < 0:
        return [invalid(path, value, "must be greater than or equal to 0")]
    return []
