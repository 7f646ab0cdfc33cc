"""Health, version, OpenAPI and the rest, over the socket; and the pieces that need none."""

from __future__ import annotations

import gzip
import json
import urllib.error
import urllib.request
from typing import Any

import pytest

from apiserver import health
from apiserver.flowcontrol import FlowControl
from apiserver.metrics import RequestMetrics, _Requests, labels_of
from apiserver.openapi_documents import PROTOBUF_V2, v2_media, v3_acceptable
from apiserver.protobuf.openapi import openapi_v2_protobuf
from apiserver.protobuf.wire import read_length, read_tag, skip
from apiserver.requestinfo import parse
from tests.plane import Plane

TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


def ask(plane: Plane, path: str, method: str = "GET", **headers: str) -> tuple[int, dict[str, str], bytes]:
    """(status, headers, body) without following redirects."""
    request = urllib.request.Request(plane.url + path, method=method)
    request.add_header("Authorization", f"Bearer {plane.token}")
    for name, value in headers.items():
        request.add_header(name.replace("_", "-"), value)

    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_: Any) -> None:
            return None

    opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=plane.tls), Stay())
    try:
        with opener.open(request, timeout=10) as answer:
            return answer.status, {name.lower(): value for name, value in answer.headers.items()}, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, {name.lower(): value for name, value in error.headers.items()}, error.read()


@pytest.mark.parametrize(
    "path",
    [
        *("/healthz", "/livez", "/readyz", "/livez/ping", "/livez?exclude=ping", "/healthz/etcd"),
        *("/readyz/etcd-readiness", "/readyz/informer-sync", "/readyz/shutdown", "/healthz/autoregister-completion"),
        *("/livez/poststarthook/rbac/bootstrap-roles", "/readyz/poststarthook/crd-informer-synced"),
    ],
)
def test_health(plane: Plane, path: str) -> None:
    status, headers, body = ask(plane, path)
    assert (status, body, headers["content-type"]) == (200, b"ok", "text/plain; charset=utf-8")


def test_verbose_health_names_the_checks(plane: Plane) -> None:
    lines = ask(plane, "/readyz?verbose&exclude=log")[2].decode().splitlines()
    assert lines[:5] == [
        "[+]ping ok",
        "[+]log excluded: ok",
        "[+]etcd ok",
        "[+]etcd-readiness ok",
        "[+]informer-sync ok",
    ]
    assert lines[-2:] == ["[+]shutdown ok", "readyz check passed"]
    assert "shutdown" not in ask(plane, "/livez?verbose")[2].decode()


async def test_a_failing_check_is_told_in_full() -> None:
    def broken() -> bool:
        raise OSError("disk")

    observed = health.Observed()
    verdict = await health.combined("livez", {"ping": lambda: True, "disk": broken}, {"nosuch"}, False, observed)
    assert not verdict.good
    assert verdict.text == (
        "[+]ping ok\n[-]disk failed: reason withheld\n"
        'warn: some health checks cannot be excluded: no matches for "nosuch"\nlivez check failed\n'
    )
    assert (await health.combined("livez", {"disk": broken}, {"disk"}, False, observed)).good
    assert observed.results == {("ping", "success", "livez"): 1, ("disk", "error", "livez"): 1}
    assert observed.last == {("ping", "livez"): True, ("disk", "livez"): False}


def test_service_level_indicators(plane: Plane) -> None:
    assert ask(plane, "/metrics/slis", "DELETE")[::2] == (200, b"metrics reset\n")
    assert ask(plane, "/metrics/slis")[::2] == (200, b"")
    for _ in range(2):
        ask(plane, "/livez?exclude=log")
    lines = ask(plane, "/metrics/slis")[2].decode().splitlines()
    assert "# TYPE kubernetes_healthcheck gauge" in lines
    assert "# TYPE kubernetes_healthchecks_total counter" in lines
    assert 'kubernetes_healthcheck{name="etcd",type="livez"} 1.0' in lines
    assert 'kubernetes_healthchecks_total{name="etcd",status="success",type="livez"} 2.0' in lines
    assert not [line for line in lines if 'name="log"' in line]


