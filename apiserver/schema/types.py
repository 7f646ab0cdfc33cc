"""What the published schema of a field says, in the form that decoding, patching, managed fields and protobuf walk.

Built-in kinds (from the `kubernetes-validate` package and the wire numbers) and CustomResourceDefinitions make the same
records, so no walker asks where a type came from.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Shape = Literal[
    "struct",  # named fields
    "map",  # string keys, one element type
    "list",
    "string",
    "bytes",  # base64 in JSON
    "bool",
    "int32",
    "int64",
    "float64",
    "quantity",
    "intstr",
    "time",
    "microtime",
    "duration",
    "any",  # RawExtension, JSON, FieldsV1, preserve-unknown-fields without properties
]


@dataclass(slots=True, eq=False)
class Type:
    """One type. Recursive (JSONSchemaProps): compare by identity only.

    name: the definition's name (`io.k8s.api.core.v1.PodSpec`), "" for anonymous ones.
    go: the Go type as decoding errors print it (`v1.PodSpec`, `[]v1.Container`, `map[string]string`, `int32`).
    owner: the bare Go struct name for messages (`PodSpec`), "" unless a struct.
    """

    shape: Shape
    name: str = ""
    go: str = ""
    owner: str = ""
    fields: dict[str, Field] = field(default_factory=dict)
    element: Type | None = None
    list_type: Literal["", "atomic", "set", "map"] = ""
    list_map_keys: tuple[str, ...] = ()
    atomic: bool = False  # x-kubernetes-map-type: atomic (structs and maps)
    preserve_unknown: bool = False
    recursive: bool = False  # a kind that holds types within themselves, or of custom resources: anything
    key_defaults: dict[str, Any] = field(default_factory=dict)  # of list map items: {"protocol": "TCP"}
    decoder: Any = None  # compiled by `apiserver.schema.decode`
    published: Any = None  # of custom kinds: the openAPIV3Schema it was made from
    union: tuple[Type, ...] = ()  # of JSONSchemaPropsOr...: what it reads from an object and from an array


@dataclass(slots=True, eq=False)
class Field:
    """One field of a struct.

    required: listed as required by the schema. pointer: the Go field is a pointer, so a zero value that a client sent
    stays (`replicas: 0`); otherwise zero values vanish when the object is encoded, unless `keep_zero`.
    patch_strategy: of strategic merge: () | ("merge",) | ("replace",) | ("merge", "retainKeys") | ("retainKeys",).
    number: protobuf field number, None where the kind has no protobuf form.
    """

    json: str
    type: Type
    required: bool = False
    pointer: bool = False
    keep_zero: bool = False
    patch_strategy: tuple[str, ...] = ()
    patch_merge_key: str = ""
    number: int | None = None
    description: str = ""
    default: Any = None
    nullable: bool = False
