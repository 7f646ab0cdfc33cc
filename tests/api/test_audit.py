"""What operators read: the audit log, request ids, the server's own log."""

from __future__ import annotations

import json
import logging
import re
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from apiserver import logs
from apiserver.exchange import new_audit_id
from tests.api.test_nonresource import ask
from tests.plane import Plane

StartPlane = Callable[..., Plane]
ALONE = ("--nodes", "0", "--no-controllers")
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"


def events(path: Path, uri: str, count: int = 1) -> list[dict[str, Any]]:
    """The audit events of a URI once there are `count`."""
    deadline = time.monotonic() + 10
    while True:
        lines = path.read_text().splitlines() if path.exists() else []
        found = [event for event in map(json.loads, lines) if event["requestURI"] == uri]
        if len(found) >= count:
            return found
        assert time.monotonic() < deadline, lines[-5:]
        time.sleep(0.02)


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("audit") / "audit.log"
    plane = Plane.start(*ALONE, "--audit-log", str(path))
    yield plane, path
    assert plane.stop() == 0


@pytest.mark.parametrize("path", ["/version", "/healthz", CONFIG_MAPS, "/api/v1/nosuch", "/nosuch"])
def test_every_answer_has_an_id_and_it_is_the_clients_own_if_it_has_one(plane: Plane, path: str) -> None:
    assert uuid.UUID(ask(plane, path)[1]["audit-id"]).version == 4
    assert ask(plane, path, Audit_ID="mine")[1]["audit-id"] == "mine"


def test_ids_are_version_4_and_differ() -> None:
    found = [uuid.UUID(new_audit_id().decode()) for _ in range(1000)]
    assert len(set(found)) == 1000
    assert {(one.version, one.variant) for one in found} == {(4, uuid.RFC_4122)}


def test_a_write_is_one_event(audited: tuple[Plane, Path]) -> None:
    plane, path = audited
    uri = CONFIG_MAPS + "?fieldManager=one"
    assert plane.request("POST", uri, {"metadata": {"name": "a"}}, User_Agent="me/1", Audit_ID="id-1")[0] == 201
    (event,) = events(path, uri)
    assert event["requestReceivedTimestamp"] <= event["stageTimestamp"]
    assert {key: event[key] for key in event if not key.endswith("Timestamp")} == {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": "Metadata",
        "auditID": "id-1",
        "stage": "ResponseComplete",
        "requestURI": uri,
        "verb": "create",
        "user": {"username": "kubernetes-admin", "groups": ["system:masters", "system:authenticated"]},
        "sourceIPs": ["127.0.0.1"],
        "userAgent": "me/1",
        "objectRef": {"resource": "configmaps", "namespace": "default", "name": "a", "apiVersion": "v1"},
        "responseStatus": {"metadata": {}, "code": 201},
        "annotations": {"authorization.k8s.io/decision": "allow", "authorization.k8s.io/reason": ""},
    }


def test_refusals_say_why(audited: tuple[Plane, Path]) -> None:
    plane, path = audited
    uri = CONFIG_MAPS + "/missing"
    plane.request("GET", uri, Impersonate_User="jane", X_Forwarded_For="10.1.1.1, 10.2.2.2")
    plane.request("GET", uri)
    forbidden, missing = events(path, uri, 2)
    assert forbidden["impersonatedUser"] == {"username": "jane", "groups": ["system:authenticated"]}
    assert forbidden["annotations"] == {
        "authorization.k8s.io/decision": "forbid",
        "authorization.k8s.io/reason": "",
    }
    assert forbidden["sourceIPs"] == ["10.1.1.1", "10.2.2.2", "127.0.0.1"]
    status = forbidden["responseStatus"]
    assert (status["code"], status["reason"], status["status"]) == (403, "Forbidden", "Failure")
    assert missing["responseStatus"]["message"] == 'configmaps "missing" not found'


