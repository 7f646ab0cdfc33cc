"""node.k8s.io/v1: RuntimeClass."""

from __future__ import annotations

from apiserver.kinds.kind import Column, Kind
from apiserver.kinds.strategies import Free
from apiserver.kinds.workload_columns import at
from apiserver.table import AGE

KINDS: tuple[Kind, ...] = (
    Kind(
        "node.k8s.io",
        "v1",
        "RuntimeClass",
        "runtimeclasses",
        False,
        Free(),
        columns=(Column("Handler", at("handler", default="")), AGE),
    ),
)
