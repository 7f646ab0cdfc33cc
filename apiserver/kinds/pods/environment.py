"""Environment variables of containers."""

from __future__ import annotations

from typing import Any

from apiserver import validation as rules
from apiserver.field import FieldError, invalid, not_found, required
from apiserver.kinds.kind import Object
from apiserver.kinds.pods.checks import each, local_path, named, needs
from apiserver.kinds.pods.references import ENV_FIELDS, field_selector, resource_selector

_SOURCES = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"
_SEVERAL = "may not have more than one field specified at a time"


def variables(items: Any, path: str) -> list[FieldError]:
    """env."""
    found: list[FieldError] = []
    for index, item in enumerate(items):
        at = f"{path}[{index}]"
        found += named(f"{at}.name", item.get("name"), rules.env_var_name)
        if item.get("valueFrom") is not None:
            found += _value_from(item, f"{at}.valueFrom")
    return found


def _value_from(item: Object, path: str) -> list[FieldError]:
    source = item["valueFrom"]
    found: list[FieldError] = []
    count = 0
    for name, check in _CHECKS.items():
        if source.get(name) is not None:
            count += 1
            found += check(source[name], f"{path}.{name}")
    if not count:
        found.append(invalid(path, "", _SOURCES))
    elif item.get("value"):
        found.append(invalid(path, "", "may not be specified when `value` is not empty"))
    elif count > 1:
        found.append(invalid(path, "", _SEVERAL))
    return found


def _key(reference: Object, path: str) -> list[FieldError]:
    name = reference.get("name", "")
    found = each(f"{path}.name", name, rules.dns1123_subdomain(name))
    return found + named(f"{path}.key", reference.get("key"), rules.config_map_key)


def _file(reference: Object, path: str) -> list[FieldError]:
    found = named(f"{path}.volumeName", reference.get("volumeName"), rules.dns1123_label)
    found += needs(reference, path, "path") + local_path(f"{path}.path", reference.get("path", ""))
    return found + named(f"{path}.key", reference.get("key"), rules.env_var_name)


def file_volumes(spec: Object, path: str) -> list[FieldError]:
    """The volumes that variables are read from: empty directories of the pod (KEP-3721)."""
    volumes = {volume.get("name"): volume for volume in spec.get("volumes") or ()}
    found: list[FieldError] = []
    for name in ("initContainers", "containers", "ephemeralContainers"):
        for index, container in enumerate(spec.get(name) or ()):
            for place, variable in enumerate(container.get("env") or ()):
                reference = (variable.get("valueFrom") or {}).get("fileKeyRef")
                if reference is not None:
                    at = f"{path}.{name}[{index}].env[{place}].valueFrom.fileKeyRef.volumeName"
                    found += _empty_directory(reference.get("volumeName", ""), volumes, at)
    return found


def _empty_directory(name: str, volumes: dict[str, Object], path: str) -> list[FieldError]:
    if name not in volumes:
        return [not_found(path, name)]
    if volumes[name].get("emptyDir") is None:
        return [invalid(path, name, "referenced volume must be of type emptyDir")]
    return []


_CHECKS = {
    "fieldRef": lambda value, path: field_selector(value, ENV_FIELDS, path),
    "resourceFieldRef": resource_selector,
    "configMapKeyRef": _key,
    "secretKeyRef": _key,
    "fileKeyRef": _file,
}


def variables_from(items: Any, path: str) -> list[FieldError]:
    """envFrom. What is wrong with the number of sources is reported on the list, as the real server does."""
    found: list[FieldError] = []
    for index, item in enumerate(items):
        at, prefix = f"{path}[{index}]", item.get("prefix", "")
        if prefix:
            found += each(f"{at}.prefix", prefix, rules.env_var_name(prefix))
        given = [name for name in ("configMapRef", "secretRef") if item.get(name) is not None]
        for name in given:
            found += _reference(item[name], f"{at}.{name}")
        if not given:
            found.append(invalid(path, "", "must specify one of: `configMapRef` or `secretRef`"))
        elif len(given) > 1:
            found.append(invalid(path, "", _SEVERAL))
    return found


def _reference(reference: Object, path: str) -> list[FieldError]:
    name = reference.get("name", "")
    if not name:
        return [required(f"{path}.name")]
    return each(f"{path}.name", name, rules.dns1123_subdomain(name, prefix=True))
