"""Resource names and amounts: containers, pods, quotas and limit ranges (core validation's resource rules)."""

from __future__ import annotations

from collections.abc import Callable

from apiserver import validation as rules
from apiserver.field import FieldError, duplicate, forbidden, invalid, not_found, not_supported, required
from apiserver.kinds.kind import Object
from apiserver.kinds.pods.checks import NEGATIVE, Scope, each, words
from miniplane.apimachinery.quantity import ZERO, Quantity

HUGE_PAGES = "hugepages-"
COMPUTE = frozenset({"cpu", "memory"})
CONTAINER = frozenset({"cpu", "memory", "ephemeral-storage"})
COUNTED = frozenset(
    words(
        "pods resourcequotas services replicationcontrollers secrets configmaps persistentvolumeclaims "
        "services.nodeports services.loadbalancers"
    )
)
QUOTA = COUNTED | frozenset(
    words(
        "cpu memory ephemeral-storage requests.cpu requests.memory requests.storage "
        "requests.ephemeral-storage limits.cpu limits.memory limits.ephemeral-storage"
    )
)
STANDARD = QUOTA | {"storage"}
NameRule = Callable[[str, str], list[FieldError]]


def is_huge_page(name: str) -> bool:
    return name.startswith(HUGE_PAGES)


def is_native(name: str) -> bool:
    """Kubernetes' own: no prefix, or one of kubernetes.io."""
    return "/" not in name or "kubernetes.io/" in name


def is_extended(name: str) -> bool:
    """`vendor.example/thing`."""
    if is_native(name) or name.startswith("requests."):
        return False
    return not rules.qualified_name(f"requests.{name}")


def may_overcommit(name: str) -> bool:
    return is_native(name) and not is_huge_page(name)


def is_standard(name: str) -> bool:
    return name in STANDARD or is_huge_page(name) or name.startswith("requests.hugepages-")


def is_standard_for_quota(name: str) -> bool:
    return name in QUOTA or is_huge_page(name) or name.startswith("requests.hugepages-")


def resource_name(name: str, path: str) -> list[FieldError]:
    """A name of any resource."""
    found = each(path, name, rules.qualified_name(name))
    if not found and "/" not in name and not is_standard(name):
        found.append(invalid(path, name, "must be a standard resource type or fully qualified"))
    return found


def container_resource_name(name: str, path: str) -> list[FieldError]:
    """A name of a resource that containers use."""
    found = resource_name(name, path)
    if "/" not in name:
        if name not in CONTAINER and not is_huge_page(name):
            found.append(invalid(path, name, "must be a standard resource for containers"))
    elif not is_native(name) and not is_extended(name):
        found.append(invalid(path, name, "doesn't follow extended resource name standard"))
    return found


def pod_resource_name(name: str, path: str) -> list[FieldError]:
    """A name of a resource that a pod as a whole may ask for."""
    found = resource_name(name, path)
    if not found and name not in COMPUTE and not is_huge_page(name):
        found.append(not_supported(path, name, ("cpu", "hugepages-", "memory")))
    return found


def quota_resource_name(name: str, path: str) -> list[FieldError]:
    found = resource_name(name, path)
    if "/" not in name and not is_standard_for_quota(name):
        found.append(invalid(path, name, "must be a standard resource for quota"))
    return found


def amount(name: str, text: str, path: str) -> list[FieldError]:
    """No negative amounts; whole numbers of what is counted."""
    value = Quantity.parse(text)
    found = [invalid(path, value.canonical(), NEGATIVE)] if value.amount < 0 else []
    if (name in COUNTED or is_extended(name)) and value.milli_value() % 1000:
        found.append(invalid(path, value.canonical(), "must be an integer"))
    return found


def _huge_page_amount(name: str, text: str, path: str) -> list[FieldError]:
    if not is_huge_page(name):
        return []
    value = Quantity.parse(text)
    try:
        size = Quantity.parse(name[len(HUGE_PAGES) :]).value()
    except ValueError:
        size = 0
    if size > 0 and value.value() > 0 and value.value() % size == 0:
        return []
    return [invalid(path, value.canonical(), f"{value.canonical()} is not positive integer multiple of {name}")]


