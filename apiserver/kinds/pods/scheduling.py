"""Where a pod may run: affinity, tolerations, topology spread, gates (core validation's scheduling rules)."""

from __future__ import annotations

from typing import Any

from apiserver import validation as rules
from apiserver.field import FieldError, duplicate, forbidden, invalid, not_supported, required
from apiserver.kinds.kind import Object
from apiserver.kinds.pods.checks import NOT_POSITIVE, each, label_key, optional_one_of
from apiserver.kinds.pods.internal import internal

EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_REQUIRED, _PREFERRED = (
    "requiredDuringSchedulingIgnoredDuringExecution",
    "preferredDuringSchedulingIgnoredDuringExecution",
)


def affinity(value: Object | None, path: str) -> list[FieldError]:
    """spec.affinity."""
    if value is None:
        return []
    found: list[FieldError] = []
    if value.get("nodeAffinity") is not None:
        found += _node_affinity(value["nodeAffinity"], f"{path}.nodeAffinity")
    for name in ("podAffinity", "podAntiAffinity"):
        if value.get(name) is not None:
            found += _pod_affinity(value[name], f"{path}.{name}")
    return found


def _node_affinity(value: Object, path: str) -> list[FieldError]:
    found: list[FieldError] = []
    if value.get(_REQUIRED) is not None:
        found += node_selector(value[_REQUIRED], f"{path}.{_REQUIRED}")
    for index, term in enumerate(value.get(_PREFERRED) or ()):
        at = f"{path}.{_PREFERRED}[{index}]"
        found += _weight(term, at)
        found += _node_term(term.get("preference") or {}, f"{at}.preference", check_values=False)
    return found


def _weight(term: Object, path: str) -> list[FieldError]:
    weight = term.get("weight", 0)
    return [] if 0 < weight <= 100 else [invalid(f"{path}.weight", weight, "must be in the range 1-100")]


def node_selector(selector: Object, path: str) -> list[FieldError]:
    """A NodeSelector."""
    terms = selector.get("nodeSelectorTerms") or ()
    if not terms:
        return [required(f"{path}.nodeSelectorTerms", "must have at least one node selector term")]
    found: list[FieldError] = []
    for index, term in enumerate(terms):
        found += _node_term(term, f"{path}.nodeSelectorTerms[{index}]", check_values=True)
    return found


def _node_term(term: Object, path: str, *, check_values: bool) -> list[FieldError]:
    found: list[FieldError] = []
    for index, item in enumerate(term.get("matchExpressions") or ()):
        found += _node_expression(item, f"{path}.matchExpressions[{index}]", check_values=check_values)
    for index, item in enumerate(term.get("matchFields") or ()):
        found += _node_field(item, f"{path}.matchFields[{index}]")
    return found


def _node_expression(item: Object, path: str, *, check_values: bool) -> list[FieldError]:
    operator, values = item.get("operator", ""), item.get("values") or ()
    found: list[FieldError] = []
    if operator in ("In", "NotIn"):
        if not values:
            found.append(required(f"{path}.values", "must be specified when `operator` is 'In' or 'NotIn'"))
    elif operator in ("Exists", "DoesNotExist"):
        if values:
            why = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            found.append(forbidden(f"{path}.values", why))
    elif operator in ("Gt", "Lt"):
        if len(values) != 1:
            why = "must be specified single value when `operator` is 'Lt' or 'Gt'"
            found.append(required(f"{path}.values", why))
    else:
        found.append(invalid(f"{path}.operator", operator, "not a valid selector operator"))
    found += label_key(f"{path}.key", item.get("key", ""))
    if check_values:
        for index, value in enumerate(values):
            found += each(f"{path}.values[{index}]", value, rules.label_value(value))
    return found


def _node_field(item: Object, path: str) -> list[FieldError]:
    operator, values = item.get("operator", ""), item.get("values") or ()
    found: list[FieldError] = []
    if operator not in ("In", "NotIn"):
        found.append(invalid(f"{path}.operator", operator, "not a valid selector operator"))
    elif len(values) != 1:
        why = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
        found.append(required(f"{path}.values", why))
    if item.get("key") != "metadata.name":
        return [*found, invalid(f"{path}.key", item.get("key", ""), "not a valid field selector key")]
    for index, value in enumerate(values):
        found += each(f"{path}.values[{index}]", value, rules.dns1123_subdomain(value))
    return found


def _pod_affinity(value: Object, path: str) -> list[FieldError]:
    found: list[FieldError] = []
    for index, term in enumerate(value.get(_REQUIRED) or ()):
        found += _pod_term(term, f"{path}.{_REQUIRED}[{index}]")
    for index, weighted in enumerate(value.get(_PREFERRED) or ()):
        at = f"{path}.{_PREFERRED}[{index}]"
        found += _weight(weighted, at) + _pod_term(weighted.get("podAffinityTerm") or {}, f"{at}.podAffinityTerm")
    return found


def _pod_term(term: Object, path: str) -> list[FieldError]:
    selector, topology = term.get("labelSelector"), term.get("topologyKey", "")
    found = rules.label_selector(selector, f"{path}.labelSelector")
    found += rules.label_selector(term.get("namespaceSelector"), f"{path}.namespaceSelector")
    for name in term.get("namespaces") or ():
        found += each(f"{path}.namespace", name, rules.dns1123_label(name))
    wanted, unwanted = term.get("matchLabelKeys") or (), term.get("mismatchLabelKeys") or ()
    found += _keys(wanted, selector, f"{path}.matchLabelKeys") + _keys(unwanted, selector, f"{path}.mismatchLabelKeys")
    found += _repeated_keys(wanted, selector, path)
    for index, key in enumerate(wanted):
        if key in unwanted:
            why = "exists in both matchLabelKeys and mismatchLabelKeys"
            found.append(invalid(f"{path}.matchLabelKeys[{index}]", key, why))
    if not topology:
        found.append(required(f"{path}.topologyKey", "can not be empty"))
    return found + label_key(f"{path}.topologyKey", topology)


