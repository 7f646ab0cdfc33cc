"""Policies of Jobs as the internal Go types print them in errors."""

from __future__ import annotations

from typing import Any

from apiserver.kinds.kind import Object


def shown(name: str, value: Any) -> Any:
    """A fixed field as the internal Go type is shown in errors."""
    if value is None or name not in ("podFailurePolicy", "successPolicy"):
        return value
    rule_shown = _failure_rule if name == "podFailurePolicy" else _success_rule
    return {"Rules": [rule_shown(rule) for rule in value.get("rules") or ()] or None}


def _failure_rule(rule: Object) -> Object:
    codes, patterns = rule.get("onExitCodes"), rule.get("onPodConditions") or ()
    return {
        "Action": rule.get("action", ""),
        "OnExitCodes": codes
        and {
            "ContainerName": codes.get("containerName"),
            "Operator": codes.get("operator", ""),
            "Values": codes.get("values"),
        },
        "OnPodConditions": [{"Type": one.get("type", ""), "Status": one.get("status", "")} for one in patterns] or None,
    }


def _success_rule(rule: Object) -> Object:
    return {"SucceededIndexes": rule.get("succeededIndexes"), "SucceededCount": rule.get("succeededCount")}