def test_the_binding_that_allowed_it_is_told_and_what_is_wrong_with_others(audited: tuple[Plane, Path]) -> None:
    plane, path = audited
    bindings, account = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", "system:serviceaccount:default:reader"
    for name, role in (("reads", "view"), ("wrong", "nosuch")):
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role}
        subject = {"kind": "ServiceAccount", "name": "reader", "namespace": "default"}
        binding = {"metadata": {"name": name}, "roleRef": reference, "subjects": [subject]}
        assert plane.request("POST", bindings, binding)[0] == 201
    uri = CONFIG_MAPS + "?limit=7"
    assert plane.request("GET", uri, Impersonate_User=account)[0] == 200
    assert plane.request("DELETE", uri, Impersonate_User=account)[0] == 403
    allowed, forbidden = (event["annotations"] for event in events(path, uri, 2))
    assert allowed == {
        "authorization.k8s.io/decision": "allow",
        "authorization.k8s.io/reason": 'RBAC: allowed by ClusterRoleBinding "reads" of ClusterRole "view" to '
        'ServiceAccount "reader/default"',
    }
    assert forbidden == {
        "authorization.k8s.io/decision": "forbid",
        "authorization.k8s.io/reason": 'RBAC: clusterrole.rbac.authorization.k8s.io "nosuch" not found',
    }


def test_who_may_not_act_as_another_has_not_come_to_a_decision(audited: tuple[Plane, Path]) -> None:
    plane, path = audited
    uri = CONFIG_MAPS + "/never"
    accounts = "/api/v1/namespaces/default/serviceaccounts"
    assert plane.request("POST", accounts, {"metadata": {"name": "no"}})[0] == 201
    _, answer = plane.request("POST", f"{accounts}/no/token", {"spec": {}})
    assert plane.request("GET", uri, token=answer["status"]["token"], Impersonate_User="jane")[0] == 403
    (event,) = events(path, uri)
    assert "annotations" not in event


def test_who_is_nobody_is_told_too(audited: tuple[Plane, Path]) -> None:
    plane, path = audited
    assert plane.request("GET", "/api/v1/nodes", token="wrong")[0] == 401
    (event,) = events(path, "/api/v1/nodes")
    assert (event["user"], event["responseStatus"]["code"]) == ({}, 401)


def test_a_watch_is_two_events(audited: tuple[Plane, Path]) -> None:
    plane, path = audited
    uri = CONFIG_MAPS + "?watch=1&timeoutSeconds=1"
    plane.request("GET", uri)
    assert [event["stage"] for event in events(path, uri, 2)] == ["ResponseStarted", "ResponseComplete"]


def test_the_file_may_be_renamed_and_all_is_written_at_the_end(start_plane: StartPlane, tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    plane = start_plane(*ALONE, "--audit-log", str(path))
    plane.get("/version")
    events(path, "/version")
    path.rename(tmp_path / "audit.log.1")
    plane.get("/api")
    events(path, "/api")
    for _ in range(50):
        plane.get("/apis")
    assert plane.stop() == 0
    assert len(events(path, "/apis", 50)) == 50


def test_a_path_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    import subprocess

    from tests.plane import command

    words = command("apiserver", "--ephemeral", "--port", "0", "--audit-log", str(tmp_path / "no" / "file"))
    done = subprocess.run(words, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (
        2,
        f"miniplane: {tmp_path}/no/file cannot be opened: No such file or directory\n",
    )


def make_record(message: str, **fields: object) -> logging.LogRecord:
    record = logging.LogRecord("miniplane.http", logging.INFO, "server.py", 12, message, (), None)
    record.fields = fields
    return record


def test_a_line_of_text_is_one_line_whatever_clients_send() -> None:
    line = logs.TextFormatter().format(make_record("HTTP", URI="/a\nE0101 forged", resp=200))
    assert re.fullmatch(
        r'I\d{4} \d\d:\d\d:\d\d\.\d{6} +\d+ server\.py:12\] "HTTP" URI="/a\\nE0101 forged" resp=200', line
    )


def test_a_line_of_json_has_the_names_of_kubernetes_components() -> None:
    found = json.loads(logs.JsonFormatter().format(make_record("HTTP", verb="get", resp=404)))
    found.pop("ts")
    assert found == {"level": "info", "caller": "server.py:12", "msg": "HTTP", "verb": "get", "resp": 404}


def test_requests_are_logged_from_verbosity_3(start_plane: StartPlane, capfd: pytest.CaptureFixture[str]) -> None:
    plane = start_plane(*ALONE, "-v", "3", "--logging-format", "json")
    plane.request("GET", "/version", Audit_ID="seen")
    assert plane.stop() == 0
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines() if line.startswith("{")]
    (line,) = [line for line in lines if line.get("audit-ID") == "seen"]
    assert (line["msg"], line["verb"], line["URI"], line["resp"]) == ("HTTP", "get", "/version", 200)
