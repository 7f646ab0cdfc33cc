"""ValidatingAdmissionPolicy, MutatingAdmissionPolicy and their bindings: defaults and validation."""

from __future__ import annotations

import re

from apiserver import validation as rules
from apiserver.dynamicadmission.literals import as_maps
from apiserver.field import FieldError, duplicate, forbidden, invalid, not_supported, required
from apiserver.kinds.admissionrules import (
    CONDITION_VARIABLES,
    FAILURE_POLICIES,
    MATCH_POLICIES,
    REINVOCATION,
    condition_faults,
    default_scopes,
    expression_faults,
    one_of,
    rule_faults,
)
from apiserver.kinds.kind import Context, Object, Strategy
from apiserver.kinds.strategies import Counted

REASONS = ("Forbidden", "Invalid", "RequestEntityTooLarge")
ACTIONS = ("Audit", "Deny", "Warn")
PATCH_TYPES = ("ApplyConfiguration", "JSONPatch")
PATCH_FIELDS = {"ApplyConfiguration": "applyConfiguration", "JSONPatch": "jsonPatch"}
EXPRESSION_VARIABLES = ("object", "oldObject", "request", "namespaceObject", "authorizer", "variables")
AUDIT_LIMIT, AUDIT_EXPRESSION_LIMIT = 20, 5 * 1024
_IDENTIFIER = re.compile(r"[_a-zA-Z][_a-zA-Z0-9]*")
_RESERVED = frozenset(
    "true false null in as break const continue else for function if import let loop package namespace return var void "
    "while".split()
)


class PolicyStrategy(Strategy):
    """A policy, validating or mutating. Only the former has a status."""

    unconditional_update = False
    has_generation = True

    def __init__(self, mutating: bool) -> None:
        self.mutating = mutating

    def default(self, obj: Object) -> None:
        spec = obj.setdefault("spec", {})
        spec["failurePolicy"] = spec.get("failurePolicy") or "Fail"
        _default_match_resources(spec.get("matchConstraints"))

    def validate(self, obj: Object, context: Context) -> list[FieldError]:
        spec = obj.get("spec") or {}
        found = one_of(spec, "failurePolicy", FAILURE_POLICIES, "spec")
        params = ("params",) if spec.get("paramKind") is not None else ()
        if params:
            found += _param_kind_faults(spec["paramKind"], "spec.paramKind")
        found += _constraint_faults(spec.get("matchConstraints"))
        conditions = spec.get("matchConditions") or []
        found += condition_faults(conditions, "spec.matchConditions", (*CONDITION_VARIABLES, *params))
        names, faults = _variable_faults(spec.get("variables") or [], params)
        found += faults
        check = _Expressions((*EXPRESSION_VARIABLES, *params), names)
        return found + (_mutation_faults(spec, check) if self.mutating else _validation_faults(obj, spec, check))


class _Expressions:
    """The variables that expressions of one policy may name."""

    def __init__(self, variables: tuple[str, ...], composed: frozenset[str]) -> None:
        self.variables, self.composed = variables, composed

    def faults(self, text: str, path: str, answers: str = "") -> list[FieldError]:
        return expression_faults(text, path, self.variables, answers, self.composed)


def _default_match_resources(stated: Object | None) -> None:
    if stated is None:
        return
    stated["matchPolicy"] = stated.get("matchPolicy") or "Equivalent"
    for name in ("namespaceSelector", "objectSelector"):
        if stated.get(name) is None:
            stated[name] = {}
    for name in ("resourceRules", "excludeResourceRules"):
        default_scopes(stated.get(name))


def _param_kind_faults(stated: Object, path: str) -> list[FieldError]:
    version, found = stated.get("apiVersion") or "", []
    if not version:
        found.append(required(f"{path}.apiVersion"))
    elif version.count("/") > 1:
        found.append(invalid(f"{path}.apiVersion", version, f"unexpected GroupVersion string: {version}"))
    else:
        group, _, name = version.rpartition("/")
        texts = rules.dns1123_subdomain(group) if group else []
        found += [invalid(f"{path}.apiVersion", group, ",".join(texts))] if texts else []
        texts = rules.dns1035_label(name)
        found += [invalid(f"{path}.apiVersion", name, ",".join(texts))] if texts else []
    kind = stated.get("kind") or ""
    if not kind:
        return [*found, required(f"{path}.kind")]
    texts = rules.dns1035_label(kind.lower())
    why = f"may have mixed case, but should otherwise match: {','.join(texts)}"
    return found + ([invalid(f"{path}.kind", kind, why)] if texts else [])


