"""apiregistration.k8s.io/v1: APIService."""

from __future__ import annotations

from apiserver.kinds.kind import Column, Kind, Object, Strategy
from apiserver.kinds.strategies import STATUS_ONLY
from apiserver.table import AGE


def _service(obj: Object) -> str:
    service = (obj.get("spec") or {}).get("service")
    return f"{service.get('namespace')}/{service.get('name')}" if service else "Local"


def _available(obj: Object) -> str:
    for condition in (obj.get("status") or {}).get("conditions") or ():
        if condition.get("type") == "Available":
            status = str(condition.get("status"))
            return status if status == "True" else f"{status} ({condition.get('reason')})"
    return ""


KINDS: tuple[Kind, ...] = (
    Kind(
        "apiregistration.k8s.io",
        "v1",
        "APIService",
        "apiservices",
        False,
        Strategy(),
        categories=("api-extensions",),
        columns=(Column("Service", _service), Column("Available", _available), AGE),
        subresources=STATUS_ONLY,
    ),
)
