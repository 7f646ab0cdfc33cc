"""Containers of a pod spec: common rules, and those of init, regular and ephemeral containers."""

from __future__ import annotations

from typing import Any

from apiserver import validation as rules
from apiserver.field import FieldError, duplicate, forbidden, invalid, not_found, required
from apiserver.kinds.kind import Object
from apiserver.kinds.pods import probes, resources
from apiserver.kinds.pods.checks import Scope, descending_path, each, named, no_backsteps, one_of, optional_one_of
from apiserver.kinds.pods.environment import variables, variables_from
from apiserver.kinds.pods.security import container_security_context

PULL = ("Always", "IfNotPresent", "Never")
PROTOCOLS = ("SCTP", "TCP", "UDP")
RESTART = ("Always", "Never", "OnFailure")
MESSAGE_POLICIES = ("File", "FallbackToLogsOnError")
RESTART_RULES_LIMIT = 20
NOT_EPHEMERAL = (
    "ports", "resources", "resizePolicy", "restartPolicy", "restartPolicyRules", "livenessProbe", "readinessProbe",
    "startupProbe", "lifecycle",
)  # fmt: skip


def regular(containers: Any, path: str, scope: Scope) -> list[FieldError]:
    """spec.containers."""
    if not containers:
        return [required(path)]
    found: list[FieldError] = []
    names: set[str] = set()
    for index, container in enumerate(containers):
        at, name = f"{path}[{index}]", container.get("name", "")
        found += common(container, at, scope)
        if name in names:
            found.append(duplicate(f"{at}.name", name))
        names.add(name)
        found += probes.hooks_and_probes(container, at, scope)
        found += _restart_policy(container, at)
    return found + host_ports(containers, path)


def init(containers: Any, others: Any, path: str, scope: Scope) -> list[FieldError]:
    """spec.initContainers; `others` are the regular ones."""
    found: list[FieldError] = []
    names = {other.get("name", "") for other in others}
    for index, container in enumerate(containers):
        at, name = f"{path}[{index}]", container.get("name", "")
        found += common(container, at, scope) + _restart_policy(container, at)
        if name in names:
            found.append(duplicate(f"{at}.name", name))
        elif name:
            names.add(name)
        found += host_ports([container], path)
        if container.get("restartPolicy") == "Always":
            found += probes.hooks_and_probes(container, at, scope)
        else:
            found += probes.no_hooks_or_probes(container, at)
    return found


def ephemeral(containers: Any, others: list[str], path: str, scope: Scope) -> list[FieldError]:
    """spec.ephemeralContainers; `others` names the containers of the other kinds."""
    found: list[FieldError] = []
    names = set(others)
    for index, container in enumerate(containers):
        at, name, target = f"{path}[{index}]", container.get("name", ""), container.get("targetContainerName", "")
        found += common(container, at, scope) + image_padding(container, at)
        if name in names:
            found.append(duplicate(f"{at}.name", name))
        names.add(name)
        if target and target not in others:
            found.append(not_found(f"{at}.targetContainerName", target))
        why = "cannot be set for an Ephemeral Container"
        found += [forbidden(f"{at}.{field}", why) for field in NOT_EPHEMERAL if container.get(field)]
        for number, mount in enumerate(container.get("volumeMounts") or ()):
            for field in ("subPath", "subPathExpr"):
                if mount.get(field):
                    found.append(forbidden(f"{at}.volumeMounts[{number}].{field}", why))
    return found


def common(container: Object, path: str, scope: Scope) -> list[FieldError]:
    """What holds for containers of every kind."""
    found = named(f"{path}.name", container.get("name"), rules.dns1123_label)
    if not container.get("image"):
        found.append(required(f"{path}.image"))
    policy = container.get("terminationMessagePolicy")
    found += one_of(f"{path}.terminationMessagePolicy", policy, MESSAGE_POLICIES)
    found += ports(container.get("ports") or (), f"{path}.ports")
    found += variables(container.get("env") or (), f"{path}.env")
    found += variables_from(container.get("envFrom") or (), f"{path}.envFrom")
    found += mounts(container, f"{path}.volumeMounts", scope)
    found += devices(container, f"{path}.volumeDevices", scope)
    found += one_of(f"{path}.imagePullPolicy", container.get("imagePullPolicy"), PULL)
    found += resources.requirements(container.get("resources") or {}, f"{path}.resources", scope)
    found += _resize_policy(container.get("resizePolicy") or (), f"{path}.resizePolicy", scope)
    return found + container_security_context(container.get("securityContext"), f"{path}.securityContext", scope)


