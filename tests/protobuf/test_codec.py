"""Objects over the wire: bytes written out by hand, and what hostile bytes do."""

from __future__ import annotations

import base64

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from apiserver.protobuf import codec, decoding
from apiserver.protobuf.messages import META, message
from apiserver.protobuf.wire import ProtobufError
from miniplane.apimachinery.status import StatusError


def envelope(kind: str, raw: bytes, api_version: str = "v1") -> bytes:
    version, name = api_version.encode(), kind.encode()
    meta = b"\n" + bytes([len(version)]) + version + b"\x12" + bytes([len(name)]) + name
    return b"k8s\x00\n" + bytes([len(meta)]) + meta + b"\x12" + bytes([len(raw)]) + raw


def test_go_clients_config_map() -> None:
    metadata = b'\n\x01a\x12\x00\x1a\x00"\x00*\x002\x008\x00B\x00'  # empty text, number and time are sent too
    found = codec.decode(envelope("ConfigMap", b"\n\x11" + metadata + b"\x12\t\n\x01k\x12\x04v\xc3\xa91"))
    assert (found["apiVersion"], found["kind"]) == ("v1", "ConfigMap")
    assert found["data"] == {"k": "vé1"}
    assert found["metadata"]["creationTimestamp"] is None
    assert found["metadata"]["name"] == "a"


def test_bytes_of_a_namespace() -> None:
    encoded = codec.encode({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n"}})
    assert encoded == b'k8s\x00\n\x0f\n\x02v1\x12\tNamespace\x12\x05\n\x03\n\x01n\x1a\x00"\x00'


def test_embedded_structs_stand_one_level_higher_in_json() -> None:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "spec": {
            "volumes": [{"name": "v", "configMap": {"name": "c", "optional": True}}],
            "containers": [{"name": "c", "livenessProbe": {"httpGet": {"port": "http"}, "periodSeconds": 3}}],
            "ephemeralContainers": [{"name": "e", "targetContainerName": "c"}],
        },
    }
    assert codec.decode(codec.encode(pod)) == pod
    # Volume{1: name, 2: VolumeSource{19: configMap{1: LocalObjectReference{1: name}, 4: optional}}}
    assert b"\n\x01v\x12\x0a\x9a\x01\x07 \x01\n\x03\n\x01c" in codec.encode(pod)


@pytest.mark.parametrize(
    ("seconds_nanos", "text"),
    [
        (b"", None),
        (b"\x08\x00", "1970-01-01T00:00:00Z"),
        (b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "1969-12-31T23:59:59Z"),
        (b"\x08\x80\xe2\xcf\xaa\x06\x10\x80\x94\xeb\xdc\x03", "2023-11-14T22:13:20Z"),
    ],
)
def test_times_have_whole_seconds(seconds_nanos: bytes, text: str | None) -> None:
    found = decoding.read_message(message(META + "Time"), seconds_nanos, 0, len(seconds_nanos))
    assert found == text


def test_micro_times_keep_six_digits() -> None:
    lease = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "spec": {"renewTime": "2026-01-02T03:04:05.000678Z"},
    }
    assert codec.decode(codec.encode(lease)) == lease


def test_a_time_nobody_can_print_is_refused() -> None:
    data = b"\x08\xff\xff\xff\xff\xff\xff\xff\x7f"
    with pytest.raises(ProtobufError, match="year outside of range"):
        decoding.read_message(message(META + "Time"), data, 0, len(data))


@pytest.mark.parametrize("value", [0, 1, -1, 2**31 - 1, -(2**31)])
def test_int32_keeps_its_sign(value: int) -> None:
    probe = {"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"replicas": value}}
    assert codec.decode(codec.encode(probe)) == probe


def test_int_or_string_and_quantity() -> None:
    service = {"apiVersion": "v1", "kind": "Service", "spec": {"ports": [{"targetPort": "web"}, {"targetPort": -3}]}}
    assert codec.decode(codec.encode(service)) == service
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "spec": {"hard": {"cpu": "100m"}}}
    assert codec.decode(codec.encode(quota)) == quota


def test_bytes_are_base64_in_json() -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "data": {"a": base64.b64encode(b"\x00\xff").decode(), "b": ""}}
    encoded = codec.encode(secret)
    assert b"\x00\xff" in encoded
    assert codec.decode(encoded) == secret


def test_documents_within_messages() -> None:
    revision = {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "data": {"spec": {"x": [1, None]}},
        "revision": 3,
    }
    encoded = codec.encode(revision)
    assert b'{"spec":{"x":[1,null]}}' in encoded
    assert codec.decode(encoded) == revision


def test_schemas_of_custom_resources() -> None:
    properties = {
        "a": {"x-kubernetes-int-or-string": True, "$ref": "r", "default": {"n": 1}, "enum": ["x", 1]},
        "b": {"items": {"type": "string"}, "additionalProperties": False, "maximum": 1.5},
        "c": {"items": [{"type": "string"}], "additionalProperties": {"type": "object"}},
        "d": {"dependencies": {"a": ["b"], "b": {"type": "string"}}, "x-kubernetes-list-map-keys": ["k"]},
    }
    crd = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "spec": {"versions": [{"name": "v1", "schema": {"openAPIV3Schema": {"properties": properties}}}]},
    }
    assert codec.decode(codec.encode(crd)) == crd


def test_extra_values_are_lists() -> None:
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"extra": {"scopes": ["a", "b"]}, "resourceAttributes": {"verb": "get"}},
    }
    assert codec.decode(codec.encode(review)) == review


