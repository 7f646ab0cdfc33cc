"""References to fields and resources of the pod itself (the downward API), in variables and in volumes."""

from __future__ import annotations

import re

from apiserver.field import FieldError, invalid, not_supported, required
from apiserver.kinds.kind import Object
from apiserver.kinds.pods.checks import each
from apiserver.validation import qualified_name
from miniplane.apimachinery.quantity import Quantity

ENV_FIELDS = (
    "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName", "status.hostIP",
    "status.hostIPs", "status.podIP", "status.podIPs",
)  # fmt: skip
VOLUME_FIELDS = ("metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid")
_CONVERTIBLE = frozenset((*ENV_FIELDS, *VOLUME_FIELDS, "spec.restartPolicy", "spec.schedulerName", "status.phase"))
_RESOURCES = (
    "limits.cpu", "limits.ephemeral-storage", "limits.memory", "requests.cpu", "requests.ephemeral-storage",
    "requests.memory",
)  # fmt: skip
_HUGE_PAGES = ("limits.hugepages-", "requests.hugepages-")
_SUBSCRIPT = re.compile(r"(.+)\['(.*)'\]")
_CPU_DIVISORS = frozenset({"1m", "1"})
_BYTE_DIVISORS = ("1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei")
_DIVIDED = {"memory": "memory", "ephemeral-storage": "local ephemeral storage"}


def field_selector(reference: Object, fields: tuple[str, ...], path: str) -> list[FieldError]:
    """An ObjectFieldSelector; `fields` are those that may be shown here."""
    version, wanted = reference.get("apiVersion", ""), reference.get("fieldPath", "")
    if not version:
        return [required(f"{path}.apiVersion")]
    if not wanted:
        return [required(f"{path}.fieldPath")]
    if version != "v1":
        return [invalid(f"{path}.fieldPath", wanted, f"error converting fieldPath: unsupported pod version: {version}")]
    subscripted = _SUBSCRIPT.fullmatch(wanted)
    name = subscripted[1] if subscripted else {"spec.host": "spec.nodeName"}.get(wanted, wanted)
    convertible = VOLUME_FIELDS[:2] if subscripted else _CONVERTIBLE
    if name not in convertible:
        why = f"error converting fieldPath: field label not supported: {wanted}"
        if subscripted:
            why = f"error converting fieldPath: field label does not support subscript: {wanted}"
        return [invalid(f"{path}.fieldPath", wanted, why)]
    if subscripted:
        key = subscripted[2].lower() if name == "metadata.annotations" else subscripted[2]
        return each(path, key, qualified_name(key))
    return [] if name in fields else [not_supported(f"{path}.fieldPath", name, fields)]


def resource_selector(reference: Object, path: str, *, volume: bool = False) -> list[FieldError]:
    """A ResourceFieldSelector; in a volume it must name its container."""
    name = reference.get("resource", "")
    found: list[FieldError] = []
    if volume and not reference.get("containerName"):
        found.append(required(f"{path}.containerName"))
    elif not name:
        found.append(required(f"{path}.resource"))
    elif name not in _RESOURCES and not name.startswith(_HUGE_PAGES):
        found.append(not_supported(f"{path}.resource", name, _RESOURCES))
    return found + _divisor(name, reference.get("divisor", "0"), path)


def _divisor(name: str, divisor: str, path: str) -> list[FieldError]:
    value = Quantity.parse(divisor)
    if not value.amount:
        return []
    shown, kind = value.canonical(), name.partition(".")[2]
    if kind == "cpu":
        if shown in _CPU_DIVISORS:
            return []
        return [invalid(f"{path}.divisor", name, "only divisor's values 1m and 1 are supported with the cpu resource")]
    what = "hugepages" if name.startswith(_HUGE_PAGES) else _DIVIDED.get(kind)
    if what is None or shown in _BYTE_DIVISORS:
        return []
    listed = ", ".join(_BYTE_DIVISORS)
    return [invalid(f"{path}.divisor", name, f"only divisor's values {listed} are supported with the {what} resource")]
