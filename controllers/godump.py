"""Go's view of API objects as text: what Kubernetes hashes when it orders ports or names a pod template.

Kubernetes prints a struct with `%#v` of go-spew (sorted keys, no methods, no pointer addresses) and hashes that text
(`k8s.io/apimachinery/pkg/util/dump`, `pkg/util/hash`). Orders and names derived from it are visible to users.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

FNV128_OFFSET = 0x6C62272E07BB014262B821756295C58D
FNV128_PRIME = 0x0000000001000000000000000000013B
FNV32_OFFSET, FNV32_PRIME = 0x811C9DC5, 0x01000193
SAFE_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
"""No vowels, no look-alikes: names made of it spell nothing (apimachinery `rand.SafeEncodeString`)."""

Fields = Sequence[tuple[str, str, str]]
"""A struct: (Go name, JSON name, Go type) of each field in Go's order."""


def fnv128a(text: str) -> bytes:
    value = FNV128_OFFSET
    for byte in text.encode():
        value = ((value ^ byte) * FNV128_PRIME) & ((1 << 128) - 1)
    return value.to_bytes(16, "big")


def fnv32(data: bytes) -> int:
    value = FNV32_OFFSET
    for byte in data:
        value = ((value * FNV32_PRIME) & 0xFFFFFFFF) ^ byte
    return value


def fnv32a(data: bytes) -> int:
    value = FNV32_OFFSET
    for byte in data:
        value = ((value ^ byte) * FNV32_PRIME) & 0xFFFFFFFF
    return value


def safe_encode(text: str) -> str:
    """Each byte as one letter of the safe alphabet."""
    return "".join(SAFE_ALPHABET[byte % len(SAFE_ALPHABET)] for byte in text.encode())


def dump(value: Any, go_type: str, structs: Mapping[str, Fields], typed: bool = True) -> str:
    """`value` (decoded JSON, None where absent) as `%#v` prints a Go value of that type. `structs` describes the
    struct types by their Go names; other names are scalars, with their zero values where the value is absent."""
    if go_type.startswith("*"):
        shown = f"({go_type})" if typed else "<*>"
        if value is None:
            return f"({go_type})<nil>" if typed else "<nil>"
        return shown + dump(value, go_type[1:], structs, typed=False)
    head = f"({go_type})" if typed else ""
    if go_type.startswith("[]"):
        if value is None:
            return head + "<nil>"
        return head + "[" + " ".join(dump(item, go_type[2:], structs, typed=False) for item in value) + "]"
    if go_type == "v1.ResourceList":
        return head + _dump_map(value, "resource.Quantity", structs)
    if go_type.startswith("map["):
        return head + _dump_map(value, go_type[go_type.index("]") + 1 :], structs)
    if go_type in structs:
        return head + _dump_struct(value or {}, structs[go_type], structs)
    return head + _scalar(value, go_type)


def _dump_map(value: Mapping[str, Any] | None, go_type: str, structs: Mapping[str, Fields]) -> str:
    if value is None:
        return "<nil>"
    shown = (f"{key}:{dump(value[key], go_type, structs, typed=False)}" for key in sorted(value))
    return "map[" + " ".join(shown) + "]"


def _dump_struct(value: Mapping[str, Any], fields: Fields, structs: Mapping[str, Fields]) -> str:
    shown = []
    for name, json_name, go_type in fields:
        inner = value if json_name == "" else value.get(json_name)
        shown.append(f"{name}:{dump(inner, go_type, structs)}")
    return "{" + " ".join(shown) + "}"


ZERO = dict.fromkeys(("int32", "int64", "int", "uint64", "intstr.Type", "resource.Scale"), "0") | {"bool": "false"}


def _scalar(value: Any, go_type: str) -> str:
    if value is None:
        return ZERO.get(go_type, "")
    return str(value).lower() if isinstance(value, bool) else str(value)
