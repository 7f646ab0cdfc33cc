"""A pod's metadata and spec as a whole: which rules run, in which order (ValidatePodSpec and its callers)."""

from __future__ import annotations

from typing import Any

from apiserver import validation as rules
from apiserver.field import FieldError, duplicate, forbidden, invalid, not_supported, required
from apiserver.kinds.kind import Object
from apiserver.kinds.pods import containers, environment, pod_annotations, resources, scheduling, security
from apiserver.kinds.pods.checks import MAX_INT32, Scope, addresses, each, in_range, one_of
from apiserver.kinds.pods.volumes import validate_volumes
from apiserver.recall import Recall
from miniplane.apimachinery.quantity import Quantity

RESTART = ("Always", "OnFailure", "Never")
DNS = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
PREEMPTION = ("PreemptLowerPriority", "Never")
NAMESERVERS, SEARCHES, SEARCH_CHARACTERS = 3, 32, 2048
HOSTNAME_LIMIT = 64
_judged: Recall[tuple[FieldError, ...]] = Recall(1024)


def pod_template(template: Object, path: str) -> list[FieldError]:
    """A PodTemplateSpec."""
    metadata, spec = template.get("metadata") or {}, template.get("spec") or {}
    found = rules.labels(metadata.get("labels"), f"{path}.labels")
    found += rules.annotations(metadata.get("annotations"), f"{path}.annotations")
    found += pod_annotations.validate(metadata.get("annotations") or {}, spec, f"{path}.annotations")
    found += pod_spec(spec, f"{path}.spec", is_pod=False)
    found += pod_annotations.seccomp_agrees(metadata.get("annotations") or {}, spec, f"{path}.spec")
    if spec.get("ephemeralContainers"):
        why = "ephemeral containers not allowed in pod template"
        found.append(forbidden(f"{path}.spec.ephemeralContainers", why))
    return found


def pod(obj: Object) -> list[FieldError]:
    """A pod, new or changed: annotations, spec, and what templates may do but pods may not."""
    metadata, spec = obj["metadata"], obj["spec"]
    notes = metadata.get("annotations") or {}
    found = pod_annotations.validate(notes, spec, "metadata.annotations")
    found += pod_spec(spec, "spec", is_pod=True, name=metadata.get("name", ""))
    if not spec.get("serviceAccountName"):
        found += _tokens_without_account(spec.get("volumes") or ())
    for group in ("containers", "initContainers"):
        for index, container in enumerate(spec.get(group) or ()):
            found += containers.image_padding(container, f"spec.{group}[{index}]")
    return found


def new_pod(obj: Object) -> list[FieldError]:
    """A pod at its creation."""
    spec, notes = obj["spec"], obj["metadata"].get("annotations") or {}
    found = pod(obj)
    if spec.get("ephemeralContainers"):
        found.append(forbidden("spec.ephemeralContainers", "cannot be set on create"))
    if spec.get("nodeName") and spec.get("schedulingGates"):
        found.append(forbidden("spec.nodeName", "cannot be set until all schedulingGates have been cleared"))
    found += pod_annotations.seccomp_agrees(notes, spec, "spec")
    return found + pod_annotations.app_armor_agrees(notes, spec, "spec")


def _tokens_without_account(volumes: Any) -> list[FieldError]:
    why = "must not be specified when serviceAccountName is not set"
    return [
        forbidden(f"spec.volumes[{number}].projected.sources[{index}].serviceAccountToken", why)
        for number, volume in enumerate(volumes)
        for index, source in enumerate((volume.get("projected") or {}).get("sources") or ())
        if source.get("serviceAccountToken") is not None
    ]


def pod_spec(spec: Object, path: str, *, is_pod: bool, name: str = "") -> list[FieldError]:
    """A pod spec; `name` is the pod's where it has one."""
    pod_name = name if named_after_pod(spec) else ""  # otherwise pods of one template differ in it alone
    return list(_judged.of(lambda: tuple(_faults(spec, path, is_pod, pod_name)), spec, path, is_pod, pod_name))


def named_after_pod(spec: Object) -> bool:
    """Whether there are volumes whose claims have the pod's name in theirs."""
    return any(volume.get("ephemeral") is not None for volume in spec.get("volumes") or ())