@pytest.mark.parametrize("path", ["/nosuch", "/docs", "/openapi.json", "/healthz/nosuch", "/apis/nosuch.example.com"])
def test_paths_that_are_not(plane: Plane, path: str) -> None:
    status, headers, body = ask(plane, path)
    assert (status, headers["content-type"], body) == (404, "text/plain; charset=utf-8", b"404 page not found\n")


def test_version_and_index(plane: Plane) -> None:
    version = plane.get("/version")
    assert (version["major"], version["minor"], version["gitVersion"]) == ("1", "36", "v1.36.2")
    assert {"/api/v1", "/apis/apps/v1", "/healthz/ping", "/openapi/v3"} <= set(plane.get("/")["paths"])
    assert plane.request("POST", "/version")[0] == 405
    assert ask(plane, "/version", Accept="application/yaml")[0] == 406


def test_index_answers_every_method(plane: Plane) -> None:
    answers = {ask(plane, path, method)[::2] for path in ("/", "/index.html") for method in ("GET", "POST", "DELETE")}
    assert len(answers) == 1
    status, body = answers.pop()
    assert status == 200
    assert body.startswith(b'{\n  "paths": [\n')


INDENTED = [
    ("/api/v1/namespaces/default", "curl/8.5.0", True),
    ("/api/v1/namespaces/default?pretty=false", "curl/8.5.0", False),
    ("/api/v1/namespaces?limit=1", "Wget/1.21", True),
    ("/api/v1/namespaces/nosuch", "Mozilla/5.0 (X11)", True),
    ("/apis", "curl/8.5.0", True),
    ("/api/v2", "curl/8.5.0", True),
    ("/api/v1/namespaces/default", "kubectl/v1.36.0", False),
    ("/api/v1/namespaces/default?pretty=true", "kubectl/v1.36.0", True),
    ("/api/v1/namespaces/default?pretty=yes", "curl/8.5.0", False),
    ("/version", "kubectl/v1.36.0", True),
]


@pytest.mark.parametrize(("path", "agent", "indented"), INDENTED)
def test_people_are_given_indented_json(plane: Plane, path: str, agent: str, indented: bool) -> None:
    assert ask(plane, path, User_Agent=agent)[2].startswith(b'{\n  "') == indented


def test_swagger_is_tagged_and_compressed(plane: Plane) -> None:
    status, headers, body = ask(plane, "/openapi/v2", Accept_Encoding="gzip")
    assert (status, headers["content-encoding"], headers["content-type"]) == (200, "gzip", "application/json")
    assert json.loads(gzip.decompress(body))["swagger"] == "2.0"
    assert ask(plane, "/openapi/v2", If_None_Match=headers["etag"])[0] == 304


def test_v3_documents_are_linked_by_hash(plane: Plane) -> None:
    status, headers, body = ask(plane, "/openapi/v3")
    assert (status, headers["content-type"]) == (200, "text/plain; charset=utf-8")
    link = json.loads(body)["paths"]["apis/apps/v1"]["serverRelativeURL"]
    status, headers, body = ask(plane, link)
    assert (status, headers["cache-control"]) == (200, "public, immutable")
    assert headers["etag"].strip('"') == link.partition("hash=")[2]
    assert json.loads(body)["openapi"].startswith("3.")
    status, headers, _ = ask(plane, "/openapi/v3/apis/apps/v1?hash=old")
    assert (status, headers["location"]) == (301, link)
    assert ask(plane, "/openapi/v3/apis/nosuch/v1")[::2] == (404, b"")


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("application/com.github.proto-openapi.spec.v2@v1.0+protobuf", PROTOBUF_V2),
        (f"application/json;q=0.1,{PROTOBUF_V2}", PROTOBUF_V2),
        ("text/html", None),
    ],
)
def test_form_of_swagger(accept: str, media: str | None) -> None:
    assert v2_media(accept) == media
    assert v3_acceptable(accept) is (accept in ("", "*/*") or "json" in accept)


