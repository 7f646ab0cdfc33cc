"""ResourceQuota without a controller: what is asked counts at once, and racing creates cannot pass the bound."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.plane import Plane


def quota(plane: Plane, namespace: str, hard: dict[str, str], **spec: Any) -> None:
    body = {"metadata": {"name": "q"}, "spec": {"hard": hard, **spec}}
    status, answer = plane.request("POST", f"/api/v1/namespaces/{namespace}/resourcequotas", body)
    assert status == 201, answer


def used(plane: Plane, namespace: str) -> Any:
    return plane.get(f"/api/v1/namespaces/{namespace}/resourcequotas/q").get("status", {}).get("used")


def create(plane: Plane, namespace: str, plural: str, name: str, query: str = "", **fields: Any) -> tuple[int, Any]:
    path = f"/api/v1/namespaces/{namespace}/{plural}{query}"
    return plane.request("POST", path, {"metadata": {"name": name}, **fields})  # type: ignore[no-any-return]


def pod(cpu: str, **spec: Any) -> dict[str, Any]:
    container = {"name": "c", "image": "i", "resources": {"requests": {"cpu": cpu}}}
    return {"spec": {"containers": [container], **spec}}


def test_racing_creates_stay_within_the_quota(plane: Plane, namespace: str) -> None:
    quota(plane, namespace, {"configmaps": "7"})
    with ThreadPoolExecutor(24) as pool:
        answers = list(pool.map(lambda n: create(plane, namespace, "configmaps", f"c{n}"), range(24)))
    assert sorted(status for status, _ in answers) == [201] * 7 + [403] * 17
    assert used(plane, namespace) == {"configmaps": "7"}
    refused = next(answer for status, answer in answers if status == 403)
    tail = "exceeded quota: q, requested: configmaps=1, used: configmaps=7, limited: configmaps=7"
    assert refused["message"].endswith(tail)


def test_a_read_after_a_create_shows_what_it_used(plane: Plane, namespace: str) -> None:
    quota(plane, namespace, {"requests.cpu": "1", "pods": "5"})
    assert create(plane, namespace, "pods", "a", **pod("300m"))[0] == 201
    assert used(plane, namespace) == {"requests.cpu": "300m", "pods": "1"}
    assert create(plane, namespace, "pods", "b", "?dryRun=All", **pod("300m"))[0] == 201
    assert used(plane, namespace) == {"requests.cpu": "300m", "pods": "1"}
    status, answer = create(plane, namespace, "pods", "c", "?dryRun=All", **pod("701m"))
    assert (status, answer["reason"]) == (403, "Forbidden")


def test_what_is_deleted_no_longer_counts(plane: Plane, namespace: str) -> None:
    quota(plane, namespace, {"secrets": "1"})
    assert create(plane, namespace, "secrets", "a")[0] == 201
    assert create(plane, namespace, "secrets", "b")[0] == 403
    assert plane.request("DELETE", f"/api/v1/namespaces/{namespace}/secrets/a")[0] == 200
    assert create(plane, namespace, "secrets", "b")[0] == 201


def test_a_refused_object_leaves_nothing_behind(plane: Plane, namespace: str) -> None:
    quota(plane, namespace, {"services.nodeports": "1", "services": "9"})
    ports = [{"name": name, "port": port} for name, port in (("a", 80), ("b", 81))]
    status, answer = create(plane, namespace, "services", "s", spec={"type": "NodePort", "ports": ports})
    assert status == 403, answer
    assert used(plane, namespace) is None
    assert create(plane, namespace, "services", "s", spec={"type": "NodePort", "ports": ports[:1]})[0] == 201
    assert used(plane, namespace) == {"services.nodeports": "1", "services": "1"}


def test_an_update_is_charged_the_difference(plane: Plane, namespace: str) -> None:
    quota(plane, namespace, {"services.nodeports": "1"})
    path = f"/api/v1/namespaces/{namespace}/services/s"
    assert create(plane, namespace, "services", "s", spec={"ports": [{"port": 80}]})[0] == 201
    merge = {"Content_Type": "application/merge-patch+json"}
    assert plane.request("PATCH", path, {"spec": {"type": "NodePort"}}, **merge)[0] == 200
    assert used(plane, namespace) == {"services.nodeports": "1"}
    assert plane.request("PATCH", path, {"spec": {"type": "ClusterIP"}}, **merge)[0] == 200
    assert used(plane, namespace) == {"services.nodeports": "0"}


@pytest.mark.parametrize(
    ("selector", "priority", "status"),
    [("In", "high", 403), ("In", None, 201), ("NotIn", "high", 201), ("Exists", "high", 403)],
)
def test_scope_selectors_choose_pods(
    plane: Plane, namespace: str, selector: str, priority: str | None, status: int
) -> None:
    name = f"{namespace}-high"
    path = "/apis/scheduling.k8s.io/v1/priorityclasses"
    assert plane.request("POST", path, {"metadata": {"name": name}, "value": 7})[0] == 201
    expression: dict[str, Any] = {"scopeName": "PriorityClass", "operator": selector}
    if selector != "Exists":
        expression["values"] = [name]
    quota(plane, namespace, {"pods": "0"}, scopeSelector={"matchExpressions": [expression]})
    extra = {"priorityClassName": name} if priority else {}
    answer = create(plane, namespace, "pods", "p", **pod("1", **extra))
    plane.request("DELETE", f"{path}/{name}")
    assert answer[0] == status, answer


def test_every_container_names_what_the_quota_counts(plane: Plane, namespace: str) -> None:
    quota(plane, namespace, {"requests.cpu": "1"})
    spec = pod("1m")["spec"]
    spec["containers"].append({"name": "b", "image": "i"})
    status, answer = create(plane, namespace, "pods", "p", spec=spec)
    assert status == 403
    assert answer["message"] == 'pods "p" is forbidden: failed quota: q: must specify requests.cpu for: b'


def test_two_servers_over_one_database_share_a_quota(
    start_plane: Callable[..., Plane], new_database: Callable[[], str]
) -> None:
    url = new_database()
    servers = [start_plane("--database-url", url, verb="apiserver") for _ in range(2)]
    quota(servers[0], "default", {"configmaps": "9"})
    servers[1].eventually("/api/v1/namespaces/default/resourcequotas/q", lambda found: True)

    def one(number: int) -> int:
        return create(servers[number % 2], "default", "configmaps", f"c{number}")[0]

    with ThreadPoolExecutor(24) as pool:
        answers = sorted(pool.map(one, range(24)))
    assert answers == [201] * 9 + [403] * 15
    path = "/api/v1/namespaces/default/resourcequotas/q"
    servers[1].eventually(path, lambda found: found["status"]["used"] == {"configmaps": "9"})


RATIO = "cpu max limit to request ratio per Pod is 4"


@pytest.mark.parametrize(
    ("requests", "limits", "faults"),
    [
        ({"cpu": "500m"}, {"cpu": "1"}, []),
        ({}, {"cpu": "1"}, ["minimum cpu usage per Pod is 100m.  No request is specified",
                            f"{RATIO}, but no request is specified or request is 0"]),
        ({"cpu": "100m"}, {"cpu": "1"}, [f"{RATIO}, but provided ratio is 10.000000"]),
        ({"cpu": "50m"}, {}, ["minimum cpu usage per Pod is 100m, but request is 50m",
                              "maximum cpu usage per Pod is 2.  No limit is specified",
                              f"{RATIO}, but no limit is specified or limit is 0"]),
        ({"cpu": "1"}, {"cpu": "3000m"}, ["maximum cpu usage per Pod is 2, but limit is 3"]),
    ],
)  # fmt: skip
def test_bounds_of_a_limit_range(requests: dict[str, str], limits: dict[str, str], faults: list[str]) -> None:
    from apiserver.quotaadmission import _bounds

    item = {"min": {"cpu": "100m"}, "max": {"cpu": "2000m"}, "maxLimitRequestRatio": {"cpu": "4"}}
    assert _bounds(item, requests, limits, "Pod") == faults