def image_padding(container: Object, path: str) -> list[FieldError]:
    """Pods, unlike templates, take no image with spaces around it."""
    image = container.get("image", "")
    if image == image.strip():
        return []
    return [invalid(f"{path}.image", image, "must not have leading or trailing whitespace")]


def _restart_policy(container: Object, path: str) -> list[FieldError]:
    policy, restart_rules = container.get("restartPolicy"), container.get("restartPolicyRules") or ()
    if policy is None:
        why = "must specify restartPolicy when restart rules are used"
        return [required(f"{path}.restartPolicy", why)] if restart_rules else []
    found = optional_one_of(f"{path}.restartPolicy", policy, RESTART)
    if len(restart_rules) > RESTART_RULES_LIMIT:
        why = f"Too many: {len(restart_rules)}: must have at most {RESTART_RULES_LIMIT} items"
        found.append(FieldError("FieldValueTooMany", f"{path}.restartPolicyRules", why))
    for index, rule in enumerate(restart_rules):
        at, codes = f"{path}.restartPolicyRules[{index}]", rule.get("exitCodes")
        found += one_of(f"{at}.action", rule.get("action"), ("Restart", "RestartAllContainers"))
        if codes is None:
            found.append(required(f"{at}.exitCodes", "must be specified"))
        else:
            found += one_of(f"{at}.exitCodes.operator", codes.get("operator"), ("In", "NotIn"))
    return found


def ports(items: Any, path: str) -> list[FieldError]:
    """A container's ports."""
    found: list[FieldError] = []
    names: set[str] = set()
    for index, port in enumerate(items):
        at, name = f"{path}[{index}]", port.get("name", "")
        if name:
            faults = rules.port_name(name)
            found += each(f"{at}.name", name, faults)
            if not faults and name in names:
                found.append(duplicate(f"{at}.name", name))
            elif not faults:
                names.add(name)
        number, host = port.get("containerPort", 0), port.get("hostPort", 0)
        if number:
            found += each(f"{at}.containerPort", number, rules.port_number(number))
        else:
            found.append(required(f"{at}.containerPort"))
        found += each(f"{at}.hostPort", host, rules.port_number(host)) if host else []
        found += one_of(f"{at}.protocol", port.get("protocol"), PROTOCOLS)
    return found


def host_ports(containers: Any, path: str) -> list[FieldError]:
    """No two containers take the same port of the host."""
    found: list[FieldError] = []
    taken: set[str] = set()
    for index, container in enumerate(containers):
        for number, port in enumerate(container.get("ports") or ()):
            if not port.get("hostPort"):
                continue
            key = f"{port.get('protocol', '')}/{port.get('hostIP', '')}/{port['hostPort']}"
            if key in taken:
                found.append(duplicate(f"{path}[{index}].ports[{number}].hostPort", key))
            taken.add(key)
    return found


def mounts(container: Object, path: str, scope: Scope) -> list[FieldError]:
    """volumeMounts against the pod's volumes. Some errors name the list rather than the item, as the real ones do."""
    found: list[FieldError] = []
    block = {device.get("name", ""): device.get("devicePath", "") for device in container.get("volumeDevices") or ()}
    paths: set[str] = set()
    for index, mount in enumerate(container.get("volumeMounts") or ()):
        at, name, target = f"{path}[{index}]", mount.get("name", ""), mount.get("mountPath", "")
        if not name:
            found.append(required(f"{at}.name"))
        if name not in scope.volumes:
            found.append(not_found(f"{at}.name", name))
        if not target:
            found.append(required(f"{at}.mountPath"))
        if target in paths:
            found.append(invalid(f"{at}.mountPath", target, "must be unique"))
        paths.add(target)
        if name in block:
            found.append(invalid(f"{at}.name", name, "must not already exist in volumeDevices"))
        if target in block.values():
            found.append(invalid(f"{at}.mountPath", target, "must not already exist as a path in volumeDevices"))
        found += _mount_paths(mount, path, at) + _mount_modes(mount, container, path)
    return found


