"""Rules that webhooks and admission policies have in common: what they match, and their CEL expressions."""

from __future__ import annotations

from apiserver import validation as rules
from apiserver.field import FieldError, duplicate, invalid, not_supported, required, too_many
from apiserver.kinds.kind import Object

OPERATIONS = ("*", "CONNECT", "CREATE", "DELETE", "UPDATE")
SCOPES = ("*", "Cluster", "Namespaced")
FAILURE_POLICIES, MATCH_POLICIES, REINVOCATION = ("Fail", "Ignore"), ("Equivalent", "Exact"), ("IfNeeded", "Never")
CONDITION_LIMIT = 64
CONDITION_VARIABLES = ("object", "oldObject", "request", "authorizer")


def default_scopes(stated: list[Object] | None) -> None:
    for rule in stated or ():
        rule["scope"] = rule.get("scope") or "*"


def one_of(obj: Object, name: str, values: tuple[str, ...], path: str) -> list[FieldError]:
    """Causes for an enumeration that may be absent."""
    value = obj.get(name)
    return [not_supported(f"{path}.{name}", value, values)] if value is not None and value not in values else []


def rule_faults(rule: Object, path: str) -> list[FieldError]:
    """RuleWithOperations."""
    operations = rule.get("operations") or []
    found = [required(f"{path}.operations")] if not operations else []
    if len(operations) > 1 and "*" in operations:
        why = "if '*' is present, must not specify other operations"
        found.append(invalid(f"{path}.operations", operations, why))
    for index, operation in enumerate(operations):
        if operation not in OPERATIONS:
            found.append(not_supported(f"{path}.operations[{index}]", operation, OPERATIONS))
    for name, what in (("apiGroups", "API groups"), ("apiVersions", "API versions")):
        values = rule.get(name) or []
        if not values:
            found.append(required(f"{path}.{name}"))
        if len(values) > 1 and "*" in values:
            found.append(invalid(f"{path}.{name}", values, f"if '*' is present, must not specify other {what}"))
    found += [required(f"{path}.apiVersions[{i}]") for i, v in enumerate(rule.get("apiVersions") or ()) if not v]
    found += _resource_faults(rule.get("resources") or [], f"{path}.resources")
    return found + one_of(rule, "scope", SCOPES, path)


def _resource_faults(resources: list[str], path: str) -> list[FieldError]:
    found = [required(path)] if not resources else []
    whole, parts = set(), set()  # resources of which all subresources, subresources of which all resources are meant
    for index, item in enumerate(resources):
        if not item:
            found.append(required(f"{path}[{index}]"))
        outer, slash, inner = item.partition("/")
        if not slash:
            continue
        if outer in whole:
            found.append(invalid(f"{path}[{index}]", item, f"if '{outer}/*' is present, must not specify {item}"))
        if inner in parts:
            found.append(invalid(f"{path}[{index}]", item, f"if '*/{inner}' is present, must not specify {item}"))
        whole |= {outer} if inner == "*" else set()
        parts |= {inner} if outer == "*" else set()
    if len(resources) > 1 and "*/*" in resources:
        found.append(invalid(path, resources, "if '*/*' is present, must not specify other resources"))
    if "*" in resources and any(item != "*" and "/" not in item for item in resources if item):
        why = "if '*' is present, must not specify other resources without subresources"
        found.append(invalid(path, resources, why))
    return found


def condition_faults(
    conditions: list[Object], path: str, variables: tuple[str, ...] = CONDITION_VARIABLES
) -> list[FieldError]:
    """matchConditions."""
    found = [too_many(path, len(conditions), CONDITION_LIMIT)] if len(conditions) > CONDITION_LIMIT else []
    names: set[str] = set()
    for index, condition in enumerate(conditions):
        text = (condition.get("expression") or "").strip()
        where = f"{path}[{index}].expression"
        found += expression_faults(text, where, variables, "BOOL") if text else [required(where)]
        name, where = condition.get("name") or "", f"{path}[{index}].name"
        if not name:
            found.append(required(where))
            continue
        found += [invalid(where, name, text) for text in rules.qualified_name(name)]
        if name in names:
            found.append(duplicate(where, name))
        names.add(name)
    return found


def expression_faults(
    text: str,
    path: str,
    variables: tuple[str, ...],
    answers: str = "",
    composed: frozenset[str] | None = None,
) -> list[FieldError]:
    """What the CEL compiler says of an expression; `composed` are the fields of `variables`. Without a compiler every
    expression is refused."""
    from apiserver.dynamicadmission.expressions import Expression

    try:
        Expression(text, variables, answers, composed)
    except ValueError as error:
        return [invalid(path, text, str(error))]
    return []
