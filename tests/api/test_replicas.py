"""Two API servers on one PostgreSQL database, asked by turns."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.plane import Plane

ROUNDS = 15


@pytest.fixture(scope="module")
def replicas(new_database: Callable[[], str]) -> Iterator[tuple[Plane, Plane]]:
    words = ("--token", "shared", "--database-url", new_database())
    one, other = (Plane.start(*words, verb="apiserver") for _ in range(2))
    yield one, other
    one.stop()
    other.stop()


def ask(
    plane: Plane, method: str, path: str, body: object = None, token: str = "shared"
) -> tuple[int, dict[str, object]]:
    status, answer = plane.request(method, path, body, token=token)
    return status, answer


def test_what_one_has_made_the_other_builds_on(replicas: tuple[Plane, Plane]) -> None:
    """Without a moment in between for notifications to arrive."""
    one, other = replicas
    for number in range(ROUNDS):
        assert ask(one, "POST", "/api/v1/namespaces", {"metadata": {"name": f"n{number}"}})[0] == 201
        path = f"/api/v1/namespaces/n{number}/configmaps"
        status, made = ask(other, "POST", path, {"metadata": {"name": "c"}})
        assert status == 201, made
        status, updated = ask(one, "PUT", f"{path}/c", {**made, "data": {"a": "1"}})
        assert status == 200, updated
        status, updated = ask(other, "PUT", f"{path}/c", {**updated, "data": {"a": "2"}})
        assert status == 200, updated
        assert ask(one, "DELETE", f"{path}/c")[0] == 200
        assert ask(other, "POST", path, {"metadata": {"name": "c"}})[0] == 201


def test_a_binding_made_at_one_counts_at_the_other(replicas: tuple[Plane, Plane]) -> None:
    one, other = replicas
    accounts = "/api/v1/namespaces/default/serviceaccounts"
    bindings = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
    for number in range(ROUNDS):
        name = f"reader-{number}"
        assert ask(one, "POST", accounts, {"metadata": {"name": name}})[0] == 201
        status, answer = ask(other, "POST", f"{accounts}/{name}/token", {"spec": {}})
        assert status == 201, answer
        binding = {
            "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": "default"}],
        }
        assert ask(one, "POST", bindings, binding)[0] == 201
        impersonating = {"Impersonate-User": f"system:serviceaccount:default:{name}"}
        status, answer = other.request("GET", "/api/v1/namespaces/default/services", token="shared", **impersonating)
        assert status == 200, answer