def _faults(spec: Object, path: str, is_pod: bool, name: str) -> list[FieldError]:
    grace = spec.get("terminationGracePeriodSeconds")
    found = [required(f"{path}.terminationGracePeriodSeconds")] if grace is None else []
    scope = Scope(
        is_pod=is_pod,
        name=name,
        claims=frozenset(claim["name"] for claim in spec.get("resourceClaims") or () if claim.get("name")),
        restart_policy=spec.get("restartPolicy", ""),
        grace=grace,
        host_users=spec.get("hostUsers") is not False,
    )
    volumes, faults = validate_volumes(spec.get("volumes") or (), f"{path}.volumes", scope)
    scope.volumes.update(volumes)
    found += faults + _resource_claims(spec.get("resourceClaims") or (), f"{path}.resourceClaims")
    found += _containers(spec, path, scope)
    found += _pod_resources(spec, f"{path}.resources", scope)
    found += _host_network_ports(spec, path, is_pod=is_pod)
    found += one_of(f"{path}.restartPolicy", spec.get("restartPolicy"), RESTART)
    found += one_of(f"{path}.dnsPolicy", spec.get("dnsPolicy"), DNS)
    found += rules.labels(spec.get("nodeSelector"), f"{path}.nodeSelector")
    found += security.pod_security_context(spec, path)
    found += scheduling.affinity(spec.get("affinity"), f"{path}.affinity")
    found += _dns_config(spec, f"{path}.dnsConfig")
    found += scheduling.readiness_gates(spec.get("readinessGates"), f"{path}.readinessGates")
    found += scheduling.scheduling_gates(spec.get("schedulingGates"), f"{path}.schedulingGates")
    constraints = spec.get("topologySpreadConstraints")
    found += scheduling.topology_spread(constraints, f"{path}.topologySpreadConstraints")
    found += security.host_process(spec, path) + security.host_users(spec, path)
    found += _names(spec, path)
    found += _host_aliases(spec.get("hostAliases") or (), f"{path}.hostAliases")
    found += _classes(spec, path, scope)
    return found + security.operating_system(spec, path) + environment.file_volumes(spec, path)


def _containers(spec: Object, path: str, scope: Scope) -> list[FieldError]:
    regular, init = spec.get("containers") or (), spec.get("initContainers") or ()
    found = containers.regular(regular, f"{path}.containers", scope)
    found += containers.init(init, regular, f"{path}.initContainers", scope)
    others = [container.get("name", "") for container in (*regular, *init)]
    ephemeral = spec.get("ephemeralContainers") or ()
    return found + containers.ephemeral(ephemeral, others, f"{path}.ephemeralContainers", scope)


def _resource_claims(claims: Any, path: str) -> list[FieldError]:
    found: list[FieldError] = []
    names: set[str] = set()
    for index, claim in enumerate(claims):
        at, name = f"{path}[{index}]", claim.get("name", "")
        if not name:
            found.append(required(f"{at}.name"))
        elif name in names:
            found.append(duplicate(f"{at}.name", name))
        else:
            found += each(f"{at}.name", name, rules.dns1123_label(name))
            names.add(name)
        given = [key for key in ("resourceClaimName", "resourceClaimTemplateName") if claim.get(key) is not None]
        shown = {"Name": name} | {key[0].upper() + key[1:]: claim.get(key) for key in _CLAIM_NAMES}
        if len(given) > 1:
            why = "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified"
            found.append(invalid(at, shown, why))
        if not given:
            why = "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`"
            found.append(invalid(at, shown, why))
        for key in given:
            found += each(f"{at}.{key}", claim[key], rules.dns1123_subdomain(claim[key]))
    return found


_CLAIM_NAMES = ("resourceClaimName", "resourceClaimTemplateName")


def _pod_resources(spec: Object, path: str, scope: Scope) -> list[FieldError]:
    """Resources of the pod as a whole (KEP-2837): at least what its containers ask for."""
    whole = spec.get("resources")
    if whole is None:
        return []
    found: list[FieldError] = []
    if whole.get("claims"):
        found.append(forbidden(f"{path}.claims", "claims cannot be set for Resources at pod-level"))
    found += resources.requirements(whole, path, scope, resources.pod_resource_name)
    requests, limits = whole.get("requests") or {}, whole.get("limits") or {}
    for name, total in sorted(resources.total_requests(spec).items()):
        if total > Quantity.parse(requests.get(name, "0")):
            why = f"must be greater than or equal to aggregate container requests of {total.canonical()}"
            shown = Quantity.parse(requests.get(name, "0")).canonical()
            found.append(invalid(f"{path}.requests[{name}]", shown, why))
    for index, container in enumerate(spec.get("containers") or ()):
        for name, limit in sorted(((container.get("resources") or {}).get("limits") or {}).items()):
            if name in limits and Quantity.parse(limit) > Quantity.parse(limits[name]):
                most = Quantity.parse(limits[name]).canonical()
                why = f"must be less than or equal to pod limits of {most}"
                at = f"{path}.containers[{index}][{name}].limits"
                found.append(invalid(at, Quantity.parse(limit).canonical(), why))
    return found


def _host_network_ports(spec: Object, path: str, *, is_pod: bool) -> list[FieldError]:
    if not spec.get("hostNetwork"):
        return []
    found: list[FieldError] = []
    why = "must match `containerPort` when `hostNetwork` is true"
    for index, container in enumerate(spec.get("containers") or ()):
        for number, port in enumerate(container.get("ports") or ()):
            host = port.get("hostPort", 0)
            if (is_pod or host) and host != port.get("containerPort", 0):
                found.append(invalid(f"{path}.containers[{index}].ports[{number}].hostPort", host, why))
    return found