def _keys(keys: Any, selector: Object | None, path: str) -> list[FieldError]:
    if not keys:
        return []
    if selector is None:
        return [forbidden(path, "must not be specified when labelSelector is not set")]
    found: list[FieldError] = []
    for index, key in enumerate(keys):
        found += label_key(f"{path}[{index}]", key)
    return found


def _repeated_keys(keys: Any, selector: Object | None, path: str) -> list[FieldError]:
    """A key of matchLabelKeys that the selector names already; one expression of it is the server's own merge."""
    found: list[FieldError] = []
    seen = set((selector or {}).get("matchLabels") or ())
    for item in (selector or {}).get("matchExpressions") or ():
        key = item.get("key", "")
        if key in keys and key in seen:
            index = len(keys) - 1 - list(reversed(keys)).index(key)
            found.append(invalid(f"{path}[{index}]", key, "exists in both matchLabelKeys and labelSelector"))
        seen.add(key)
    return found


def taint_effect(path: str, effect: str) -> list[FieldError]:
    return [] if effect in EFFECTS else [not_supported(path, effect, EFFECTS)]


def tolerations(items: Any, path: str) -> list[FieldError]:
    """spec.tolerations."""
    found: list[FieldError] = []
    for index, item in enumerate(items or ()):
        at = f"{path}[{index}]"
        key, operator, effect = item.get("key", ""), item.get("operator", ""), item.get("effect", "")
        if key:
            found += label_key(f"{at}.key", key)
        elif operator != "Exists":
            why = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
            found.append(invalid(f"{at}.operator", operator, why))
        if item.get("tolerationSeconds") is not None and effect != "NoExecute":
            why = "effect must be 'NoExecute' when `tolerationSeconds` is set"
            found.append(invalid(f"{at}.effect", effect, why))
        found += _toleration_value(item, at)
        if effect:
            found += taint_effect(f"{at}.effect", effect)
    return found


def _toleration_value(toleration: Object, path: str) -> list[FieldError]:
    operator, value = toleration.get("operator", ""), toleration.get("value", "")
    if operator in ("Equal", ""):
        faults = rules.label_value(value)
        return [invalid(f"{path}.operator", value, ";".join(faults))] if faults else []
    if operator == "Exists":
        why = "value must be empty when `operator` is 'Exists'"
        return [invalid(f"{path}.operator", internal(toleration, "Toleration"), why)] if value else []
    return [not_supported(f"{path}.operator", operator, ("Equal", "Exists"))]


def topology_spread(constraints: Any, path: str) -> list[FieldError]:
    """spec.topologySpreadConstraints."""
    found: list[FieldError] = []
    items = list(constraints or ())
    for index, item in enumerate(items):
        found += _constraint(item, f"{path}[{index}]", items[index + 1 :])
    return found


def _constraint(item: Object, path: str, rest: list[Object]) -> list[FieldError]:
    key, action, selector = item.get("topologyKey", ""), item.get("whenUnsatisfiable", ""), item.get("labelSelector")
    found: list[FieldError] = []
    if item.get("maxSkew", 0) <= 0:
        found.append(invalid(f"{path}.maxSkew", item.get("maxSkew", 0), NOT_POSITIVE))
    if not key:
        found.append(required(f"{path}.topologyKey", "can not be empty"))
    if action not in ("DoNotSchedule", "ScheduleAnyway"):
        found.append(not_supported(f"{path}.whenUnsatisfiable", action, ("DoNotSchedule", "ScheduleAnyway")))
    if any(other.get("topologyKey", "") == key and other.get("whenUnsatisfiable", "") == action for other in rest):
        found.append(duplicate(f"{path}.{{topologyKey, whenUnsatisfiable}}", f"{{{key}, {action}}}"))
    found += _min_domains(item.get("minDomains"), action, f"{path}.minDomains")
    for name in ("nodeAffinityPolicy", "nodeTaintsPolicy"):
        found += optional_one_of(f"{path}.{name}", item.get(name), ("Honor", "Ignore"))
    keys = item.get("matchLabelKeys") or ()
    found += _keys(keys, selector, f"{path}.matchLabelKeys")
    found += _repeated_keys(keys, selector, f"{path}.matchLabelKeys")
    return found + rules.label_selector(selector, f"{path}.labelSelector")


def _min_domains(value: int | None, action: str, path: str) -> list[FieldError]:
    found: list[FieldError] = []
    if value is not None and value <= 0:
        found.append(invalid(path, value, NOT_POSITIVE))
    if value is not None and action != "DoNotSchedule":
        why = f"can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {action}"
        found.append(invalid(path, value, why))
    return found


def readiness_gates(gates: Any, path: str) -> list[FieldError]:
    found: list[FieldError] = []
    for index, gate in enumerate(gates or ()):
        found += label_key(f"{path}[{index}].conditionType", gate.get("conditionType", ""))
    return found


def scheduling_gates(gates: Any, path: str) -> list[FieldError]:
    found: list[FieldError] = []
    seen: set[str] = set()
    for index, gate in enumerate(gates or ()):
        name = gate.get("name", "")
        found += label_key(f"{path}[{index}]", name)
        if name in seen:
            found.append(duplicate(f"{path}[{index}]", name))
        seen.add(name)
    return found
