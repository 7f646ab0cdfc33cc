"""Validation of a Job's spec (batch validation's ValidateJobSpec), causes in the real server's order."""

from __future__ import annotations

from typing import Any

from apiserver import validation as rules
from apiserver.field import OMIT, FieldError, duplicate, invalid, not_supported, required, too_many
from apiserver.gointegers import bounded
from apiserver.kinds.job_shown import shown
from apiserver.kinds.kind import Context, Object
from apiserver.kinds.pod import validate_pod_template
from apiserver.kinds.pods.checks import not_negative
from apiserver.kinds.workload import not_matching
from apiserver.validation import label_selector
from miniplane.apimachinery.selectors import from_object

PARALLELISM, FAILED_INDEXES, COMPLETIONS = 100_000, 100_000, 100_000
"""How many an Indexed Job may have: they bound the length of its status."""
HIGH = 10_000
"""The bound on parallelism and failed indexes of a Job with more than COMPLETIONS and a backoff limit per index."""
RULES, EXIT_CODES, PATTERNS, MANAGED_BY = 20, 255, 20, 63
ACTIONS = ("Count", "FailIndex", "FailJob", "Ignore")
RESTART = ("OnFailure", "Never")
COUNTS = (
    "parallelism",
    "completions",
    "activeDeadlineSeconds",
    "backoffLimit",
    "ttlSecondsAfterFinished",
    "backoffLimitPerIndex",
    "maxFailedIndexes",
)
JOB_LABELS = (
    ("controller-uid", "uid"),
    ("job-name", "name"),
    ("batch.kubernetes.io/controller-uid", "uid"),
    ("batch.kubernetes.io/job-name", "name"),
)


def template_of(spec: Object) -> Object:
    found: Object = spec.get("template") or {}
    return found


def indexed(spec: Object) -> bool:
    return bool(spec.get("completionMode") == "Indexed")


def own_job(obj: Object) -> list[FieldError]:
    """A generated selector takes the Job's own pods, whose labels name it (validateGeneratedSelector)."""
    spec, metadata = obj["spec"], obj["metadata"]
    if spec.get("manualSelector") or spec.get("selector") is None:
        return []
    wanted = {label: metadata.get(source, "") for label, source in JOB_LABELS}
    labels, path = (template_of(spec).get("metadata") or {}).get("labels") or {}, "spec.template.metadata.labels"
    found: list[FieldError] = []
    for label, value in wanted.items():
        if label not in labels:
            found.append(required(path, f"must be '{value}'"))
        elif labels[label] != value:
            found.append(invalid(path, labels, f"must be '{value}'"))
    selector = spec["selector"]
    if not label_selector(selector, "") and not from_object(selector).matches(wanted):
        found.append(invalid("spec.selector", selector, "`selector` not auto-generated"))
    return found


def hostname_faults(obj: Object) -> list[FieldError]:
    """The pods of an Indexed Job have its name and their index as host name."""
    spec, name = obj["spec"], obj["metadata"].get("name", "")
    if not indexed(spec) or (spec.get("completions") or 0) <= 0:
        return []
    longest = f"{name}-{spec['completions'] - 1}"
    if not rules.dns1123_label(longest):
        return []
    return [invalid("metadata.name", name, f"will not able to create pod with invalid DNS label: {longest}")]


def job_spec(spec: Object, path: str, context: Context, *, needs_selector: bool) -> list[FieldError]:
    """A JobSpec; a CronJob's template has no selector yet."""
    found = [fault for name in COUNTS for fault in not_negative(f"{path}.{name}", spec.get(name))]
    if spec.get("maxFailedIndexes") is not None and spec.get("backoffLimitPerIndex") is None:
        found.append(required(f"{path}.backoffLimitPerIndex", "when maxFailedIndexes is specified"))
    found += _managed_by(spec.get("managedBy"), f"{path}.managedBy")
    found += _mode(spec, path)
    if spec.get("podFailurePolicy") is not None:
        found += _failure_policy(spec, f"{path}.podFailurePolicy")
    if spec.get("successPolicy") is not None:
        found += _success_policy(spec, f"{path}.successPolicy")
    found += _replacement(spec, f"{path}.podReplacementPolicy")
    found += validate_pod_template(template_of(spec), f"{path}.template", context)
    found += _restart(spec, f"{path}.template.spec.restartPolicy")
    if not needs_selector:
        return found
    selector = spec.get("selector")
    found += label_selector(selector, f"{path}.selector") if selector is not None else [required(f"{path}.selector")]
    return found + not_matching(spec)