@pytest.mark.parametrize(
    ("api_version", "kind"),
    [
        ("v1", "DeleteOptions"),
        ("apps/v1", "DeleteOptions"),
        ("v1", "Status"),
        ("meta.k8s.io/v1", "PartialObjectMetadata"),
    ],
)
def test_kinds_that_every_group_shares(api_version: str, kind: str) -> None:
    assert codec.supported(api_version, kind)


def test_groups_of_strangers_do_not_pass_for_ours() -> None:
    assert not codec.supported("apps.example.com/v1", "Deployment")
    with pytest.raises(ProtobufError, match="no kind"):
        codec.decode(envelope("Deployment", b"", "apps.example.com/v1"))


def test_a_kind_without_protobuf_form_is_not_acceptable() -> None:
    with pytest.raises(StatusError) as caught:
        codec.encode({"apiVersion": "meta.k8s.io/v1", "kind": "Table"})
    assert caught.value.code == 406
    assert caught.value.message.startswith("object *v1.Table does not implement the protobuf marshalling interface")


def test_lists_and_watch_frames() -> None:
    pods = {"apiVersion": "v1", "kind": "PodList", "metadata": {"resourceVersion": "7"}, "items": [{"spec": {}}]}
    assert codec.decode(codec.encode(pods)) == pods
    frame = codec.encode_watch_event("ADDED", {"apiVersion": "v1", "kind": "Pod", "spec": {}})
    assert int.from_bytes(frame[:4], "big") == len(frame) - 4
    assert frame[4:] == b'\n\x05ADDED\x12\x19\n\x17k8s\x00\n\t\n\x02v1\x12\x03Pod\x12\x02\x12\x00\x1a\x00"\x00'


def test_unknown_fields_are_skipped_and_pieces_merge() -> None:
    raw = b"\n\x03\n\x01a" + b"\xfa\x01\x02zz" + b"\x98\x02\x05" + b"\xa1\x02" + bytes(8) + b"\xad\x02" + bytes(4)
    raw += b"\n\x03\x1a\x01n"
    assert codec.decode(envelope("Pod", raw))["metadata"] == {"name": "a", "namespace": "n"}


def test_packed_and_unpacked_numbers() -> None:
    # PodSecurityContext.supplementalGroups is field 4 of field 14 of spec
    def pod(groups: bytes) -> bytes:
        context = b"\x72" + bytes([len(groups)]) + groups
        return envelope("Pod", b"\x12" + bytes([len(context)]) + context)

    packed, unpacked = codec.decode(pod(b'"\x03\x01\xac\x02')), codec.decode(pod(b" \x01 \xac\x02"))
    assert packed["spec"]["securityContext"] == unpacked["spec"]["securityContext"] == {"supplementalGroups": [1, 300]}


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "empty data"),
        (b"{}", "expected prefix [107 56 115 0]"),
        (b"k8s\x00", "empty body"),
        (b"k8s\x00\n\xff\xff\xff\xff\x0f", "unexpected EOF"),
        (b"k8s\x00\n" + b"\xff" * 10, "integer overflow"),
        (b"k8s\x00\n\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "negative length"),
        (b"k8s\x00\x08\x01", "wrong wireType = 0"),
        (envelope("Pod", b"\x0b\x0c"), "wrong wireType = 3"),
        (envelope("Pod", b"\xfb\x01\xfc\x01"), "illegal wireType 3"),
        (envelope("Pod", b"\x0c"), "wiretype end group for non-group"),
        (envelope("Pod", b"\x02\x00"), "illegal tag 0"),
        (envelope("Nonsense", b""), "no kind"),
        (envelope("ControllerRevision", b"\x12\x03\n\x01{", "apps/v1"), "error decoding JSON within protobuf"),
    ],
)
def test_what_is_no_object(body: bytes, why: str) -> None:
    with pytest.raises(ProtobufError) as caught:
        codec.decode(body)
    assert why in str(caught.value)


def test_depth_is_bounded() -> None:
    schema = b""
    for _ in range(200):  # JSONSchemaProps.not, field 26
        schema = b"\xd2\x01" + _varint(len(schema)) + schema
    plan = message("k8s.io.apiextensions_apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps")
    with pytest.raises(ProtobufError, match="nested more than 100 deep"):
        decoding.read_message(plan, schema, 0, len(schema))


def _varint(value: int) -> bytes:
    found = b""
    while value > 127:
        found += bytes([value & 127 | 128])
        value >>= 7
    return found + bytes([value])


@settings(max_examples=400, deadline=1000)
@given(st.binary(max_size=200), st.sampled_from(["Pod", "Service", "Secret", "Event", "DeleteOptions", "List"]))
@example(b"\n\x00" * 90, "Pod")
def test_hostile_bodies_end_in_an_object_or_an_error(raw: bytes, kind: str) -> None:
    try:
        found = codec.decode(b"k8s\x00\n\x09\n\x02v1\x12" + bytes([len(kind)]) + kind.encode() + raw)
    except ProtobufError:
        return
    codec.encode(found)


@settings(max_examples=300, deadline=1000)
@given(st.data())
def test_damaged_objects_end_in_an_object_or_an_error(data: st.DataObject) -> None:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "a", "labels": {"a": "b"}, "creationTimestamp": "2026-01-02T03:04:05Z"},
        "spec": {"containers": [{"name": "c", "resources": {"limits": {"cpu": "1"}}, "ports": [{"containerPort": 1}]}]},
    }
    body = bytearray(codec.encode(pod))
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(4, len(body) - 1))] = data.draw(st.integers(0, 255))
    try:
        codec.encode(codec.decode(bytes(body[: data.draw(st.integers(5, len(body)))])))
    except (ProtobufError, StatusError):
        return
