"""What becomes of a CustomResourceDefinition: the names that it gets, whether it is served, who approved its group."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import urlsplit

from apiserver.field import FieldError, invalid, required
from apiserver.kinds.kind import Object

APPROVAL = "api-approved.kubernetes.io"
CONFORMANT = "KubernetesAPIApprovalPolicyConformant"
_SEE = "see https://github.com/kubernetes/enhancements/pull/1111"
Fault = tuple[str, str]
"""The reason and the message of a condition that is False."""


def condition(definition: Object, name: str) -> bool:
    """Whether a condition of the definition is True."""
    found = (definition.get("status") or {}).get("conditions") or ()
    return any(c.get("type") == name and c.get("status") == "True" for c in found)


def set_condition(status: Object, name: str, value: str, reason: str, message: str, now: str) -> None:
    """Add or replace a condition; its time moves when its status does."""
    conditions = status.get("conditions") or []
    known = next((c for c in conditions if c.get("type") == name), None)
    entry = {
        "type": name,
        "status": value,
        "lastTransitionTime": known["lastTransitionTime"] if known and known.get("status") == value else now,
        "reason": reason,
        "message": message,
    }
    if known is None:
        status["conditions"] = [*conditions, entry]
    else:
        status["conditions"] = [entry if c is known else c for c in conditions]


def settled(definition: Object, group: Iterable[Object], now: str) -> Object:
    """The status of a definition among those of its group, itself included: it keeps and gets the names that nobody
    else has, and is established once it has had all of them."""
    status = dict(definition.get("status") or {})
    status["acceptedNames"], fault = _accepted(definition["spec"]["names"], status.get("acceptedNames") or {}, group)
    established = condition(definition, "Established")
    if fault:
        set_condition(status, "NamesAccepted", "False", *fault, now)
        if not established:
            set_condition(status, "Established", "False", "NotAccepted", "not all names are accepted", now)
    else:
        set_condition(status, "NamesAccepted", "True", "NoConflicts", "no conflicts found", now)
        if not established:
            text = "the initial names have been accepted"
            set_condition(status, "Established", "True", "InitialNamesAccepted", text, now)
    if protected(definition["spec"].get("group", "")):
        state, reason, message = approval(definition)
        set_condition(status, CONFORMANT, "True" if state == "approved" else "False", reason, message, now)
    return status


def _accepted(wanted: Object, had: Object, group: Iterable[Object]) -> tuple[Object, Fault | None]:
    """The names it has from now on, and the last of the conflicts."""
    taken: dict[str, set[str]] = {"plural": set(), "kind": set()}
    for other in group:
        names = (other.get("status") or {}).get("acceptedNames") or {}
        taken["plural"] |= {names.get("plural", ""), names.get("singular", ""), *(names.get("shortNames") or ())}
        taken["kind"] |= {names.get("kind", ""), names.get("listKind", "")}
    found: Object = {"plural": "", "kind": "", **had}
    fault: Fault | None = None
    for name, space in (
        ("plural", "plural"),
        ("singular", "plural"),
        ("shortNames", ""),
        ("kind", "kind"),
        ("listKind", "kind"),
    ):
        if name == "shortNames":
            mine = had.get(name) or []
            used = [short for short in wanted.get(name) or () if short not in mine and short in taken["plural"]]
        else:
            value = wanted.get(name, "")
            used = [value] if value != had.get(name, "") and value in taken[space] else []
        if used:
            texts = [f'"{one}" is already in use' for one in used]
            fault = _reason(name), texts[0] if len(texts) == 1 else f"[{', '.join(dict.fromkeys(texts))}]"
        else:
            _take(found, wanted, name)
    _take(found, wanted, "categories")
    return found, fault


def _reason(name: str) -> str:
    return f"{name[0].upper()}{name[1:]}Conflict"


def _take(into: Object, names: Object, name: str) -> None:
    if names.get(name):
        into[name] = names[name]
    elif name not in ("plural", "kind"):
        into.pop(name, None)


def protected(group: str) -> bool:
    """Whether the group belongs to the Kubernetes community."""
    return group in ("k8s.io", "kubernetes.io") or group.endswith((".k8s.io", ".kubernetes.io"))


def approval(definition: Object) -> tuple[str, str, str]:
    """What the annotation says of a definition of a protected group: approved, bypassed, missing or invalid; with the
    reason and the message of the condition (KEP-1111)."""
    stated = (definition["metadata"].get("annotations") or {}).get(APPROVAL, "")
    if not stated:
        why = f'protected groups must have approval annotation "{APPROVAL}", {_SEE}'
        return "missing", "MissingAnnotation", why
    if stated.startswith("unapproved"):
        return "bypassed", "UnapprovedAPI", f'not approved: "{stated}"'
    try:
        url = urlsplit(stated)
    except ValueError:
        url = urlsplit("")
    if url.scheme and url.netloc:
        return "approved", "ApprovedAnnotation", f"approved in {stated}"
    why = (
        f'protected groups must have approval annotation "{APPROVAL}" with either a URL or a reason starting with '
        f'"unapproved", {_SEE}'
    )
    return "invalid", "InvalidAnnotation", why


def approval_faults(obj: Object, old: Object | None) -> list[FieldError]:
    """A definition of a protected group says who approved it; what it said before may stay."""
    if not protected(obj["spec"].get("group", "")):
        return []
    state, _, message = approval(obj)
    if old is not None and approval(old)[0] == state:
        return []
    path = f"metadata.annotations[{APPROVAL}]"
    if state == "missing":
        return [required(path, message)]
    if state == "invalid":
        return [invalid(path, obj["metadata"]["annotations"][APPROVAL], message)]
    return []
