"""APIServices: their rules, their condition, and what their groups answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.plane import Plane

Register = Callable[..., Any]
PATH = "/apis/apiregistration.k8s.io/v1/apiservices"


def api_service(group: str, **spec: Any) -> dict[str, Any]:
    wanted = {"group": group, "version": "v1beta1", "groupPriorityMinimum": 100, "versionPriority": 10, **spec}
    return {"metadata": {"name": f"v1beta1.{group}"}, "spec": wanted}


def available(plane: Plane, group: str, reason: str) -> tuple[str, str]:
    """(status, message) of the condition once it has this reason."""

    def condition(found: Any) -> Any:
        return next(iter((found.get("status") or {}).get("conditions") or ()), {})

    shown = plane.eventually(f"{PATH}/v1beta1.{group}", lambda found: condition(found).get("reason") == reason)
    return condition(shown)["status"], condition(shown)["message"]


def test_a_group_of_somebody_else(plane: Plane, namespace: str, register: Register) -> None:
    group = f"{namespace}.example.com"
    service = {"namespace": namespace, "name": "extension"}
    made = register(PATH, api_service(group, service=service, insecureSkipTLSVerify=True))
    assert made["spec"]["service"]["port"] == 443
    shown = f'service/extension in "{namespace}"'
    assert available(plane, group, "ServiceNotFound") == ("False", f"{shown} is not present")
    body = {"metadata": {"name": "extension"}, "spec": {"ports": [{"name": "https", "port": 443}]}}
    register(f"/api/v1/namespaces/{namespace}/services", body)
    text = f'endpointslices for {shown} have no addresses with port name "https"'
    assert available(plane, group, "MissingEndpoints") == ("False", text)
    for path in (f"/apis/{group}/v1beta1/things", f"/apis/{group}/v1beta1"):
        assert plane.request("GET", path) == (503, "service unavailable\n")
    assert plane.request("DELETE", f"{PATH}/v1beta1.{group}")[0] == 200
    assert plane.request("GET", f"/apis/{group}/v1beta1/things")[0] == 404


def test_a_local_one_is_available(plane: Plane, register: Register) -> None:
    register(PATH, api_service("local.example.com"))
    assert available(plane, "local.example.com", "Local") == ("True", "Local APIServices are always available")


def test_rules(plane: Plane) -> None:
    body = api_service("a.example.com", versionPriority=0, caBundle="AAAA")
    body["metadata"]["name"] = "other"
    status, answer = plane.request("POST", PATH, body)
    assert status == 422
    assert [(cause["field"], cause["message"]) for cause in answer["details"]["causes"]] == [
        (
            "metadata.name",
            'Invalid value: "other": must be `spec.version+"."+spec.group`: "v1beta1.a.example.com"',
        ),
        ("spec.versionPriority", "Invalid value: 0: must be positive and less than 1000"),
        ("spec.caBundle", 'Invalid value: "3 bytes": local APIServices may not have a caBundle'),
    ]