def _dns_config(spec: Object, path: str) -> list[FieldError]:
    config = spec.get("dnsConfig")
    if spec.get("dnsPolicy") == "None":
        if config is None:
            return [required(path, "must provide `dnsConfig` when `dnsPolicy` is None")]
        if not config.get("nameservers"):
            why = "must provide at least one DNS nameserver when `dnsPolicy` is None"
            return [required(f"{path}.nameservers", why)]
    if config is None:
        return []
    found: list[FieldError] = []
    servers = config.get("nameservers") or []
    if len(servers) > NAMESERVERS:
        found.append(invalid(f"{path}.nameservers", servers, f"must not have more than {NAMESERVERS} nameservers"))
    for index, server in enumerate(servers):
        found += addresses(f"{path}.nameservers[{index}]", server)
    found += _searches(config.get("searches") or [], f"{path}.searches")
    for index, option in enumerate(config.get("options") or ()):
        if not option.get("name"):
            found.append(required(f"{path}.options[{index}]", "must not be empty"))
    return found


def _searches(searches: list[str], path: str) -> list[FieldError]:
    found: list[FieldError] = []
    if len(searches) > SEARCHES:
        found.append(invalid(path, searches, f"must not have more than {SEARCHES} search paths"))
    if len(" ".join(searches)) > SEARCH_CHARACTERS:
        why = f"must not have more than {SEARCH_CHARACTERS} characters (including spaces) in the search list"
        found.append(invalid(path, searches, why))
    for index, search in enumerate(searches):
        if search != ".":
            bare = search.removesuffix(".")
            found += each(f"{path}[{index}]", bare, _search_faults(bare))
    return found


def _search_faults(search: str) -> list[str]:
    """A subdomain whose labels may hold and begin with underscores (KEP-4427)."""
    plain = "".join("a" if char == "_" else char for char in search)
    if not rules.dns1123_subdomain(plain):
        return []
    return [fault.replace("'-' or '.'", "'-' , '_' or '.'") for fault in rules.dns1123_subdomain(search)]


def _names(spec: Object, path: str) -> list[FieldError]:
    found: list[FieldError] = []
    for name in ("serviceAccountName", "nodeName"):
        if spec.get(name):
            found += each(f"{path}.{name}", spec[name], rules.dns1123_subdomain(spec[name]))
    deadline = spec.get("activeDeadlineSeconds")
    if deadline is not None:
        found += in_range(f"{path}.activeDeadlineSeconds", deadline, 1, MAX_INT32)
    for name in ("hostname", "subdomain"):
        if spec.get(name):
            found += each(f"{path}.{name}", spec[name], rules.dns1123_label(spec[name]))
    return found + _override(spec, path) + scheduling.tolerations(spec.get("tolerations"), f"{path}.tolerations")


def _override(spec: Object, path: str) -> list[FieldError]:
    """The name for itself that a pod has of its own, unless it has the node's or one of DNS.

    That both are refused is known, not in which words.
    """
    name = spec.get("hostnameOverride")
    if name is None:
        return []
    found = each(f"{path}.hostnameOverride", name, _hostname_faults(name))
    for other in ("setHostnameAsFQDN", "hostNetwork"):
        if spec.get(other):
            found.append(forbidden(f"{path}.{other}", "may not be true when `hostnameOverride` is set"))
    return found


def _hostname_faults(name: str) -> list[str]:
    """A subdomain short enough for Linux (KEP-4762)."""
    long = [f"must be no more than {HOSTNAME_LIMIT} characters"] if len(name) > HOSTNAME_LIMIT else []
    return rules.dns1123_subdomain(name) + long


def _host_aliases(aliases: Any, path: str) -> list[FieldError]:
    found: list[FieldError] = []
    for index, alias in enumerate(aliases):
        found += addresses(f"{path}[{index}].ip", alias.get("ip", ""))
        for number, name in enumerate(alias.get("hostnames") or ()):
            found += each(f"{path}[{index}].hostnames[{number}]", name, rules.dns1123_subdomain(name))
    return found


def _classes(spec: Object, path: str, scope: Scope) -> list[FieldError]:
    found: list[FieldError] = []
    priority, runtime = spec.get("priorityClassName"), spec.get("runtimeClassName")
    if priority:
        found += each(f"{path}.priorityClassName", priority, rules.dns1123_subdomain(priority))
    if runtime is not None:
        found += each(f"{path}.runtimeClassName", runtime, rules.dns1123_subdomain(runtime))
    if spec.get("preemptionPolicy") is not None:
        policy = spec["preemptionPolicy"]
        if not policy:
            found.append(required(f"{path}.preemptionPolicy"))
        elif policy not in PREEMPTION:
            found.append(not_supported(f"{path}.preemptionPolicy", policy, PREEMPTION))
    if spec.get("overhead"):
        found += resources.requirements({"limits": spec["overhead"]}, f"{path}.overhead", scope)
    return found