def requirements(
    resources: Object, path: str, scope: Scope, name_rule: NameRule = container_resource_name
) -> list[FieldError]:
    """ResourceRequirements: names, amounts, requests within limits."""
    found: list[FieldError] = []
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    for name in sorted(limits):
        at = f"{path}.limits[{name}]"
        found += name_rule(name, at) + amount(name, limits[name], at) + _huge_page_amount(name, limits[name], at)
    for name in sorted(requests):
        at = f"{path}.requests[{name}]"
        found += name_rule(name, at) + amount(name, requests[name], at)
        found += _within_limit(name, requests[name], limits.get(name), path)
        found += _huge_page_amount(name, requests[name], at)
    asked = {*limits, *requests}
    if any(is_huge_page(name) for name in asked) and not asked & COMPUTE:
        found.append(forbidden(path, "HugePages require cpu or memory"))
    return found + _claims(resources.get("claims") or (), f"{path}.claims", scope)


def _within_limit(name: str, request: str, limit: str | None, path: str) -> list[FieldError]:
    if limit is None:
        if may_overcommit(name):
            return []
        return [required(f"{path}.limits", "Limit must be set for non overcommitable resources")]
    asked, most = Quantity.parse(request), Quantity.parse(limit)
    if asked != most and not may_overcommit(name):
        why = f"must be equal to {name} limit of {most.canonical()}"
    elif asked > most:
        why = f"must be less than or equal to {name} limit of {most.canonical()}"
    else:
        return []
    return [invalid(f"{path}.requests", asked.canonical(), why)]


def _claims(claims: list[Object] | tuple[()], path: str, scope: Scope) -> list[FieldError]:
    found: list[FieldError] = []
    seen: set[str] = set()
    for index, claim in enumerate(claims):
        at, name, request = f"{path}[{index}]", claim.get("name", ""), claim.get("request", "")
        if not name:
            found.append(required(at))
            continue
        if name in seen:
            found.append(duplicate(at, name))
        else:
            found += each(f"{at}.request", request, rules.dns1123_label(request)) if request else []
            key = f"{name}/{request}" if request else name
            if key in seen:
                found.append(duplicate(at, key))
            elif not request:
                found += [duplicate(at, name) for other in sorted(seen) if other.startswith(f"{name}/")]
            seen.add(key)
        if name not in scope.claims:
            found.append(_unknown_claim(at, name, scope))
    return found


def _unknown_claim(path: str, name: str, scope: Scope) -> FieldError:
    names = f": {', '.join(sorted(scope.claims))}" if scope.claims else " which is empty"
    error = not_found(path, name)
    return error._replace(text=f"{error.text}: must be one of the names in pod.spec.resourceClaims{names}")


def total_requests(spec: Object) -> dict[str, Quantity]:
    """What a pod's containers ask for together: sidecars run all the time, other init containers one by one."""
    totals: dict[str, Quantity] = {}
    for container in spec.get("containers") or ():
        _add(totals, _requests(container))
    before: dict[str, Quantity] = {}  # sidecars started so far
    peak: dict[str, Quantity] = {}
    for container in spec.get("initContainers") or ():
        wanted = _requests(container)
        if container.get("restartPolicy") == "Always":
            _add(totals, wanted)
            _add(before, wanted)
            wanted = {}
        for name in {*wanted, *before}:
            step = wanted.get(name, ZERO) + before.get(name, ZERO)
            peak[name] = max(peak.get(name, ZERO), step)
    return {name: max(totals.get(name, ZERO), peak.get(name, ZERO)) for name in {*totals, *peak}}


def _requests(container: Object) -> dict[str, Quantity]:
    asked = (container.get("resources") or {}).get("requests") or {}
    return {name: Quantity.parse(text) for name, text in asked.items()}


def _add(totals: dict[str, Quantity], more: dict[str, Quantity]) -> None:
    for name, value in more.items():
        totals[name] = totals.get(name, ZERO) + value
