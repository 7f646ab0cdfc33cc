"""JSON patch (RFC 6902) with the liberties that kube-apiserver's library takes.

They differ from the RFC: `replace` of a missing key adds it, negative array indices count from the end, a missing
`value` is null, and `add` cannot replace the whole document. Every failure to apply is the same 422.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import orjson

from apiserver import errors
from apiserver.patch.gotext import JSON_SHAPES
from apiserver.patch.merge_patch import load_json
from apiserver.schema.strict import duplicate_fields
from miniplane.apimachinery.status import StatusError

if TYPE_CHECKING:
    from apiserver.kinds.kind import Object

MAX_OPERATIONS = 10_000
MAX_COPIED = 3 * 1024 * 1024
"""Bytes that `copy` operations may add up to (the real server's JSONPatchMaxCopyBytes)."""
REJECTED = "the server rejected our request due to an error in our request"
_INDEX = re.compile(r"[+-]?[0-9]{1,18}\Z")


class _Failed(Exception):
    """An operation does not apply."""


class _Document:
    """The document under change: owns its containers, and counts the bytes copied."""

    def __init__(self, doc: Any) -> None:
        self.root = doc
        self.copied = 0


_OPERATION = "handlers.jsonPatchOp"
_MEMBERS = ("op", "path", "from", "value")


def apply_json(doc: Object, patch: bytes, *, strict: bool = True) -> Any:
    """`doc` with the operations applied in order; `doc` stays as it is. Where fields are validated (`strict`) a patch
    is decoded twice, so that it meets other words.

    Raises 400 (not a list of operations), 413 (too many), 422 (an operation does not apply).
    """
    operations = _operations(patch, strict)
    document = _Document(orjson.loads(orjson.dumps(doc)))
    try:
        for operation in operations:
            _OPERATIONS.get(_text(operation, "op"), _unknown)(document, operation)
        orjson.dumps(document.root)
    except (_Failed, orjson.JSONEncodeError):  # copies can nest deeper than the encoder goes
        raise errors.unprocessable(REJECTED) from None
    return document.root


def patch_faults(patch: bytes) -> list[str]:
    """What field validation says of a JSON patch that applies: fields repeated within an operation, unknown ones."""
    found = [f"json patch {fault}" for fault in duplicate_fields(patch)]
    for index, operation in enumerate(load_json(patch) or ()):
        unknown = [name for name in operation or () if name not in _MEMBERS]
        found += [f'json patch unknown field "[{index}].{name}"' for name in unknown]
    return found


def _operations(patch: bytes, strict: bool) -> list[dict[str, Any]]:
    head = "error decoding patch: " if strict else ""
    try:
        value = load_json(patch)
    except ValueError as error:
        raise errors.bad_request(f"{head}{error}") from None
    if value is None:
        return []
    why = _misshapen(value, strict)
    if why:
        raise errors.bad_request(f"{head}json: cannot unmarshal {why}")
    if len(value) > MAX_OPERATIONS:
        why = f"The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {len(value)}"
        raise StatusError(413, "RequestEntityTooLarge", f"Request entity too large: {why}")
    return [operation or {} for operation in value]


def _misshapen(value: Any, strict: bool) -> str:
    """What of a patch is no list of operations; "" where all is well."""
    if not isinstance(value, list):
        return f"{JSON_SHAPES[type(value)]} into Go value of type {f'[]{_OPERATION}' if strict else 'jsonpatch.Patch'}"
    for operation in value:
        if operation is not None and not isinstance(operation, dict):
            target = _OPERATION if strict else "jsonpatch.Operation"
            return f"{JSON_SHAPES[type(operation)]} into Go value of type {target}"
        for name in ("op", "path", "from") if strict else ():
            member = (operation or {}).get(name)
            if member is not None and not isinstance(member, str):
                return f"{JSON_SHAPES[type(member)]} into Go struct field jsonPatchOp.{name} of type string"
    return ""


def _text(operation: dict[str, Any], name: str) -> str:
    value = operation.get(name)
    if not isinstance(value, str):
        raise _Failed
    return value


def _find(document: _Document, pointer: str) -> tuple[Any, str]:
    """The container that holds what `pointer` names, and the last part of the pointer."""
    parts = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")]
    if len(parts) < 2:
        raise _Failed
    container = document.root
    for part in parts[1:-1]:
        container = _get(container, part)
        if not isinstance(container, dict | list):
            raise _Failed
    return container, parts[-1]


def _index(container: list[Any], key: str, limit: int) -> int:
    if not _INDEX.match(key):
        raise _Failed
    index = int(key)
    if index < 0:
        index += limit
    if not 0 <= index < limit:
        raise _Failed
    return index


def _get(container: Any, key: str) -> Any:
    """What is there; None for a missing key of an object."""
    if isinstance(container, list):
        return container[_index(container, key, len(container))]
    return container.get(key)


def _insert(container: Any, key: str, value: Any) -> None:
    if isinstance(container, dict):
        container[key] = value
    elif key == "-":
        container.append(value)
    else:
        container.insert(_index(container, key, len(container) + 1), value)


def _delete(container: Any, key: str) -> None:
    if isinstance(container, list):
        del container[_index(container, key, len(container))]
    elif key in container:
        del container[key]
    else:
        raise _Failed


def _add(document: _Document, operation: dict[str, Any]) -> None:
    container, key = _find(document, _text(operation, "path"))
    _insert(container, key, operation.get("value"))


def _remove(document: _Document, operation: dict[str, Any]) -> None:
    container, key = _find(document, _text(operation, "path"))
    _delete(container, key)


def _replace(document: _Document, operation: dict[str, Any]) -> None:
    path, value = _text(operation, "path"), operation.get("value")
    if not path:
        if not isinstance(value, dict | list):
            raise _Failed
        document.root = value
        return
    container, key = _find(document, path)
    if isinstance(container, list):
        container[_index(container, key, len(container))] = value
    else:
        container[key] = value


def _move(document: _Document, operation: dict[str, Any]) -> None:
    container, key = _find(document, _text(operation, "from"))
    value = _get(container, key)
    _delete(container, key)
    container, key = _find(document, _text(operation, "path"))
    _insert(container, key, value)


def _copy(document: _Document, operation: dict[str, Any]) -> None:
    container, key = _find(document, _text(operation, "from"))
    encoded = orjson.dumps(_get(container, key))
    document.copied += len(encoded)
    if document.copied > MAX_COPIED:
        raise _Failed
    container, key = _find(document, _text(operation, "path"))
    _insert(container, key, orjson.loads(encoded))


def _test(document: _Document, operation: dict[str, Any]) -> None:
    path = _text(operation, "path")
    if path:
        container, key = _find(document, path)
        found = _get(container, key)
    else:
        found = document.root
    if _canonical(found) != _canonical(operation.get("value")):
        raise _Failed


def _canonical(value: Any) -> bytes:
    """Equality as the library has it: keys in any order, numbers by their digits (1 is not 1.0)."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def _unknown(document: _Document, operation: dict[str, Any]) -> None:
    raise _Failed


_OPERATIONS: dict[str, Callable[[_Document, dict[str, Any]], None]] = {
    "add": _add,
    "remove": _remove,
    "replace": _replace,
    "move": _move,
    "copy": _copy,
    "test": _test,
}
