"""The published schemas as types, over every minor that the schema package has."""

from __future__ import annotations

import pytest

from apiserver.schema.registry import Schemas, message_name, wire
from apiserver.schema.types import Type

MINORS = Schemas.minors()


def reachable(kind: Type, seen: set[int] | None = None) -> list[Type]:
    seen = set() if seen is None else seen
    if id(kind) in seen:
        return []
    seen.add(id(kind))
    inner = [field.type for field in kind.fields.values()] + ([kind.element] if kind.element else [])
    return [kind, *(found for item in inner for found in reachable(item, seen))]


def test_minors() -> None:
    assert MINORS[0] == 25 and MINORS[-1] >= 37


@pytest.mark.parametrize("minor", MINORS)
def test_every_kind_builds(minor: int) -> None:
    schemas = Schemas.for_minor(minor)
    seen: set[int] = set()
    kinds = list(schemas.kinds())
    assert ("", "v1", "Service") in kinds and ("apps", "v1", "Deployment") in kinds
    for gvk in kinds:
        kind = schemas.type(*gvk)
        assert kind is not None and kind.shape == "struct", gvk
        for found in reachable(kind, seen):
            assert found.go, found.name
            if found.shape in ("list", "map"):
                assert found.element is not None


def test_unknown_minor_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no schemas for Kubernetes 1\.3;"):
        Schemas(3)


def test_unknown_kind_is_none() -> None:
    assert Schemas.for_minor(36).type("", "v1", "Nope") is None


def test_service_ports() -> None:
    ports = Schemas.for_minor(36).definition("io.k8s.api.core.v1.ServiceSpec").fields["ports"]
    assert ports.patch_strategy == ("merge",) and ports.patch_merge_key == "port"
    assert ports.type.list_type == "map" and ports.type.list_map_keys == ("port", "protocol")
    assert ports.type.key_defaults == {"protocol": "TCP"}
    assert ports.type.go == "[]v1.ServicePort"
    port = ports.type.element
    assert port is not None and port.owner == "ServicePort"
    assert (
        port.fields["port"].type.shape == "int32" and port.fields["port"].required and port.fields["port"].number == 3
    )
    assert port.fields["targetPort"].type.shape == "intstr"
    assert port.fields["protocol"].type.go == "v1.Protocol"


def test_integers_follow_the_go_types() -> None:
    meta = Schemas.for_minor(36).definition("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta")
    assert meta.fields["generation"].type.shape == "int64"
    assert meta.fields["creationTimestamp"].type.shape == "time"


def test_patch_strategies_may_be_several() -> None:
    volumes = Schemas.for_minor(36).definition("io.k8s.api.core.v1.PodSpec").fields["volumes"]
    assert volumes.patch_strategy == ("merge", "retainKeys")


@pytest.mark.parametrize("minor", MINORS)
def test_fields_have_their_wire_numbers(minor: int) -> None:
    schemas = Schemas.for_minor(minor)
    pod = schemas.definition("io.k8s.api.core.v1.PodSpec")
    known = {entry[0] for entry in wire()[message_name(pod.name)].values()}
    assert {name for name, field in pod.fields.items() if field.number is None} <= set(pod.fields) - known
    assert pod.fields["containers"].number == 2


def test_recursive_definitions() -> None:
    schema = Schemas.for_minor(36).definition(
        "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps"
    )
    assert schema.fields["properties"].type.element is schema
