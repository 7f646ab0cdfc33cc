"""v1 LimitRange and ResourceQuota."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from apiserver import validation as rules
from apiserver.field import FieldError, duplicate, forbidden, immutable, invalid, required
from apiserver.kinds.kind import STATUS, Column, Context, Kind, Object, Strategy, Subresource
from apiserver.kinds.pods import resources
from apiserver.kinds.pods.checks import each, words
from apiserver.kinds.strategies import Free
from apiserver.table import AGE
from miniplane.apimachinery.quantity import Quantity, rounded_to_milli

LIMIT_TYPES = ("Pod", "Container", "PersistentVolumeClaim")
LISTS = ("max", "min", "default", "defaultRequest", "maxLimitRequestRatio")
ONE = Quantity.parse("1")
RATIO_LIMIT = (2**63 - 1) // 1000
"""Amounts beyond it are compared as whole numbers: thousandths would not fit 64 bits."""


class LimitRangeStrategy(Free):
    """LimitRange."""

    metadata_again = 1
    create_on_update = True

    def default(self, obj: Object) -> None:
        for item in obj.setdefault("spec", {}).get("limits") or ():
            for name in LISTS:
                if item.get(name):
                    item[name] = {key: rounded_to_milli(value) for key, value in item[name].items()}
            if item.get("type") == "Container":
                _fill(item)

    def validate(self, obj: Object, context: Context) -> list[FieldError]:
        found: list[FieldError] = []
        seen: set[str] = set()
        for index, item in enumerate((obj.get("spec") or {}).get("limits") or ()):
            path, kind = f"spec.limits[{index}]", item.get("type", "")
            found += _limit_type(kind, f"{path}.type")
            if kind in seen:
                found.append(duplicate(f"{path}.type", kind))
            seen.add(kind)
            found += _names(item, kind, path)
            for name in sorted(_names_of(item, kind)):
                found += _order(item, kind, name, path)
        return found


def _fill(item: Object) -> None:
    """A default is the maximum, a default request the default or the minimum, where none is given."""
    default = {**(item.get("max") or {}), **(item.get("default") or {})}
    request = {**(item.get("min") or {}), **default, **(item.get("defaultRequest") or {})}
    for name, value in (("default", default), ("defaultRequest", request)):
        if value:
            item[name] = value


def _limit_type(kind: str, path: str) -> list[FieldError]:
    found = each(path, kind, rules.qualified_name(kind))
    if not found and "/" not in kind and kind not in LIMIT_TYPES:
        found.append(invalid(path, kind, "must be a standard limit type or fully qualified"))
    return found


def _resource_name(kind: str, name: str, path: str) -> list[FieldError]:
    if kind in ("Pod", "Container"):
        return resources.container_resource_name(name, path)
    return resources.resource_name(name, path)


def _names(item: Object, kind: str, path: str) -> list[FieldError]:
    found: list[FieldError] = []
    for field in ("max", "min", "default", "defaultRequest"):
        if kind == "Pod" and field.startswith("default"):
            if item.get(field):
                found.append(forbidden(f"{path}.{field}", "may not be specified when `type` is 'Pod'"))
            continue
        for name in sorted(item.get(field) or ()):
            found += _resource_name(kind, name, f"{path}.{field}[{name}]")
    if kind == "PersistentVolumeClaim" and all("storage" not in (item.get(side) or {}) for side in ("min", "max")):
        why = "either minimum or maximum storage value is required, but neither was provided"
        found.append(required(f"{path}.limits", why))
    for name in sorted(item.get("maxLimitRequestRatio") or ()):
        found += _resource_name(kind, name, f"{path}.maxLimitRequestRatio[{name}]")
    return found


def _fields(kind: str) -> Iterable[str]:
    return (name for name in LISTS if kind != "Pod" or not name.startswith("default"))


def _names_of(item: Object, kind: str) -> set[str]:
    return {name for field in _fields(kind) for name in item.get(field) or ()}


class _Pair(NamedTuple):
    """`low` may not exceed `high`; the error is about `field` and shows the value of `shown`."""

    low: str
    high: str
    field: str
    shown: str
    text: str


_PAIRS = (
    _Pair("min", "max", "min", "min", "min value {} is greater than max value {}"),
    _Pair(
        "min",
        "defaultRequest",
        "defaultRequest",
        "defaultRequest",
        "min value {} is greater than default request value {}",
    ),
    _Pair(
        "defaultRequest",
        "max",
        "defaultRequest",
        "defaultRequest",
        "default request value {} is greater than max value {}",
    ),
    _Pair(
        "defaultRequest",
        "default",
        "defaultRequest",
        "defaultRequest",
        "default request value {} is greater than default limit value {}",
    ),
    _Pair("min", "default", "default", "min", "min value {} is greater than default value {}"),
    _Pair("default", "max", "default", "max", "default value {} is greater than max value {}"),
)


def _order(item: Object, kind: str, name: str, path: str) -> list[FieldError]:
    values = {field: Quantity.parse(item[field][name]) for field in _fields(kind) if name in (item.get(field) or {})}
    found: list[FieldError] = []
    for low, high, field, shown, text in _PAIRS:
        if low in values and high in values and values[low] > values[high]:
            why = text.format(values[low].canonical(), values[high].canonical())
            found.append(invalid(f"{path}.{field}[{name}]", values[shown].canonical(), why))
    found += _ratio(values, f"{path}.maxLimitRequestRatio[{name}]")
    default, request = values.get("default"), values.get("defaultRequest")
    if default is not None and request is not None and default != request and not resources.may_overcommit(name):
        why = f"default value {default.canonical()} must equal to defaultRequest value {request.canonical()} in {name}"
        found.append(invalid(f"{path}.defaultRequest[{name}]", request.canonical(), why))
    return found


def _ratio(values: dict[str, Quantity], path: str) -> list[FieldError]:
    ratio, low, high = (values.get(name) for name in ("maxLimitRequestRatio", "min", "max"))
    if ratio is None:
        return []
    shown = ratio.canonical()
    found = [invalid(path, shown, f"ratio {shown} is less than 1")] if ratio < ONE else []
    if low is None or high is None:
        return found
    small = all(value.value() < RATIO_LIMIT for value in (ratio, low, high))
    least, most = (value.milli_value() if small else value.value() for value in (low, high))
    wanted = ratio.milli_value() / 1000 if small else float(ratio.value())
    if least and wanted > most / least:
        found.append(invalid(path, shown, f"ratio {shown} is greater than max/min = {most / least:f}"))
    return found


SCOPES = frozenset(words(
    "Terminating NotTerminating BestEffort NotBestEffort PriorityClass CrossNamespacePodAffinity "
    "VolumeAttributesClass"
))  # fmt: skip
CONFLICTING = ({"BestEffort", "NotBestEffort"}, {"Terminating", "NotTerminating"})
_POD_RESOURCES = frozenset(
    words(
        "pods cpu memory ephemeral-storage requests.cpu requests.memory requests.ephemeral-storage limits.cpu "
        "limits.memory limits.ephemeral-storage"
    )
)
_OF_SCOPE = {
    "BestEffort": frozenset({"pods"}),
    "Terminating": _POD_RESOURCES,
    "NotTerminating": _POD_RESOURCES,
    "NotBestEffort": _POD_RESOURCES,
    "PriorityClass": _POD_RESOURCES,
    "CrossNamespacePodAffinity": _POD_RESOURCES,
    "VolumeAttributesClass": frozenset({"persistentvolumeclaims", "requests.storage"}),
}
_EXISTS_ONLY = frozenset(words("BestEffort NotBestEffort Terminating NotTerminating CrossNamespacePodAffinity"))


class QuotaStrategy(Strategy):
    """ResourceQuota."""

    delete_answers_object = True

    def default(self, obj: Object) -> None:
        hard = obj.setdefault("spec", {}).get("hard")
        if hard:
            obj["spec"]["hard"] = {key: rounded_to_milli(value) for key, value in hard.items()}

    def prepare_for_create(self, obj: Object, context: Context) -> None:
        obj["status"] = {}

    def validate(self, obj: Object, context: Context) -> list[FieldError]:
        spec = obj["spec"]
        return _amounts(spec.get("hard"), "spec.hard") + _scopes(spec) + _scope_selector(spec)

    def validate_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        found = self.validate(obj, context)
        if set(obj["spec"].get("scopes") or ()) != set((old.get("spec") or {}).get("scopes") or ()):
            found.append(immutable("spec.scopes", obj["spec"].get("scopes")))
        return found

    def validate_status_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        status = obj.get("status") or {}
        return _amounts(status.get("hard"), "status.hard") + _amounts(status.get("used"), "status.used")


def _amounts(amounts: Object | None, path: str) -> list[FieldError]:
    found: list[FieldError] = []
    for name in sorted(amounts or ()):
        at = f"{path}[{name}]"
        found += resources.quota_resource_name(name, at) + resources.amount(name, (amounts or {})[name], at)
    return found


def _unfit(scope: str, spec: Object) -> list[str]:
    """Standard resources that this scope does not count."""
    fitting = _OF_SCOPE.get(scope, frozenset())
    return [n for n in sorted(spec.get("hard") or ()) if resources.is_standard_for_quota(n) and n not in fitting]


def _scopes(spec: Object) -> list[FieldError]:
    scopes, path = spec.get("scopes") or [], "spec.scopes"
    found: list[FieldError] = []
    for scope in scopes:
        if scope not in SCOPES:
            found.append(invalid(path, scopes, "unsupported scope"))
            continue
        found += [invalid(path, scopes, "unsupported scope applied to resource") for _ in _unfit(scope, spec)]
    return found + [invalid(path, scopes, "conflicting scopes") for pair in CONFLICTING if pair <= set(scopes)]


def _scope_selector(spec: Object) -> list[FieldError]:
    selector, path = spec.get("scopeSelector"), "spec.scopeSelector.matchExpressions"
    if selector is None:
        return []
    found: list[FieldError] = []
    items = selector.get("matchExpressions") or ()
    for item in items:
        scope = item.get("scopeName", "")
        if scope not in SCOPES:
            found.append(invalid(f"{path}.scopeName", scope, "unsupported scope"))
        else:
            why = "unsupported scope applied to resource"
            found += [invalid(path, _shown(items), why) for _ in _unfit(scope, spec)]
        found += _expression(item, scope, path)
    scopes = {item.get("scopeName", "") for item in items}
    shown = spec.get("scopes")
    return found + [
        invalid("spec.scopeSelector.matchExpressions", shown, "conflicting scopes")
        for pair in CONFLICTING
        if pair <= scopes
    ]


def _shown(items: Any) -> Object:
    names = (("ScopeName", "scopeName", ""), ("Operator", "operator", ""), ("Values", "values", None))
    return {"MatchExpressions": [{shown: item.get(name, empty) for shown, name, empty in names} for item in items]}


def _expression(item: Object, scope: str, path: str) -> list[FieldError]:
    operator, values = item.get("operator", ""), item.get("values") or []
    found: list[FieldError] = []
    if scope in _EXISTS_ONLY and operator != "Exists":
        why = (
            "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, "
            "ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or "
            "ResourceQuotaScopeCrossNamespacePodAffinity"
        )
        found.append(invalid(f"{path}.operator", operator, why))
    if operator in ("In", "NotIn"):
        if not values:
            why = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector"
            found.append(required(f"{path}.values", why))
    elif operator in ("Exists", "DoesNotExist"):
        if values:
            why = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector"
            found.append(invalid(f"{path}.values", values, why))
    else:
        found.append(invalid(f"{path}.operator", operator, "not a valid selector operator"))
    return found


def _used(limits: bool) -> Any:
    def value(obj: Object) -> str:
        status = obj.get("status") or {}
        hard, used = status.get("hard") or {}, status.get("used") or {}
        names = [name for name in sorted(hard) if name.startswith("limits.") is limits]
        return ", ".join(f"{name}: {used.get(name, '0')}/{hard[name]}" for name in names)

    return value


KINDS: tuple[Kind, ...] = (
    Kind("", "v1", "LimitRange", "limitranges", True, LimitRangeStrategy(), short_names=("limits",)),
    Kind(
        "",
        "v1",
        "ResourceQuota",
        "resourcequotas",
        True,
        QuotaStrategy(),
        short_names=("quota",),
        columns=(Column("Request", _used(False)), Column("Limit", _used(True)), AGE),
        subresources=(Subresource("status", STATUS),),
    ),
)
