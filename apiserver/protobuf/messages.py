"""Messages as plans for the codec: the table of wire numbers, with Go's embedded structs and JSON names put right."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

from apiserver.protobuf.wire import FIXED64, LENGTH, VARINT, tag
from apiserver.schema.registry import wire

META = "k8s.io.apimachinery.pkg.apis.meta.v1."
WIRE_TYPES = {
    "string": LENGTH,
    "bytes": LENGTH,
    "raw": LENGTH,
    "bool": VARINT,
    "int32": VARINT,
    "int64": VARINT,
    "double": FIXED64,
}
"""Every scalar type, and how it is written. `raw` is ours: bytes that stay bytes."""
EMBEDDED = frozenset(
    {
        "deviceConfiguration",
        "ephemeralContainerCommon",
        "handler",
        "ingressRuleValue",
        "localObjectReference",
        "persistentVolumeSource",
        "rule",
        "ruleWithOperations",
        "volumeSource",
    }
)
"""Fields that hold a message on the wire whose fields JSON shows one level higher (`json:",inline"`)."""
RENAMED = {
    "Expression": "expression",
    "Name": "name",
    "Webhooks": "webhooks",
    "aPIGroup": "apiGroup",
    "uID": "uid",
}
"""Fields whose JSON name is not the protobuf one, in whatever message they stand."""
SCHEMA_NAMES = {
    "ref": "$ref",
    "schema": "$schema",
    "xKubernetesEmbeddedResource": "x-kubernetes-embedded-resource",
    "xKubernetesIntOrString": "x-kubernetes-int-or-string",
    "xKubernetesListMapKeys": "x-kubernetes-list-map-keys",
    "xKubernetesListType": "x-kubernetes-list-type",
    "xKubernetesMapType": "x-kubernetes-map-type",
    "xKubernetesPreserveUnknownFields": "x-kubernetes-preserve-unknown-fields",
    "xKubernetesValidations": "x-kubernetes-validations",
}
"""The same for JSONSchemaProps alone."""
RAW = frozenset({"RawExtension", "FieldsV1", "JSON", "Unknown"})
"""Messages whose bytes are a document of their own, not data."""
PACKAGES = {
    "": "k8s.io.api.core",
    "apiextensions.k8s.io": "k8s.io.apiextensions_apiserver.pkg.apis.apiextensions",
    "apiregistration.k8s.io": "k8s.io.kube_aggregator.pkg.apis.apiregistration",
    "internal.apiserver.k8s.io": "k8s.io.api.apiserverinternal",
    "meta.k8s.io": "k8s.io.apimachinery.pkg.apis.meta",
}
"""The package of a group where it is not k8s.io.api plus the first word of the group."""
EVERYWHERE = frozenset(
    {"CreateOptions", "DeleteOptions", "GetOptions", "ListOptions", "PatchOptions", "UpdateOptions", "WatchEvent"}
)
"""metav1 kinds that every group version registers (`metav1.AddToGroupVersion`)."""
UNVERSIONED = frozenset({"APIGroup", "APIGroupList", "APIResourceList", "APIVersions", "Status"})
"""metav1 kinds of apiVersion v1, which some discovery documents leave out."""


@dataclass(slots=True)
class WireField:
    """One field: `scalar` says how to read it unless it holds a `message`; a `mapping` has text keys."""

    number: int
    json: str
    scalar: str
    message: Message | None
    repeated: bool
    mapping: bool
    embedded: bool
    tag: bytes
    """What stands before each value."""


@dataclass(slots=True)
class Message:
    """A message: its fields by number (decoding) and by JSON name (encoding). `texts` are the fields of one text
    each, by their tags of one byte: most of what there is to read."""

    name: str
    short: str
    by_number: dict[int, WireField] = field(default_factory=dict, repr=False)
    by_json: dict[str, WireField] = field(default_factory=dict, repr=False)
    texts: dict[int, str] = field(default_factory=dict, repr=False)
    embedded: list[WireField] = field(default_factory=list, repr=False)


@cache
def message(name: str) -> Message:
    """The plan of a message by its protobuf name. Raises KeyError for one that is not in the table."""
    return _Builder().build(name)


_PLANS: dict[str, Message] = {}


class _Builder:
    """Builds a message with all that it holds; JSONSchemaProps holds itself."""

    def build(self, name: str) -> Message:
        if name in _PLANS:
            return _PLANS[name]
        fields = wire()[name]
        plan = _PLANS[name] = Message(name, name.rpartition(".")[2])
        for number, (json, kind) in fields.items():
            found = self.field(plan, int(number), json, kind)
            plan.by_number[found.number] = found
            if found.embedded:
                plan.embedded.append(found)
            else:
                plan.by_json[found.json] = found
            if kind == "string" and len(found.tag) == 1:
                plan.texts[found.number << 3 | LENGTH] = found.json
        return plan

    def field(self, plan: Message, number: int, json: str, kind: str) -> WireField:
        base = kind.removeprefix("*").removeprefix("map:")
        held = None if base in WIRE_TYPES else self.build(base)
        return WireField(
            number=number,
            json=_json_name(plan.short, json),
            scalar="raw" if base == "bytes" and plan.short in RAW else base,
            message=held,
            repeated=kind.startswith("*"),
            mapping=kind.startswith("map:"),
            embedded=held is not None and json in EMBEDDED,
            tag=tag(number, LENGTH if kind.startswith("map:") else WIRE_TYPES.get(base, LENGTH)),
        )


def _json_name(owner: str, name: str) -> str:
    if owner == "JSONSchemaProps":
        return SCHEMA_NAMES.get(name, name)
    return RENAMED.get(name, name)


@cache
def message_of(api_version: str, kind: str) -> Message | None:
    """The message of a kind; None for one that has no protobuf form (custom resources, Tables)."""
    group, _, version = api_version.rpartition("/")
    name = f"{_package(group)}.{version}.{kind}"
    if name in wire():
        return message(name)
    partial = group == "meta.k8s.io" and kind.startswith("PartialObjectMetadata")
    shared = kind in EVERYWHERE or (api_version in ("", "v1") and kind in UNVERSIONED)
    return message(META + kind) if partial or shared else None


def _package(group: str) -> str:
    if group in PACKAGES:
        return PACKAGES[group]
    if "." in group and not group.endswith(".k8s.io"):
        return group
    return f"k8s.io.api.{group.partition('.')[0]}"