def _managed_by(value: str | None, path: str) -> list[FieldError]:
    if value is None:
        return []
    found = rules.domain_prefixed_path(value, path)
    if len(value) > MANAGED_BY:
        found.append(FieldError("FieldValueTooLong", path, f"Too long: may not be more than {MANAGED_BY} bytes"))
    return found


def _mode(spec: Object, path: str) -> list[FieldError]:
    mode, found = spec.get("completionMode"), []
    if mode not in ("NonIndexed", "Indexed", None):
        found.append(not_supported(f"{path}.completionMode", mode, ("NonIndexed", "Indexed")))
    if mode == "Indexed":
        found += _indexed_bounds(spec, path)
    if mode in (None, "NonIndexed"):
        for name in ("backoffLimitPerIndex", "maxFailedIndexes"):
            if spec.get(name) is not None:
                found.append(invalid(f"{path}.{name}", spec[name], "requires indexed completion mode"))
    return found


def _indexed_bounds(spec: Object, path: str) -> list[FieldError]:
    found: list[FieldError] = []
    parallelism, completions, failed = (spec.get(n) for n in ("parallelism", "completions", "maxFailedIndexes"))
    if completions is None:
        found.append(required(f"{path}.completions", "when completion mode is Indexed"))
    if parallelism is not None and parallelism > PARALLELISM:
        why = f"must be less than or equal to {PARALLELISM} when completion mode is Indexed"
        found.append(invalid(f"{path}.parallelism", parallelism, why))
    if completions is not None and failed is not None and failed > completions:
        found.append(invalid(f"{path}.maxFailedIndexes", failed, "must be less than or equal to completions"))
    if failed is not None and failed > FAILED_INDEXES:
        found.append(invalid(f"{path}.maxFailedIndexes", failed, f"must be less than or equal to {FAILED_INDEXES}"))
    if (completions or 0) > COMPLETIONS and spec.get("backoffLimitPerIndex") is not None:
        if failed is None:
            why = f"must be specified when completions is above {COMPLETIONS}"
            found.append(required(f"{path}.maxFailedIndexes", why))
        why = (
            f"must be less than or equal to {HIGH} when completions are above {COMPLETIONS} and used with backoff "
            "limit per index"
        )
        for name, value in (("parallelism", parallelism), ("maxFailedIndexes", failed)):
            if value is not None and value > HIGH:
                found.append(invalid(f"{path}.{name}", value, why))
    return found


def _replacement(spec: Object, path: str) -> list[FieldError]:
    policy = spec.get("podReplacementPolicy")
    supported = ("Failed",) if spec.get("podFailurePolicy") is not None else ("Failed", "TerminatingOrFailed")
    return [] if policy is None or policy in supported else [not_supported(path, policy, supported)]


def _restart(spec: Object, path: str) -> list[FieldError]:
    policy = (template_of(spec).get("spec") or {}).get("restartPolicy") or "Always"
    if policy == "Always":
        return [required(path, 'valid values: "OnFailure", "Never"')]
    if policy not in RESTART:
        return [not_supported(path, policy, RESTART)]
    if spec.get("podFailurePolicy") is not None and policy != "Never":
        return [invalid(path, policy, 'only "Never" is supported when podFailurePolicy is specified')]
    return []


def _values(supported: tuple[str, ...]) -> str:
    return "valid values: [" + " ".join(f'"{item}"' for item in supported) + "]"


def _choice(path: str, value: str, supported: tuple[str, ...]) -> list[FieldError]:
    """Required, with the values, where empty."""
    if not value:
        return [required(path, _values(supported))]
    return [] if value in supported else [not_supported(path, value, supported)]


def _failure_policy(spec: Object, path: str) -> list[FieldError]:
    items, at = spec["podFailurePolicy"].get("rules") or [], f"{path}.rules"
    found = [too_many(at, len(items), RULES)] if len(items) > RULES else []
    pod = template_of(spec).get("spec") or {}
    containers = {c.get("name") for name in ("containers", "initContainers") for c in pod.get(name) or ()}
    for index, rule in enumerate(items):
        found += _failure_rule(spec, rule, f"{at}[{index}]", containers)
    return found


