"""Annotations that once were a pod's fields: seccomp, AppArmor, tolerations, deletion cost, mirror pods."""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from apiserver.field import FieldError, forbidden, invalid
from apiserver.gojson import explain
from apiserver.kinds.kind import Object
from apiserver.kinds.pods.checks import descending_path
from apiserver.kinds.pods.scheduling import tolerations
from apiserver.kinds.pods.security import containers

MIRROR = "kubernetes.io/config.mirror"
DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
TOLERATIONS = "scheduler.alpha.kubernetes.io/tolerations"
SECCOMP_POD = "seccomp.security.alpha.kubernetes.io/pod"
SECCOMP_CONTAINER = "container.seccomp.security.alpha.kubernetes.io/"
APP_ARMOR = "container.apparmor.security.beta.kubernetes.io/"
_SECCOMP_NAMES = ("runtime/default", "docker/default", "unconfined")
_APP_ARMOR_NAMES = ("", "runtime/default", "unconfined")
LOCALHOST = "localhost/"
Notes = Mapping[str, str]


def validate(notes: Notes, spec: Object, path: str) -> list[FieldError]:
    """The annotations of a pod or template."""
    found: list[FieldError] = []
    if MIRROR in notes and not spec.get("nodeName"):
        why = "must set spec.nodeName if mirror pod annotation is set"
        found.append(invalid(f"{path}[{MIRROR}]", notes[MIRROR], why))
    if notes.get(TOLERATIONS):
        found += _tolerations(notes[TOLERATIONS], path)
    if DELETION_COST in notes and not _is_cost(notes[DELETION_COST]):
        found.append(invalid(f"{path}[{DELETION_COST}]", notes[DELETION_COST], "must be a 32bit integer"))
    for key in (SECCOMP_POD, *sorted(key for key in notes if key.startswith(SECCOMP_CONTAINER))):
        if key in notes:
            found += _seccomp(notes[key], f"{path}.{key}")
    for key in sorted(key for key in notes if key.startswith(APP_ARMOR)):
        found += _app_armor(key, notes[key], spec, f"{path}[{key}]")
    return found


def _tolerations(text: str, path: str) -> list[FieldError]:
    try:
        items = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        return [invalid(path, TOLERATIONS, explain(text.encode()) or str(error))]
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        return [invalid(path, TOLERATIONS, "json: cannot unmarshal into Go value of type []core.Toleration")]
    return tolerations(items, f"{path}.{TOLERATIONS}")


def _is_cost(text: str) -> bool:
    """An int32 without a plus sign or leading zeros."""
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit()) or (len(digits) > 1 and digits[0] == "0"):
        return False
    return len(digits) <= 10 and -(2**31) <= int(text) < 2**31


def _seccomp(profile: str, path: str) -> list[FieldError]:
    if profile in _SECCOMP_NAMES:
        return []
    if profile.startswith(LOCALHOST):
        return descending_path(path, profile.removeprefix(LOCALHOST))
    return [invalid(path, profile, "must be a valid seccomp profile")]


def _app_armor(key: str, profile: str, spec: Object, path: str) -> list[FieldError]:
    name = key.removeprefix(APP_ARMOR)
    found: list[FieldError] = []
    if all(container.get("name") != name for container, _ in containers(spec, "spec")):
        found.append(invalid(path, name, "container not found"))
    if profile not in _APP_ARMOR_NAMES and not profile.startswith(LOCALHOST):
        found.append(invalid(path, profile, f'invalid AppArmor profile name: "{profile}"'))
    return found


def validate_update(new: Notes, old: Notes, spec: Object) -> list[FieldError]:
    """What may not come, go or change, and the new annotations by themselves."""
    path = "metadata.annotations"
    found: list[FieldError] = []
    for key in sorted(old):
        if new.get(key) != old[key] and key.startswith(APP_ARMOR):
            found.append(forbidden(f"{path}[{key}]", "may not remove or update AppArmor annotations"))
        if new.get(key) != old[key] and key == MIRROR:
            found.append(forbidden(f"{path}[{key}]", "may not remove or update mirror pod annotation"))
    for key in sorted(set(new) - set(old)):
        if key.startswith(APP_ARMOR):
            found.append(forbidden(f"{path}[{key}]", "may not add AppArmor annotations"))
        if key == MIRROR:
            found.append(forbidden(f"{path}[{key}]", "may not add mirror pod annotation"))
    return found + validate(new, spec, path)


def seccomp_agrees(notes: Notes, spec: Object, path: str) -> list[FieldError]:
    """Annotation and field say the same where both are there."""
    pairs = [(notes.get(SECCOMP_POD), spec, path)]
    pairs += [(notes.get(SECCOMP_CONTAINER + c.get("name", "")), c, at) for c, at in containers(spec, path)]
    found: list[FieldError] = []
    for note, holder, at in pairs:
        profile = (holder.get("securityContext") or {}).get("seccompProfile")
        if note is not None and profile is not None:
            defaults = ("runtime/default", "docker/default")
            found += _agrees(note, profile, f"{at}.securityContext.seccompProfile", "seccomp", defaults)
    return found


def app_armor_agrees(notes: Notes, spec: Object, path: str) -> list[FieldError]:
    """The same for AppArmor; a container without a field takes the pod's."""
    if (spec.get("os") or {}).get("name") == "windows":
        return []
    shared = (spec.get("securityContext") or {}).get("appArmorProfile")
    found: list[FieldError] = []
    for container, at in containers(spec, path):
        profile = (container.get("securityContext") or {}).get("appArmorProfile") or shared
        note = notes.get(APP_ARMOR + container.get("name", ""))
        if note is not None and profile is not None:
            where = f"{at}.securityContext.appArmorProfile"
            found += _agrees(note, profile, where, "apparmor", ("runtime/default",))
    return found


def _agrees(note: str, profile: Object, path: str, what: str, defaults: tuple[str, ...]) -> list[FieldError]:
    kind, local = profile.get("type"), profile.get("localhostProfile")
    expected = {"Unconfined": ("unconfined",), "RuntimeDefault": defaults}.get(kind or "")
    differs = forbidden(f"{path}.type", f"{what} type in annotation and field must match")
    if expected is not None:
        return [] if note in expected else [differs]
    if kind != "Localhost":
        return []
    if not note.startswith(LOCALHOST):
        return [differs]
    if local is None or note.removeprefix(LOCALHOST) != local:
        return [forbidden(f"{path}.localhostProfile", f"{what} profile in annotation and field must match")]
    return []
