"""The rules of metadata, whatever the kind (apimachinery's `pkg/api/validation/objectmeta.go`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from apiserver import validation as rules
from apiserver.field import FieldError, forbidden, immutable, invalid, required

NameRule = Callable[[str, bool], list[str]]


def object_meta(
    meta: Mapping[str, Any], namespaced: bool, name_rule: NameRule, path: str = "metadata", *, built_in: bool = True
) -> list[FieldError]:
    """ValidateObjectMeta, and for kinds that are `built_in` what the finalizers of those may be."""
    found: list[FieldError] = []
    prefix, name = meta.get("generateName"), meta.get("name")
    if prefix:
        found += [invalid(f"{path}.generateName", prefix, text) for text in name_rule(prefix, True)]
    if not name:
        found.append(required(f"{path}.name", "name or generateName is required"))
    else:
        found += [invalid(f"{path}.name", name, text) for text in name_rule(name, False)]
    if namespaced and not meta.get("namespace"):
        found.append(required(f"{path}.namespace"))
    elif not namespaced and meta.get("namespace"):
        found.append(forbidden(f"{path}.namespace", "not allowed on this type"))
    if meta.get("generation", 0) < 0:
        found.append(invalid(f"{path}.generation", meta["generation"], "must be greater than or equal to 0"))
    found += labels_and_owners(meta, path)
    names = meta.get("finalizers") or ()
    found += finalizers(names, f"{path}.finalizers")
    return found + own_finalizers(names, f"{path}.finalizers") if built_in else found


def labels_and_owners(meta: Mapping[str, Any], path: str) -> list[FieldError]:
    """Labels, annotations and owner references: what a change of metadata is judged by as a new object is."""
    found = rules.labels(meta.get("labels"), f"{path}.labels")
    found += rules.annotations(meta.get("annotations"), f"{path}.annotations")
    return found + owner_references(meta.get("ownerReferences") or (), f"{path}.ownerReferences")


_JUDGED = "name namespace generateName generation labels annotations ownerReferences finalizers".split()


def changed_meta(
    new: Mapping[str, Any],
    old: Mapping[str, Any],
    namespaced: bool,
    name_rule: NameRule,
    again: int,
    *,
    built_in: bool = True,
) -> list[FieldError]:
    """What is wrong with an update's metadata. The real server judges it for every kind (rest.BeforeUpdate: the object,
    then the change) and then in the kind's own validation (the change, and `again` times the object), so causes are
    told as often."""
    frozen = object_meta_update(new, old)
    # what nobody has touched was judged when it was written
    if all(new.get(name) == old.get(name) for name in _JUDGED):
        return frozen * 2
    names = new.get("finalizers") or ()
    every = object_meta(new, namespaced, name_rule, built_in=False)
    change = frozen + labels_and_owners(new, "metadata")
    own = own_finalizers(names, "metadata.finalizers") if built_in else []
    return every + change + change + own + (every + own) * again


_BANNED_OWNERS = frozenset({("v1", "Event")})


def owner_references(references: Any, path: str) -> list[FieldError]:
    """ValidateOwnerReferences. Causes do not say which of the references they are about."""
    found: list[FieldError] = []
    controller = ""
    for reference in references:
        found += _owner_reference(reference, path)
        if not reference.get("controller"):
            continue
        name = f"{reference.get('kind', '')}/{reference.get('name', '')}"
        if controller:
            why = "Only one reference can have Controller set to true. "
            why += f'Found "true" in references for {controller} and {name}'
            found.append(invalid(path, [_in_order(item) for item in references], why))
        controller = controller or name
    return found


def _owner_reference(reference: Mapping[str, Any], path: str) -> list[FieldError]:
    found: list[FieldError] = []
    version = reference.get("apiVersion", "")
    group, _, number = version.rpartition("/")
    if not number or "/" in group:  # which is no group and version
        found.append(invalid(f"{path}.apiVersion", version, "version must not be empty"))
    for key in ("kind", "name", "uid"):
        if not reference.get(key):
            found.append(invalid(f"{path}.{key}", reference.get(key, ""), "must not be empty"))
    if (version, reference.get("kind")) in _BANNED_OWNERS:
        text = f"{group}/{number}, Kind={reference['kind']} is disallowed from being an owner"
        found.append(invalid(path, _in_order(reference), text))
    return found


_OWNER_FIELDS = ("apiVersion", "kind", "name", "uid")


def _in_order(reference: Mapping[str, Any]) -> dict[str, Any]:
    """An owner reference as Go prints it: its fields in the order of the type, those that are required always."""
    optional = {name: reference[name] for name in ("controller", "blockOwnerDeletion") if name in reference}
    return {name: reference.get(name, "") for name in _OWNER_FIELDS} | optional


STANDARD_FINALIZERS = frozenset({"kubernetes", "orphan", "foregroundDeletion"})


def finalizers(names: Any, path: str) -> list[FieldError]:
    found: list[FieldError] = []
    for name in names:
        found += [invalid(path, name, text) for text in rules.qualified_name(name)]
    if "orphan" in names and "foregroundDeletion" in names:
        found.append(invalid(path, list(names), "finalizer orphan and foregroundDeletion cannot be both set"))
    return found


def own_finalizers(names: Any, path: str) -> list[FieldError]:
    """Names without a domain are Kubernetes' own; only kinds that are built in are held to it."""
    return [fault for index, name in enumerate(names) for fault in own_finalizer(name, f"{path}[{index}]")]


def own_finalizer(name: str, path: str) -> list[FieldError]:
    """Of one such name."""
    if "/" in name or name in STANDARD_FINALIZERS:
        return []
    return [invalid(path, name, "name is neither a standard finalizer name nor is it fully qualified")]


def object_meta_update(new: Mapping[str, Any], old: Mapping[str, Any], path: str = "metadata") -> list[FieldError]:
    """ValidateObjectMetaUpdate: what never changes."""
    found: list[FieldError] = []
    if old.get("deletionTimestamp"):
        added = [name for name in new.get("finalizers") or () if name not in (old.get("finalizers") or ())]
        if added:
            shown = "[]string{" + ", ".join(f'"{name}"' for name in sorted(added)) + "}"
            why = f"no new finalizers can be added if the object is being deleted, found new finalizers {shown}"
            found.append(forbidden(f"{path}.finalizers", why))
    if new.get("generation", 0) < old.get("generation", 0):
        found.append(invalid(f"{path}.generation", new.get("generation", 0), "must not be decremented"))
    for key in ("name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"):
        if new.get(key) != old.get(key):
            found.append(immutable(f"{path}.{key}", new.get(key)))
    return found