def _constraint_faults(stated: Object | None) -> list[FieldError]:
    path = "spec.matchConstraints"
    if stated is None:
        return [required(path)]
    found = match_faults(stated, path)
    return found if stated.get("resourceRules") else [*found, required(f"{path}.resourceRules")]


def match_faults(stated: Object, path: str) -> list[FieldError]:
    """MatchResources."""
    found = one_of(stated, "matchPolicy", MATCH_POLICIES, path)
    for name in ("namespaceSelector", "objectSelector"):
        found += rules.label_selector(stated.get(name), f"{path}.{name}")
    for name in ("resourceRules", "excludeResourceRules"):
        for index, rule in enumerate(stated.get(name) or ()):
            found += _resource_name_faults(rule.get("resourceNames") or [], f"{path}.{name}[{index}].resourceNames")
            found += rule_faults(rule, f"{path}.{name}[{index}]")
    return found


def _resource_name_faults(names: list[str], path: str) -> list[FieldError]:
    found: list[FieldError] = []
    for index, name in enumerate(names):
        found += [invalid(f"{path}[{index}]", name, text) for text in rules.path_segment(name)]
        if name in names[:index]:
            found.append(duplicate(f"{path}[{index}]", name))
    return found


def _variable_faults(variables: list[Object], params: tuple[str, ...]) -> tuple[frozenset[str], list[FieldError]]:
    """(names of all variables, causes). A variable may use those before it."""
    found: list[FieldError] = []
    names: set[str] = set()
    for index, variable in enumerate(variables):
        path = f"spec.variables[{index}]"
        name, text = variable.get("name") or "", variable.get("expression") or ""
        if not name.strip():
            found.append(required(f"{path}.name", "name is not specified"))
        elif not _IDENTIFIER.fullmatch(name) or name in _RESERVED:
            found.append(invalid(f"{path}.name", name, "name is not a valid CEL identifier"))
        if not text.strip():
            found.append(required(f"{path}.expression", "expression is not specified"))
        else:
            check = _Expressions((*EXPRESSION_VARIABLES, *params), frozenset(names))
            found += check.faults(text, f"{path}.expression")
        names.add(name)
    return frozenset(names), found


def _validation_faults(obj: Object, spec: Object, check: _Expressions) -> list[FieldError]:
    validations, annotations = spec.get("validations") or [], spec.get("auditAnnotations") or []
    if not validations and not annotations:
        why = "validations or auditAnnotations must contain at least one item"
        return [required("spec.validations", why), required("spec.auditAnnotations", why)]
    found: list[FieldError] = []
    for index, validation in enumerate(validations):
        found += _one_validation(validation, check, f"spec.validations[{index}]")
    path = "spec.auditAnnotations"
    if len(annotations) > AUDIT_LIMIT:
        found.append(invalid(path, annotations, f"must not have more than {AUDIT_LIMIT} auditAnnotations"))
    keys: set[str] = set()
    for index, annotation in enumerate(annotations):
        found += _audit_faults(obj, annotation, check, f"{path}[{index}]")
        if annotation.get("key", "") in keys:
            found.append(duplicate(f"{path}[{index}].key", annotation["key"]))
        keys.add(annotation.get("key", ""))
    return found


def _one_validation(validation: Object, check: _Expressions, path: str) -> list[FieldError]:
    text, found = validation.get("expression") or "", []
    if not text.strip():
        found.append(required(f"{path}.expression", "expression is not specified"))
    else:
        found += check.faults(text, f"{path}.expression", "BOOL")
    stated = validation.get("messageExpression") or ""
    if stated and not stated.strip():
        found.append(invalid(f"{path}.messageExpression", stated, "must be non-empty if specified"))
    elif stated:
        found += check.faults(stated, f"{path}.messageExpression", "STRING")
    message = validation.get("message") or ""
    if message and not message.strip():
        found.append(invalid(f"{path}.message", message, "message must be non-empty if specified"))
    elif re.search(r"[\r\n]", message.strip()):
        found.append(invalid(f"{path}.message", message, "message must not contain line breaks"))
    return found + one_of(validation, "reason", REASONS, path)


