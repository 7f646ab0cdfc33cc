"""Volumes made of files: keys of configuration, the downward API, tokens, and projections of several of them."""

from __future__ import annotations

from apiserver import validation as rules
from apiserver.field import FieldError, forbidden, invalid, required
from apiserver.kinds.kind import Object
from apiserver.kinds.pods.checks import Scope, file_mode, local_path, needs
from apiserver.kinds.pods.references import VOLUME_FIELDS, field_selector, resource_selector

SHORTEST_TOKEN, LONGEST_TOKEN = 600, 1 << 32


def keys_to_paths(source: Object, path: str) -> list[FieldError]:
    """The items of a ConfigMap or Secret."""
    found: list[FieldError] = []
    for index, item in enumerate(source.get("items") or ()):
        found += _key_at(item, f"{path}.items[{index}]")
    return found


def _key_at(item: Object, at: str) -> list[FieldError]:
    found = needs(item, at, "key", "path") + local_path(f"{at}.path", item.get("path", ""))
    return found + file_mode(f"{at}.mode", item.get("mode"))


def downward_api(source: Object, path: str, scope: Scope) -> list[FieldError]:
    """A DownwardAPIVolumeSource."""
    found = file_mode(f"{path}.defaultMode", source.get("defaultMode"))
    for item in source.get("items") or ():
        found += _downward_file(item, path)
    return found


def _downward_file(item: Object, path: str) -> list[FieldError]:
    found = needs(item, path, "path") + local_path(f"{path}.path", item.get("path", ""))
    field, resource = item.get("fieldRef"), item.get("resourceFieldRef")
    if field is not None:
        found += field_selector(field, VOLUME_FIELDS, f"{path}.fieldRef")
        if resource is not None:
            why = "fieldRef and resourceFieldRef can not be specified simultaneously"
            found.append(invalid(path, "resource", why))
    elif resource is not None:
        found += resource_selector(resource, f"{path}.resourceFieldRef", volume=True)
    else:
        found.append(required(path, "one of fieldRef and resourceFieldRef is required"))
    return found + file_mode(f"{path}.mode", item.get("mode"))


def projected(source: Object, path: str, scope: Scope) -> list[FieldError]:
    """A ProjectedVolumeSource: no two sources write the same path."""
    found = file_mode(f"{path}.defaultMode", source.get("defaultMode"))
    paths: set[str] = set()
    for index, item in enumerate(source.get("sources") or ()):
        found += _projection(item, path, f"{path}.sources[{index}]", paths)
        given = [name for name in PROJECTIONS if item.get(name) is not None]
        if len(given) > 1:
            why = "may not specify more than 1 volume type per source"
            found.append(forbidden(f"{path}.sources[{index}]", why))
    return found


PROJECTIONS = ("secret", "configMap", "downwardAPI", "serviceAccountToken", "clusterTrustBundle")


def _projection(item: Object, path: str, at: str, paths: set[str]) -> list[FieldError]:
    found: list[FieldError] = []
    for name in ("secret", "configMap"):
        source = item.get(name)
        if source is not None:
            found += needs(source, f"{at}.{name}", "name")
            for index, key in enumerate(source.get("items") or ()):
                found += _key_at(key, f"{at}.{name}.items[{index}]")
                found += _taken(paths, key.get("path", ""), path, source.get("name", ""))
    if item.get("downwardAPI") is not None:
        for file in item["downwardAPI"].get("items") or ():
            found += _downward_file(file, f"{at}.downwardAPI")
            found += _taken(paths, file.get("path", ""), path, file.get("path", ""))
    if item.get("serviceAccountToken") is not None:
        found += _token(item["serviceAccountToken"], path, f"{at}.serviceAccountToken")
    if item.get("clusterTrustBundle") is not None:
        found += _trust_bundle(item["clusterTrustBundle"], f"{at}.clusterTrustBundle")
        name = item["clusterTrustBundle"].get("path", "")
        found += _taken(paths, name, path, name)
    return found


def _taken(paths: set[str], wanted: str, path: str, shown: str) -> list[FieldError]:
    if wanted and wanted in paths:
        return [invalid(path, shown, "conflicting duplicate paths")]
    paths.add(wanted)
    return []


def _token(source: Object, volume: str, path: str) -> list[FieldError]:
    seconds, found = source.get("expirationSeconds", 3600), []
    if seconds < SHORTEST_TOKEN:
        found.append(invalid(f"{path}.expirationSeconds", seconds, "may not specify a duration less than 10 minutes"))
    if seconds > LONGEST_TOKEN:
        why = "may not specify a duration larger than 2^32 seconds"
        found.append(invalid(f"{path}.expirationSeconds", seconds, why))
    if not source.get("path"):
        return [*found, required(f"{volume}.path")]
    return found + local_path(f"{volume}.path", source["path"])


def _trust_bundle(source: Object, path: str) -> list[FieldError]:
    name, signer = source.get("name"), source.get("signerName")
    found: list[FieldError] = []
    if name is not None and signer is not None:
        found.append(invalid(path, source, "only one of name and signerName may be used"))
    elif name is not None:
        found += [] if name else [required(f"{path}.name", "must be a valid object name")]
        if source.get("labelSelector") is not None:
            why = "labelSelector must be unset if name is specified"
            found.append(invalid(f"{path}.labelSelector", source["labelSelector"], why))
    elif signer is not None:
        found += [] if signer else [required(f"{path}.signerName", "must be a valid signer name")]
        found += rules.label_selector(source.get("labelSelector"), f"{path}.labelSelector")
    else:
        found.append(required(path, "either name or signerName must be specified"))
    if not source.get("path"):
        found.append(required(f"{path}.path"))
    return found + local_path(f"{path}.path", source.get("path", ""))