def fields(data: bytes) -> list[tuple[int, bytes]]:
    """The length-delimited fields of a message: a reader that knows nothing of what wrote it."""
    found, pos = [], 0
    while pos < len(data):
        number, kind, pos = read_tag(data, pos, len(data), "")
        if kind == 2:
            start, pos = read_length(data, pos, len(data))
            found.append((number, data[start:pos]))
        else:
            pos = skip(data, pos, len(data), kind)
    return found


def test_swagger_in_protobuf_has_gnostics_numbers() -> None:
    operation = {
        "operationId": "listPods",
        "parameters": [{"name": "limit", "in": "query", "type": "integer", "uniqueItems": True}],
        "responses": {"200": {"description": "OK", "schema": {"$ref": "#/definitions/Pod"}}},
        "x-kubernetes-action": "list",
    }
    pod = {
        "type": "object",
        "properties": {"ports": {"type": "array", "items": {"type": "string"}}},
        "required": ["ports"],
    }
    document = {"swagger": "2.0", "paths": {"/pods": {"get": operation}}, "definitions": {"Pod": pod}}
    top = dict(fields(openapi_v2_protobuf(document)))
    assert top[1] == b"2.0"
    name, item = fields(fields(top[8])[0][1])
    assert name == (1, b"/pods")
    found = dict(fields(dict(fields(item[1]))[2]))  # PathItem.get
    assert found[5] == b"listPods"
    assert dict(fields(found[13])) == {1: b"x-kubernetes-action", 2: b'\x12\x06"list"'}
    query = dict(fields(dict(fields(dict(fields(dict(fields(found[8]))[1]))[2]))[3]))
    assert (query[2], query[4], query[6]) == (b"query", b"limit", b"integer")
    response = dict(fields(dict(fields(dict(fields(found[9]))[1]))[2]))  # NamedResponseValue.value
    schema = dict(fields(dict(fields(response[1]))[2]))[1]
    assert dict(fields(schema)) == {1: b"#/definitions/Pod"}
    definition = dict(fields(dict(fields(dict(fields(top[9]))[1]))[2]))
    assert (definition[19], dict(fields(definition[22]))) == (b"ports", {1: b"object"})
    ports = dict(fields(dict(fields(dict(fields(definition[25]))[1]))[2]))
    assert dict(fields(dict(fields(ports[23]))[1])) == {22: b"\n\x06string"}


def test_issuer_documents(plane: Plane) -> None:
    configuration = plane.get("/.well-known/openid-configuration")
    assert configuration["jwks_uri"].endswith("/openid/v1/jwks")
    status, headers, body = ask(plane, "/openid/v1/jwks")
    assert (status, headers["content-type"]) == (200, "application/jwk-set+json")
    assert json.loads(body)["keys"][0]["alg"] in configuration["id_token_signing_alg_values_supported"]


def test_metrics_are_prometheus_text(plane: Plane, namespace: str) -> None:
    status, headers, body = ask(plane, "/metrics")
    assert status == 200 and headers["content-type"].startswith("text/plain")
    lines = body.decode().splitlines()
    assert any(line.startswith('apiserver_storage_objects{resource="namespaces"}') for line in lines)
    assert any(line.startswith("process_resident_memory_bytes") for line in lines)


def samples(plane: Plane) -> dict[str, float]:
    lines = ask(plane, "/metrics")[2].decode().splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if line[0] != "#")}


