"""Decoding: Go's zero values and Go's error texts."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apiserver.gojson import lenient_loads
from apiserver.schema.decode import decode
from apiserver.schema.references import references
from apiserver.schema.registry import RECURSIVE, Schemas
from apiserver.schema.scalars import DecodeError
from apiserver.schema.types import Type

SCHEMAS = Schemas.for_minor(36)
QUANTITY = r"quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"


def type_of(name: str) -> Type:
    group, _, kind = name.rpartition("/")
    found = SCHEMAS.type(group, "v1", kind)
    assert found is not None
    return found


def pod(**spec: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": spec}


def container(**fields: Any) -> dict[str, Any]:
    return pod(containers=[{"name": "c", **fields}])


DEFINITION = "apiextensions.k8s.io/CustomResourceDefinition"
IN_SCHEMA = "Go struct field JSONSchemaProps.spec.versions.schema.openAPIV3Schema"
PROPS = "type v1.JSONSchemaProps"


def schema(**fields: Any) -> dict[str, Any]:
    return {"spec": {"versions": [{"schema": {"openAPIV3Schema": fields}}]}}


WRONG = [
    ("Pod", pod(containers="x"), "string into Go struct field PodSpec.spec.containers of type []v1.Container"),
    ("Pod", pod(containers=["x"]), "string into Go struct field PodSpec.spec.containers of type v1.Container"),
    ("Pod", pod(hostNetwork="yes"), "string into Go struct field PodSpec.spec.hostNetwork of type bool"),
    ("Pod", pod(restartPolicy=1), "number into Go struct field PodSpec.spec.restartPolicy of type v1.RestartPolicy"),
    ("Pod", pod(priority=2**31), "number 2147483648 into Go struct field PodSpec.spec.priority of type int32"),
    ("Pod", pod(runAs=1, priority=1.5), "number 1.5 into Go struct field PodSpec.spec.priority of type int32"),
    ("Pod", pod(nodeSelector={"a": 1}), "number into Go struct field PodSpec.spec.nodeSelector of type string"),
    (
        "Pod",
        container(ports=[{"containerPort": "80"}]),
        "string into Go struct field ContainerPort.spec.containers.ports.containerPort of type int32",
    ),
    (
        "Pod",
        container(livenessProbe={"httpGet": {"port": []}}),
        "array into Go struct field HTTPGetAction.spec.containers.livenessProbe.httpGet.port of type int32",
    ),
    ("Pod", {"metadata": []}, "array into Go struct field Pod.metadata of type v1.ObjectMeta"),
    ("Pod", {"metadata": {"uid": 3}}, "number into Go struct field ObjectMeta.metadata.uid of type types.UID"),
    (
        "Pod",
        {"metadata": {"labels": {"a": True}}},
        "bool into Go struct field ObjectMeta.metadata.labels of type string",
    ),
    ("ConfigMap", {"data": ["x"]}, "array into Go struct field ConfigMap.data of type map[string]string"),
    ("ConfigMap", {"data": {"x": {}}}, "object into Go struct field ConfigMap.data of type string"),
    ("Secret", {"data": {"x": 1}}, "number into Go struct field Secret.data of type []uint8"),
    (DEFINITION, schema(items={"type": 3}), f"number into {IN_SCHEMA}.items.type of type string"),
    (DEFINITION, schema(items=[{"items": {"type": 3}}]), f"number into {IN_SCHEMA}.items.items.type of type string"),
    (DEFINITION, schema(items={"properties": {"a": 1}}), f"number into {IN_SCHEMA}.items.properties of {PROPS}"),
    (
        DEFINITION,
        schema(additionalProperties={"not": []}),
        f"array into {IN_SCHEMA}.additionalProperties.not of {PROPS}",
    ),
    (DEFINITION, schema(dependencies={"a": [1]}), f"number into {IN_SCHEMA}.dependencies of type string"),
]


@pytest.mark.parametrize(("kind", "obj", "text"), WRONG)
def test_wrong_types(kind: str, obj: dict[str, Any], text: str) -> None:
    with pytest.raises(DecodeError) as caught:
        decode(obj, type_of(kind))
    assert str(caught.value) == f"json: cannot unmarshal {text}"


OWN = [
    ("Pod", container(resources={"requests": {"cpu": "lots"}}), QUANTITY),
    ("Pod", container(resources={"requests": {"cpu": True}}), QUANTITY),
    ("Secret", {"data": {"a": "not base64!"}}, "illegal base64 data at input byte 3"),
    ("Secret", {"data": {"a": "!!"}}, "illegal base64 data at input byte 0"),
    ("Secret", {"data": {"a": "YQ"}}, "illegal base64 data at input byte 0"),
    (
        "Pod",
        {"metadata": {"creationTimestamp": "now"}},
        'parsing time "now" as "2006-01-02T15:04:05Z07:00": cannot parse "now" as "2006"',
    ),
    (
        "Pod",
        {"metadata": {"creationTimestamp": "2020-01-01"}},
        'parsing time "2020-01-01" as "2006-01-02T15:04:05Z07:00": cannot parse "" as "T"',
    ),
    (
        "Pod",
        {"metadata": {"creationTimestamp": "2020-13-01T00:00:00Z"}},
        'parsing time "2020-13-01T00:00:00Z": month out of range',
    ),
    (
        "coordination.k8s.io/Lease",
        {"spec": {"renewTime": "2020-01-01T00:00:00Z"}},
        'parsing time "2020-01-01T00:00:00Z" as "2006-01-02T15:04:05.000000Z07:00": cannot parse "Z" as ".000000"',
    ),
    (DEFINITION, schema(additionalProperties="yes"), "boolean or JSON schema expected"),
]


@pytest.mark.parametrize(("kind", "obj", "text"), OWN)
def test_types_that_unmarshal_themselves(kind: str, obj: dict[str, Any], text: str) -> None:
    with pytest.raises(DecodeError) as caught:
        decode(obj, type_of(kind))
    assert str(caught.value) == text


def test_a_type_of_its_own_ends_decoding_before_remembered_errors() -> None:
    obj = pod(hostNetwork="yes", containers=[{"name": 1, "resources": {"requests": {"cpu": "lots"}}}])
    with pytest.raises(DecodeError) as caught:
        decode(obj, type_of("Pod"))
    assert str(caught.value) == QUANTITY


def test_the_first_of_several_wrong_types_is_named() -> None:
    with pytest.raises(DecodeError, match=r"PodSpec\.spec\.hostNetwork"):
        decode(pod(hostNetwork=1, hostPID=1), type_of("Pod"))


def test_zero_values_of_plain_fields_vanish() -> None:
    sent = pod(hostNetwork=False, nodeName="", volumes=[], nodeSelector={}, containers=[{"name": "c", "image": ""}])
    assert decode(sent, type_of("Pod"))["spec"] == {"containers": [{"name": "c", "resources": {}}]}


def test_zero_values_of_pointers_stay() -> None:
    sent = pod(
        terminationGracePeriodSeconds=0, enableServiceLinks=False, securityContext={}, containers=[{"name": "c"}]
    )
    spec = decode(sent, type_of("Pod"))["spec"]
    assert spec["terminationGracePeriodSeconds"] == 0
    assert spec["enableServiceLinks"] is False
    assert spec["securityContext"] == {}


def test_halves_of_surrogate_pairs_are_replaced_as_bytes_that_are_no_text() -> None:
    sent = rb'{"a": "\ud83d\ude00", "b": "x\uD800y", "c": "' + b'\xff", "d": 123456789012345678901}'
    found = {"a": "\U0001f600", "b": "x\ufffdy", "c": "\ufffd", "d": 123456789012345678901}
    assert lenient_loads(sent) == found


def test_null_is_absent() -> None:
    sent = pod(nodeName=None, terminationGracePeriodSeconds=None, containers=[{"name": "c", "args": [None, "a"]}])
    assert decode(sent, type_of("Pod"))["spec"] == {"containers": [{"name": "c", "args": ["", "a"], "resources": {}}]}


def test_fields_without_omitempty_are_always_written() -> None:
    assert decode({}, type_of("Pod")) == {"metadata": {}, "spec": {"containers": None}, "status": {}}
    service = decode({"spec": {"ports": [{"port": 80}]}}, type_of("Service"))
    assert service["spec"]["ports"] == [{"port": 80, "targetPort": 0}]
    assert service["status"] == {"loadBalancer": {}}


def test_an_empty_list_that_is_always_written_is_null() -> None:
    found = decode({"endpoints": [], "ports": []}, type_of("discovery.k8s.io/EndpointSlice"))
    assert found["endpoints"] is None and found["ports"] is None


def test_unknown_and_wrongly_spelt_fields_go() -> None:
    assert decode({"Data": {"a": "b"}, "data": {"c": "d"}, "x": 1}, type_of("ConfigMap")) == {
        "metadata": {},
        "data": {"c": "d"},
    }


def test_values_become_canonical() -> None:
    sent = container(resources={"requests": {"cpu": "1000m", "memory": "1024Mi"}, "limits": {"cpu": 0.5}})
    sent["metadata"]["creationTimestamp"] = "2020-01-01T02:00:00.5+02:00"
    found = decode(sent, type_of("Pod"))
    resources = found["spec"]["containers"][0]["resources"]
    assert resources == {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "500m"}}
    assert found["metadata"]["creationTimestamp"] == "2020-01-01T00:00:00Z"


def test_free_form_values_stay_as_they_are() -> None:
    schema = {"type": "object", "default": {}, "additionalProperties": False, "enum": [None, 0, ""]}
    name = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps"
    assert decode(dict(schema), SCHEMAS.definition(name)) == schema


def nested(depth: int, key: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for _ in range(depth):
        found = {key: found}
    return found


def test_schemas_within_a_schema_are_typed_but_never_strict() -> None:
    """What may be a schema or something else reads itself, as if it were a document of its own."""
    given = {
        "items": {"type": "string", "nullable": False, "odd": 1, "additionalProperties": False},
        "additionalProperties": {"properties": {"a": None}},
        "dependencies": {"a": ["b"], "c": {"type": "object", "title": ""}},
    }
    wanted = {
        "items": {"type": "string", "additionalProperties": False},
        "additionalProperties": {"properties": {"a": {}}},
        "dependencies": {"a": ["b"], "c": {"type": "object"}},
    }
    found = decode(schema(**given), type_of(DEFINITION))
    assert found["spec"]["versions"][0]["schema"]["openAPIV3Schema"] == wanted


@pytest.mark.parametrize("depth", [250, 600, 50_000])
def test_deep_nesting_is_an_error_not_a_crash(depth: int) -> None:
    name = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps"
    with pytest.raises(DecodeError, match="exceeded max depth"):
        decode(nested(depth, "not"), SCHEMAS.definition(name))
    with pytest.raises(DecodeError, match="exceeded max depth"):
        decode({"metadata": {"managedFields": [{"fieldsV1": nested(depth, "f:x")}]}}, type_of("ConfigMap"))


def test_what_is_decoded_can_be_encoded() -> None:
    name = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps"
    assert orjson.dumps(decode(nested(180, "not"), SCHEMAS.definition(name)))


def closure(definitions: dict[str, Any], name: str) -> set[str]:
    """A definition and everything that it refers to."""
    found: set[str] = set()
    todo = [name]
    while todo:
        here = todo.pop()
        if here not in found:
            found.add(here)
            todo.extend(references(definitions[here]))
    return found


@pytest.mark.parametrize("minor", Schemas.minors())
def test_the_depth_of_every_kind_that_could_be_endless_is_bounded(minor: int) -> None:
    raw = Schemas.for_minor(minor).raw
    circular = {
        name for name, schema in raw.items() if any(name in closure(raw, other) for other in references(schema))
    }
    assert {name.rpartition(".")[2] for name in circular} <= RECURSIVE
    for gvk in Schemas.for_minor(minor).kinds():
        name = Schemas.for_minor(minor).definition_name(*gvk)
        assert name is not None
        if circular & closure(raw, name) and not name.endswith("List"):
            assert gvk[2] in RECURSIVE


LEAVES: dict[str, st.SearchStrategy[Any]] = {
    "string": st.sampled_from(["", "a", "b c"]),
    "bytes": st.sampled_from(["", "YQ==", "YWJj"]),
    "bool": st.booleans(),
    "int32": st.integers(-(2**31), 2**31 - 1),
    "int64": st.integers(-(2**63), 2**63 - 1),
    "float64": st.floats(allow_nan=False, allow_infinity=False),
    "quantity": st.sampled_from(["0", "1", "1000m", "0.5", "1024Mi", "1e3", "129e6", "1.5Gi", 3, 0.25]),
    "intstr": st.sampled_from([0, 1, -1, "", "http", "25%"]),
    "time": st.sampled_from(["2020-01-01T00:00:00Z", "2020-01-01T00:00:00.25+01:00"]),
    "microtime": st.sampled_from(["2020-01-01T00:00:00.123456Z", "2020-01-01T00:00:00.000000-03:00"]),
    "duration": st.sampled_from(["", "1s"]),
    "any": st.sampled_from([{}, {"a": None}, {"b": [1, ""]}]),
}


def values(kind: Type, depth: int) -> st.SearchStrategy[Any]:
    if kind.shape == "struct":
        names = sorted(name for name, field in kind.fields.items() if depth or field.type.shape in LEAVES)
        chosen = st.lists(st.sampled_from(names), max_size=4, unique=True) if names else st.just([])
        return chosen.flatmap(
            lambda keys: st.fixed_dictionaries(
                {key: st.none() | values(kind.fields[key].type, depth - 1) for key in keys}
            )
        )
    if kind.element is not None:
        if not depth:
            return st.just([] if kind.shape == "list" else {})
        element = values(kind.element, depth - 1)
        if kind.shape == "list":
            return st.lists(element, max_size=2)
        return st.dictionaries(st.sampled_from("xyz"), element, max_size=2)
    return LEAVES[kind.shape]


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_decoding_is_idempotent(data: st.DataObject) -> None:
    """What the server stores, it reads back unchanged."""
    gvk = data.draw(st.sampled_from(sorted(gvk for gvk in SCHEMAS.kinds() if not gvk[2].endswith("List"))))
    kind = SCHEMAS.type(*gvk)
    assert kind is not None
    once = decode(data.draw(values(kind, 5)), kind)
    assert decode(once, kind) == once