def _audit_faults(obj: Object, annotation: Object, check: _Expressions, path: str) -> list[FieldError]:
    name, key = obj["metadata"].get("name", ""), annotation.get("key") or ""
    if name:
        shown = f"{name}/{key}"
        found = [invalid(f"{path}.key", shown, text) for text in rules.qualified_name(shown)]
    else:
        found = [invalid(f"{path}.key", key, "requires metadata.name be non-empty")]
    text = (annotation.get("valueExpression") or "").strip()
    where = f"{path}.valueExpression"
    if not text:
        return [*found, required(where, "valueExpression is not specified")]
    if len(text.encode()) > AUDIT_EXPRESSION_LIMIT:
        return [*found, required(where, f"must not exceed {AUDIT_EXPRESSION_LIMIT} bytes in length")]
    return found + check.faults(text, where)


def _mutation_faults(spec: Object, check: _Expressions) -> list[FieldError]:
    mutations, path = spec.get("mutations") or [], "spec.mutations"
    found = [] if mutations else [required(path, "mutations must contain at least one item")]
    for index, mutation in enumerate(mutations):
        found += _one_mutation(mutation, check, f"{path}[{index}]")
    if not spec.get("reinvocationPolicy"):
        return [*found, required("spec.reinvocationPolicy")]
    return found + one_of(spec, "reinvocationPolicy", REINVOCATION[::-1], "spec")


def _one_mutation(mutation: Object, check: _Expressions, path: str) -> list[FieldError]:
    kind = mutation.get("patchType") or ""
    if not kind:
        return [required(f"{path}.patchType")]
    if kind not in PATCH_TYPES:
        return [not_supported(f"{path}.patchType", kind, PATCH_TYPES)]
    name = PATCH_FIELDS[kind]
    stated = mutation.get(name)
    if stated is None:
        return [required(f"{path}.{name}", f"must be specified when patchType is {kind}")]
    text = stated.get("expression") or ""
    if not text.strip():
        return [required(f"{path}.{name}.expression", "expression is not specified")]
    answers = "LIST" if kind == "JSONPatch" else "MAP"
    faults = check.faults(as_maps(text), f"{path}.{name}.expression", answers)
    return [invalid(fault.field, text, fault.text.partition(": ")[2].partition(": ")[2]) for fault in faults]


class BindingStrategy(Counted):
    """A binding of a policy."""

    unconditional_update = False

    def __init__(self, mutating: bool) -> None:
        self.mutating = mutating

    def default(self, obj: Object) -> None:
        _default_match_resources((obj.get("spec") or {}).get("matchResources"))

    def validate(self, obj: Object, context: Context) -> list[FieldError]:
        spec = obj.get("spec") or {}
        name = spec.get("policyName") or ""
        found = [invalid("spec.policyName", name, text) for text in rules.dns1123_subdomain(name)] if name else []
        found += [] if name else [required("spec.policyName")]
        found += _param_ref_faults(spec.get("paramRef"), "spec.paramRef")
        if spec.get("matchResources") is not None:
            found += match_faults(spec["matchResources"], "spec.matchResouces")  # the real server's spelling
        return found if self.mutating else found + _action_faults(spec.get("validationActions") or [])


def _param_ref_faults(stated: Object | None, path: str) -> list[FieldError]:
    if stated is None:
        return []
    name, selector = stated.get("name") or "", stated.get("selector")
    found = [invalid(f"{path}.name", name, text) for text in (rules.path_segment(name) if name else ())]
    both = "name and selector are mutually exclusive"
    if name and selector is not None:
        found.append(forbidden(f"{path}.name", both))
    if selector is not None:
        found += rules.label_selector(selector, f"{path}.selector")
        found += [forbidden(f"{path}.selector", both)] if name else []
    if not name and selector is None:
        found.append(required(path, "one of name or selector must be specified"))
    if not stated.get("parameterNotFoundAction"):
        return [*found, required(f"{path}.parameterNotFoundAction")]
    return found + one_of(stated, "parameterNotFoundAction", ("Deny", "Allow"), path)


def _action_faults(actions: list[str]) -> list[FieldError]:
    path, found = "spec.validationActions", []
    for index, action in enumerate(actions):
        if action not in ACTIONS:
            found.append(not_supported(f"{path}[{index}]", action, ACTIONS))
        if action in actions[:index]:
            found.append(duplicate(f"{path}[{index}]", action))
    if "Deny" in actions and "Warn" in actions:
        why = (
            "must not contain both Deny and Warn (repeating the same validation failure information in the API "
            "response and headers serves no purpose)"
        )
        found.append(invalid(path, actions, why))
    return found if actions else [*found, required(path, "at least one validation action is required")]
