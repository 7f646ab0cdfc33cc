"""scheduling.k8s.io/v1: PriorityClass."""

from __future__ import annotations

from apiserver.kinds.kind import Column, Kind
from apiserver.kinds.strategies import Counted
from apiserver.kinds.workload_columns import at, count, yes
from apiserver.table import AGE

KINDS: tuple[Kind, ...] = (
    Kind(
        "scheduling.k8s.io",
        "v1",
        "PriorityClass",
        "priorityclasses",
        False,
        Counted(),
        short_names=("pc",),
        columns=(
            Column("Value", count("value"), type="integer"),
            Column("Global-Default", yes("globalDefault"), type="boolean"),
            AGE,
            Column("PreemptionPolicy", at("preemptionPolicy", default="")),
        ),
    ),
)