def test_metrics_tell_of_writes_and_watches(plane: Plane, namespace: str) -> None:
    path, before = f"/api/v1/namespaces/{namespace}/secrets", samples(plane)
    assert plane.request("POST", path + "?dryRun=All", {"metadata": {"name": "a"}})[0] == 201
    assert plane.request("POST", path, {"metadata": {"name": "a"}})[0] == 201
    assert plane.request("GET", path + "?watch=1&timeoutSeconds=1")[0] == 200
    after = samples(plane)
    grown = {name: after[name] - before.get(name, 0) for name in after}
    labels = 'group="",resource="secrets",scope="namespace",subresource="",verb="%s",version="v1"'
    posted = 'apiserver_request_total{code="201",component="apiserver",dry_run="%s",' + labels % "POST" + "}"
    assert (grown[posted % ""], grown[posted % "All"]) == (1, 1)
    assert grown['apiserver_watch_events_total{group="",resource="secrets",version="v1"}'] == 1
    assert after['apiserver_longrunning_requests{component="apiserver",' + labels % "WATCH" + "}"] == 0
    assert after['apiserver_resource_objects{group="",resource="secrets"}'] >= 1
    assert after['apiserver_current_inflight_requests{request_kind="mutating"}'] == 0
    assert grown["miniplane_storage_commit_writes_count"] >= 1
    assert grown["miniplane_storage_commit_writes_sum"] >= 1
    assert grown["miniplane_storage_revision"] >= 1
    assert (after["miniplane_storage_revision_lag"], after["miniplane_storage_write_queue"]) == (0, 0)
    assert after["miniplane_storage_log_events"] > 0


def test_request_metrics_count_by_verb_and_code() -> None:
    metrics = RequestMetrics()
    for path, known, code in (("/api/v1/pods", True, 200), ("/api/v1/pods", True, 200), ("/api/v1/x", False, 404)):
        metrics.finished(labels_of(parse("GET", path, ""), known), code, 0.003)
    metrics.finished(labels_of(parse("GET", "/api/v1/pods", "watch=1"), True), 200, 60.0)
    total, seconds, flying, *_ = _Requests(metrics, FlowControl(1, 1)).collect()
    counts = {(s.labels["verb"], s.labels["resource"], s.labels["code"]): s.value for s in total.samples}
    assert counts == {("LIST", "pods", "200"): 2, ("", "", "404"): 1, ("WATCH", "pods", "200"): 1}
    lists = {s.labels["le"]: s.value for s in seconds.samples if s.labels["verb"] == "LIST" and "le" in s.labels}
    assert (lists["0.0025"], lists["0.005"], lists["+Inf"]) == (0, 2, 2)
    assert not any(s.labels["verb"] == "WATCH" for s in seconds.samples)
    assert {s.labels["request_kind"]: s.value for s in flying.samples} == {"readOnly": 0, "mutating": 0}


@pytest.mark.parametrize(
    ("path", "columns"),
    [
        ("/apis/networking.k8s.io/v1/ipaddresses", ["Name", "ParentRef"]),
        ("/apis/storage.k8s.io/v1/volumeattributesclasses", ["Name", "DriverName", "Age"]),
    ],
)
def test_table_columns(plane: Plane, path: str, columns: list[str]) -> None:
    table = json.loads(ask(plane, path, Accept=TABLE)[2])
    assert [(one["name"], one["type"]) for one in table["columnDefinitions"]] == [(name, "string") for name in columns]


def test_a_scale_is_a_table_of_its_own(plane: Plane, namespace: str) -> None:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    spec = {"replicas": 2, "selector": {"matchLabels": {"a": "b"}}, "template": template}
    root = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    assert plane.request("POST", root, {"metadata": {"name": "web"}, "spec": spec})[0] == 201
    table = json.loads(ask(plane, f"{root}/web/scale", Accept=TABLE)[2])
    columns = [(one["name"], one["type"]) for one in table["columnDefinitions"]]
    assert columns == [("Name", "string"), ("Desired", "integer"), ("Available", "integer"), ("Age", "string")]
    assert table["rows"][0]["cells"][:3] == ["web", 2, 0]
    partial = json.loads(ask(plane, f"{root}/web/scale", Accept=TABLE.replace("Table", "PartialObjectMetadata"))[2])
    assert (partial["kind"], partial["metadata"]["name"]) == ("PartialObjectMetadata", "web")


def test_flow_schemas_are_shown_as_they_are_tried(plane: Plane) -> None:
    rows = json.loads(ask(plane, "/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas", Accept=TABLE)[2])["rows"]
    shown = [row["cells"][0] for row in rows]
    assert (shown[0], shown[-1]) == ("exempt", "catch-all")
    assert [row["cells"][2] for row in rows] == sorted(row["cells"][2] for row in rows)