def _mount_paths(mount: Object, path: str, at: str) -> list[FieldError]:
    plain, expression = mount.get("subPath", ""), mount.get("subPathExpr", "")
    found = descending_path(f"{path}.subPath", plain) if plain else []
    if expression and plain:
        found.append(invalid(f"{at}.subPathExpr", expression, "subPathExpr and subPath are mutually exclusive"))
    return found + (descending_path(f"{path}.subPathExpr", expression) if expression else [])


PROPAGATIONS = ("Bidirectional", "HostToContainer", "None")
RECURSIVE = ("Disabled", "Enabled", "IfPossible")


def _mount_modes(mount: Object, container: Object, path: str) -> list[FieldError]:
    propagation, recursive = mount.get("mountPropagation"), mount.get("recursiveReadOnly")
    found = optional_one_of(f"{path}.mountPropagation", propagation, PROPAGATIONS)
    if propagation == "Bidirectional" and not (container.get("securityContext") or {}).get("privileged"):
        why = "Bidirectional mount propagation is available only to privileged containers"
        found.append(forbidden(f"{path}.mountPropagation", why))
    found += optional_one_of(f"{path}.recursiveReadOnly", recursive, RECURSIVE)
    if recursive in ("Enabled", "IfPossible"):
        if not mount.get("readOnly"):
            found.append(forbidden(f"{path}.recursiveReadOnly", "may only be specified when readOnly is true"))
        if propagation not in (None, "None"):
            why = "may only be specified when mountPropagation is None or not specified"
            found.append(forbidden(f"{path}.recursiveReadOnly", why))
    return found


def devices(container: Object, path: str, scope: Scope) -> list[FieldError]:
    """volumeDevices: claims used as block devices."""
    found: list[FieldError] = []
    mounted = {mount.get("name", ""): mount.get("mountPath", "") for mount in container.get("volumeMounts") or ()}
    names: set[str] = set()
    paths: set[str] = set()
    for index, device in enumerate(container.get("volumeDevices") or ()):
        at, name, target = f"{path}[{index}]", device.get("name", ""), device.get("devicePath", "")
        found += _device_name(name, f"{at}.name", names, scope)
        if not target:
            found.append(required(f"{at}.devicePath"))
        if target in paths:
            found.append(invalid(f"{at}.devicePath", target, "must be unique"))
        if no_backsteps(path, target):
            found.append(invalid(f"{at}.devicePath", target, "can not contain backsteps ('..')"))
        else:
            paths.add(target)
        if name in mounted:
            found.append(invalid(f"{at}.name", name, "must not already exist in volumeMounts"))
        if target in mounted.values():
            found.append(invalid(f"{at}.devicePath", target, "must not already exist as a path in volumeMounts"))
    return found


def _device_name(name: str, path: str, names: set[str], scope: Scope) -> list[FieldError]:
    found = [] if name else [required(path)]
    volume = scope.volumes.get(name)
    if name in names:
        found.append(invalid(path, name, "must be unique"))
    if volume is None:
        found.append(not_found(path, name))
    elif volume.get("persistentVolumeClaim") is None and volume.get("ephemeral") is None:
        why = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode"
        found.append(invalid(path, name, why))
    if name:
        names.add(name)
    return found


def _resize_policy(policies: Any, path: str, scope: Scope) -> list[FieldError]:
    found: list[FieldError] = []
    seen: set[str] = set()
    for index, policy in enumerate(policies):
        name, restart = policy.get("resourceName", ""), policy.get("restartPolicy", "")
        if name in seen:
            found.append(duplicate(f"{path}[{index}]", name))
        seen.add(name)
        found += one_of(path, name, ("cpu", "memory"))
        found += one_of(path, restart, ("NotRequired", "RestartContainer"))
        if scope.restart_policy == "Never" and restart != "NotRequired":
            why = "must be 'NotRequired' when `restartPolicy` is 'Never'"
            found.append(invalid(path, restart, why))
    return found
