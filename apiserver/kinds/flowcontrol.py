"""flowcontrol.apiserver.k8s.io/v1: FlowSchema and PriorityLevelConfiguration."""

from __future__ import annotations

from typing import Any

from apiserver.kinds.flowcontrol_rules import FlowSchemaStrategy, PriorityLevelStrategy
from apiserver.kinds.kind import Column, Kind, Object
from apiserver.kinds.strategies import STATUS_ONLY
from apiserver.kinds.workload_columns import at, count
from apiserver.table import AGE

FLOW = "flowcontrol.apiserver.k8s.io"


def _limited(field: str) -> Any:
    def value(obj: Object) -> Any:
        limited = (obj.get("spec") or {}).get("limited") or {}
        queuing = (limited.get("limitResponse") or {}).get("queuing") or {}
        source = limited if field == "nominalConcurrencyShares" else queuing
        return source.get(field, "<none>")

    return value


def _precedence(obj: Object) -> tuple[int, str]:
    """Flow schemas are shown in the order in which they are tried."""
    return count("spec", "matchingPrecedence")(obj), obj["metadata"]["name"]


def _missing_level(obj: Object) -> str:
    conditions = (obj.get("status") or {}).get("conditions") or ()
    return next((c.get("status", "?") for c in conditions if c.get("type") == "Dangling"), "?")


KINDS: tuple[Kind, ...] = (
    Kind(
        FLOW,
        "v1",
        "FlowSchema",
        "flowschemas",
        False,
        FlowSchemaStrategy(),
        since=29,
        subresources=STATUS_ONLY,
        columns=(
            Column("PriorityLevel", at("spec", "priorityLevelConfiguration", "name", default="")),
            Column("MatchingPrecedence", count("spec", "matchingPrecedence")),
            Column("DistinguisherMethod", at("spec", "distinguisherMethod", "type", default="<none>")),
            AGE,
            Column("MissingPL", _missing_level),
        ),
        row_order=_precedence,
    ),
    Kind(
        FLOW,
        "v1",
        "PriorityLevelConfiguration",
        "prioritylevelconfigurations",
        False,
        PriorityLevelStrategy(),
        since=29,
        subresources=STATUS_ONLY,
        columns=(
            Column("Type", at("spec", "type", default="")),
            Column("NominalConcurrencyShares", _limited("nominalConcurrencyShares")),
            Column("Queues", _limited("queues")),
            Column("HandSize", _limited("handSize")),
            Column("QueueLengthLimit", _limited("queueLengthLimit")),
            AGE,
        ),
    ),
)