def _failure_rule(spec: Object, rule: Object, path: str, containers: set[Any]) -> list[FieldError]:
    action, codes, patterns = rule.get("action", ""), rule.get("onExitCodes"), rule.get("onPodConditions") or []
    found = _choice(f"{path}.action", action, ACTIONS)
    if action == "FailIndex" and spec.get("backoffLimitPerIndex") is None:
        found.append(invalid(f"{path}.action", action, "requires the backoffLimitPerIndex to be set"))
    if codes is not None:
        found += _exit_codes(codes, f"{path}.onExitCodes", containers)
    if len(patterns) > PATTERNS:
        found.append(too_many(f"{path}.onPodConditions", len(patterns), PATTERNS))
    for index, pattern in enumerate(patterns):
        at, name = f"{path}.onPodConditions[{index}]", pattern.get("type", "")
        found += [invalid(f"{at}.type", name, text) for text in rules.qualified_name(name)]
        found += _choice(f"{at}.status", pattern.get("status", ""), ("False", "True", "Unknown"))
    if codes is not None and patterns:
        found.append(invalid(path, OMIT, "specifying both OnExitCodes and OnPodConditions is not supported"))
    if codes is None and not patterns:
        found.append(invalid(path, OMIT, "specifying one of OnExitCodes and OnPodConditions is required"))
    return found


def _exit_codes(codes: Object, path: str, containers: set[Any]) -> list[FieldError]:
    operator, values, at = codes.get("operator", ""), codes.get("values") or [], f"{path}.values"
    found = _choice(f"{path}.operator", operator, ("In", "NotIn"))
    name = codes.get("containerName")
    if name is not None and name not in containers:
        why = "must be one of the container or initContainer names in the pod template"
        found.append(invalid(f"{path}.containerName", name, why))
    if not values:
        found.append(invalid(at, codes.get("values"), "at least one value is required"))
    elif len(values) > EXIT_CODES:
        found.append(too_many(at, len(values), EXIT_CODES))
    for index, value in enumerate(values):
        if operator == "In" and value == 0:
            found.append(invalid(f"{at}[{index}]", value, "must not be 0 for the In operator"))
        if value in values[:index]:
            found.append(duplicate(f"{at}[{index}]", value))
    return found if values == sorted(values) else [*found, invalid(at, values, "must be ordered")]


def _success_policy(spec: Object, path: str) -> list[FieldError]:
    policy, at = spec["successPolicy"], f"{path}.rules"
    items = policy.get("rules") or []
    if not indexed(spec):
        return [invalid(path, shown("successPolicy", policy), "requires indexed completion mode")]
    found: list[FieldError] = []
    if not items:
        found.append(required(at, "at least one rules must be specified when the successPolicy is specified"))
    if len(items) > RULES:
        found.append(too_many(at, len(items), RULES))
    for index, rule in enumerate(items):
        found += _success_rule(rule, f"{at}[{index}]", spec.get("completions") or 0)
    return found


def _success_rule(rule: Object, path: str, completions: int) -> list[FieldError]:
    count, indexes = rule.get("succeededCount"), rule.get("succeededIndexes")
    found: list[FieldError] = []
    if count is None and indexes is None:
        found.append(required(path, "at least one of succeededCount or succeededIndexes must be specified"))
    total, fault = count_indexes(indexes or "", completions)
    if fault:
        found.append(invalid(f"{path}.succeededIndexes", indexes, f"error parsing succeededIndexes: {fault}"))
    if count is None:
        return found
    at = f"{path}.succeededCount"
    found += not_negative(at, count)
    if count > completions:
        why = f"must be less than or equal to {completions} (the number of specified completions)"
        found.append(invalid(at, count, why))
    if indexes is not None and count > total:
        why = f"must be less than or equal to {total} (the number of indexes in the specified succeededIndexes field)"
        found.append(invalid(at, count, why))
    return found


_TWO_PARTS = "violates the requirement that an index interval can have at most two parts separated by '-'"


def count_indexes(text: str, completions: int) -> tuple[int, str]:
    """`1,3-5` -> (how many, ""); or (0, what is wrong with it)."""
    total, last = 0, None
    for part in text.split(",") if text else ():
        ends = part.split("-")
        if len(ends) > 2:
            return 0, f'the fragment "{part}" {_TWO_PARTS}'
        numbers = []
        for end in ends:
            if not end.isascii() or not end.isdigit():
                return 0, f'cannot convert string to integer for index: "{end}"'
            numbers.append(bounded(end))
            if numbers[-1] >= completions:
                return 0, f'too large index: "{end}"'
        if last is not None and last >= numbers[0]:
            return 0, f"non-increasing order, previous: {last}, current: {numbers[0]}"
        if len(numbers) == 2 and numbers[0] >= numbers[1]:
            return 0, f"non-increasing order, previous: {numbers[0]}, current: {numbers[1]}"
        total += numbers[-1] - numbers[0] + 1
        last = numbers[-1]
    return total, ""
