"""resource.k8s.io/v1: device classes, claims and slices (dynamic resource allocation, KEP-4381)."""

from __future__ import annotations

from apiserver.kinds.device_claims import ClaimStrategy, ClaimTemplateStrategy, DeviceClassStrategy
from apiserver.kinds.device_slices import SliceStrategy
from apiserver.kinds.kind import Column, Kind, Object
from apiserver.kinds.strategies import STATUS_ONLY
from apiserver.kinds.workload_columns import at
from apiserver.table import AGE


def _claim_state(obj: Object) -> str:
    status = obj.get("status") or {}
    states = []
    if obj["metadata"].get("deletionTimestamp"):
        states.append("deleted")
    if status.get("allocation"):
        states.append("allocated")
    if status.get("reservedFor"):
        states.append("reserved")
    return ",".join(states) if states else "pending"


KINDS: tuple[Kind, ...] = (
    Kind(
        "resource.k8s.io", "v1", "DeviceClass", "deviceclasses", False, DeviceClassStrategy(), since=34, columns=(AGE,)
    ),
    Kind(
        "resource.k8s.io",
        "v1",
        "ResourceClaim",
        "resourceclaims",
        True,
        ClaimStrategy(),
        since=34,
        subresources=STATUS_ONLY,
        columns=(Column("State", _claim_state), AGE),
    ),
    Kind(
        "resource.k8s.io",
        "v1",
        "ResourceClaimTemplate",
        "resourceclaimtemplates",
        True,
        ClaimTemplateStrategy(),
        since=34,
        columns=(AGE,),
    ),
    Kind(
        "resource.k8s.io",
        "v1",
        "ResourceSlice",
        "resourceslices",
        False,
        SliceStrategy(),
        since=34,
        selectable_fields=("spec.driver", "spec.nodeName"),
        columns=(
            Column("Node", at("spec", "nodeName", default="")),
            Column("Driver", at("spec", "driver", default="")),
            Column("Pool", at("spec", "pool", "name", default="")),
            AGE,
        ),
    ),
)
