"""Services through the running server: nothing is given twice, everything comes back."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.plane import Plane

AT_ONCE = 64


def collection(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/services"


def make_service(name: str, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"ports": [{"port": 80}], **spec}}


def create_all(plane: Plane, namespace: str, services: list[dict[str, Any]]) -> list[tuple[int, Any]]:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(lambda body: plane.request("POST", collection(namespace), body), services))


def delete(plane: Plane, namespace: str, name: str) -> None:
    status, answer = plane.request("DELETE", f"{collection(namespace)}/{name}")
    assert status == 200, answer


def test_concurrent_creates_never_share(plane: Plane, namespace: str) -> None:
    services = [
        make_service(f"s{index}", type="LoadBalancer", externalTrafficPolicy="Local") for index in range(AT_ONCE)
    ]
    answers = create_all(plane, namespace, services)
    assert {status for status, _ in answers} == {201}
    specs = [answer["spec"] for _, answer in answers]
    addresses = [spec["clusterIP"] for spec in specs]
    ports = [spec["ports"][0]["nodePort"] for spec in specs] + [spec["healthCheckNodePort"] for spec in specs]
    assert len(set(addresses)) == AT_ONCE
    assert len(set(ports)) == 2 * AT_ONCE
    held = plane.get("/apis/networking.k8s.io/v1/ipaddresses")["items"]
    owners = {item["metadata"]["name"]: item["spec"]["parentRef"]["name"] for item in held}
    assert [owners[address] for address in addresses] == [f"s{index}" for index in range(AT_ONCE)]


def test_one_of_many_gets_an_explicit_address_and_port(plane: Plane, namespace: str) -> None:
    ports = [{"port": 80, "nodePort": 30012}]
    answers = create_all(
        plane,
        namespace,
        [make_service(f"s{index}", type="NodePort", clusterIP="10.96.0.77", ports=ports) for index in range(AT_ONCE)],
    )
    assert sorted(status for status, _ in answers) == [201] + [422] * (AT_ONCE - 1)
    texts = {answer["details"]["causes"][0]["message"] for status, answer in answers if status == 422}
    assert texts == {
        'Invalid value: ["10.96.0.77"]: failed to allocate IP 10.96.0.77: provided IP is already allocated'
    }
    winner = next(answer["metadata"]["name"] for status, answer in answers if status == 201)
    delete(plane, namespace, winner)


def test_a_refused_create_holds_nothing(plane: Plane, namespace: str) -> None:
    body = make_service("a", clusterIP="10.96.0.78", selector={"bad key": "x"})
    status, _ = plane.request("POST", collection(namespace), body)
    assert status == 422
    assert plane.request("GET", "/apis/networking.k8s.io/v1/ipaddresses/10.96.0.78")[0] == 404
    status, answer = plane.request("POST", collection(namespace), make_service("a", clusterIP="10.96.0.78"))
    assert status == 201, answer


def test_a_deleted_service_frees_what_it_held(plane: Plane, namespace: str) -> None:
    ports = [{"port": 80, "nodePort": 30013}]
    for name in ("a", "b"):
        body = make_service(name, type="NodePort", clusterIP="10.96.0.79", ports=ports)
        status, answer = plane.request("POST", collection(namespace), body)
        assert status == 201, answer
        endpoints = {"metadata": {"name": name}, "subsets": []}
        assert plane.request("POST", f"/api/v1/namespaces/{namespace}/endpoints", endpoints)[0] == 201
        delete(plane, namespace, name)
        assert plane.request("GET", "/apis/networking.k8s.io/v1/ipaddresses/10.96.0.79")[0] == 404
        assert plane.request("GET", f"/api/v1/namespaces/{namespace}/endpoints/{name}")[0] == 404


def test_changing_the_type_frees_what_it_held(plane: Plane, namespace: str) -> None:
    ports = [{"port": 80, "nodePort": 30014}]
    plane.request("POST", collection(namespace), make_service("a", type="NodePort", ports=ports))
    change = {"spec": {"type": "ExternalName", "externalName": "db.example.com"}}
    status, answer = plane.request(
        "PATCH", f"{collection(namespace)}/a", change, Content_Type="application/merge-patch+json"
    )
    assert status == 200, answer
    assert "clusterIP" not in answer["spec"]
    status, answer = plane.request("POST", collection(namespace), make_service("b", type="NodePort", ports=ports))
    assert status == 201, answer


def test_protocols_of_different_services_do_not_share_a_node_port(plane: Plane, namespace: str) -> None:
    statuses = []
    for name, protocol in (("tcp", "TCP"), ("udp", "UDP")):
        ports = [{"port": 80, "protocol": protocol, "nodePort": 30015}]
        body = make_service(name, type="NodePort", ports=ports)
        statuses.append(plane.request("POST", collection(namespace), body)[0])
    assert statuses == [201, 422]


def test_deleting_an_ip_address_by_hand_frees_nothing(plane: Plane, namespace: str) -> None:
    body = make_service("a", clusterIP="10.96.0.80")
    assert plane.request("POST", collection(namespace), body)[0] == 201
    assert plane.request("DELETE", "/apis/networking.k8s.io/v1/ipaddresses/10.96.0.80")[0] == 200
    status, answer = plane.request("POST", collection(namespace), make_service("b", clusterIP="10.96.0.80"))
    assert (status, answer["details"]["causes"][0]["field"]) == (422, "spec.clusterIPs")
    delete(plane, namespace, "a")
    assert plane.request("POST", collection(namespace), make_service("b", clusterIP="10.96.0.80"))[0] == 201
