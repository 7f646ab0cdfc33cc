"""apiregistration.k8s.io/v1: APIService."""

from __future__ import annotations

import base64

from apiserver import validation as rules
from apiserver.field import FieldError, invalid, required
from apiserver.kinds.clientconfig import default_client_config
from apiserver.kinds.kind import Column, Context, Kind, Object, Strategy
from apiserver.kinds.strategies import STATUS_ONLY
from apiserver.table import AGE


class APIServiceStrategy(Strategy):
    """APIService."""

    unconditional_update = False
    built_in = False

    def default(self, obj: Object) -> None:
        default_client_config(obj.get("spec"))

    def validate_name(self, name: str, prefix: bool = False) -> list[str]:
        return rules.path_segment(name)

    def validate(self, obj: Object, context: Context) -> list[FieldError]:
        spec, name = obj.get("spec") or {}, obj["metadata"].get("name", "")
        group, version = spec.get("group", ""), spec.get("version", "")
        wanted = f"{version}.{group}"
        why = f'must be `spec.version+"."+spec.group`: "{wanted}"'
        found = [] if name == wanted else [invalid("metadata.name", name, why)]
        if not group and version != "v1":
            found.append(required("spec.group", "only v1 may have an empty group and it better be legacy kube"))
        found += [invalid("spec.group", group, text) for text in (rules.dns1123_subdomain(group) if group else ())]
        found += [invalid("spec.version", version, text) for text in rules.dns1035_label(version)]
        for field, limit in (("groupPriorityMinimum", 20000), ("versionPriority", 1000)):
            value = spec.get(field, 0)
            if not 0 < value <= limit:
                found.append(invalid(f"spec.{field}", value, f"must be positive and less than {limit}"))
        return found + _service_faults(spec)

    def validate_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        return self.validate(obj, context)


def _service_faults(spec: Object) -> list[FieldError]:
    service, bundle, insecure = spec.get("service"), spec.get("caBundle"), spec.get("insecureSkipTLSVerify")
    found: list[FieldError] = []
    if service is None:
        if bundle:
            size = f"{len(base64.b64decode(bundle))} bytes"
            found.append(invalid("spec.caBundle", size, "local APIServices may not have a caBundle"))
        if insecure:
            why = "local APIServices may not have insecureSkipTLSVerify"
            found.append(invalid("spec.insecureSkipTLSVerify", insecure, why))
        return found
    found += [required(f"spec.service.{name}") for name in ("namespace", "name") if not service.get(name)]
    if insecure and bundle:
        found.append(invalid("spec.insecureSkipTLSVerify", insecure, "may not be true if caBundle is present"))
    return found


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
        APIServiceStrategy(),
        categories=("api-extensions",),
        columns=(Column("Service", _service), Column("Available", _available), AGE),
        subresources=STATUS_ONLY,
    ),
)
