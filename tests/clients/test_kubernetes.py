"""The official Python client: creates, patches, applies, watches, pages, deletes."""

from __future__ import annotations

import pytest
from kubernetes import client, config, dynamic, watch
from kubernetes.client.rest import ApiException

from tests.plane import Plane


@pytest.fixture
def core(plane: Plane) -> client.CoreV1Api:
    return client.CoreV1Api(config.new_client_from_config(str(plane.kubeconfig)))


def _service(name: str) -> client.V1Service:
    spec = client.V1ServiceSpec(selector={"app": name}, ports=[client.V1ServicePort(port=80)])
    return client.V1Service(metadata=client.V1ObjectMeta(name=name, labels={"app": name}), spec=spec)


def test_a_service_lives_and_goes(core: client.CoreV1Api, namespace: str) -> None:
    made = core.create_namespaced_service(namespace, _service("web"))
    assert made.spec.cluster_ip.startswith("10.")
    assert made.spec.ports[0].target_port == 80
    changed = core.patch_namespaced_service("web", namespace, {"spec": {"sessionAffinity": "ClientIP"}})
    assert changed.spec.session_affinity_config.client_ip.timeout_seconds == 10800
    changed.metadata.labels["tier"] = "front"
    replaced = core.replace_namespaced_service("web", namespace, changed)
    assert replaced.metadata.labels == {"app": "web", "tier": "front"}
    found = core.list_namespaced_service(namespace, label_selector="tier=front")
    assert [item.metadata.name for item in found.items] == ["web"]
    core.delete_namespaced_service("web", namespace)
    with pytest.raises(ApiException) as gone:
        core.read_namespaced_service("web", namespace)
    assert gone.value.status == 404


def test_a_stale_replace_conflicts(core: client.CoreV1Api, namespace: str) -> None:
    made = core.create_namespaced_service(namespace, _service("web"))
    core.patch_namespaced_service("web", namespace, {"metadata": {"labels": {"x": "y"}}})
    with pytest.raises(ApiException) as refused:
        core.replace_namespaced_service("web", namespace, made)
    assert refused.value.status == 409


def test_a_watch_goes_on_from_a_list(core: client.CoreV1Api, namespace: str) -> None:
    version = core.list_namespaced_service(namespace).metadata.resource_version
    for name in ("a", "b"):
        core.create_namespaced_service(namespace, _service(name))
    core.delete_namespaced_service("a", namespace)
    events = []
    stream = watch.Watch()
    for event in stream.stream(core.list_namespaced_service, namespace, resource_version=version, timeout_seconds=10):
        events.append((event["type"], event["object"].metadata.name))
        if len(events) == 3:
            stream.stop()
    assert events == [("ADDED", "a"), ("ADDED", "b"), ("DELETED", "a")]


def test_a_json_patch_is_a_list(core: client.CoreV1Api, namespace: str) -> None:
    core.create_namespaced_service(namespace, _service("web"))
    patch = [{"op": "replace", "path": "/spec/ports/0/port", "value": 81}]
    changed = core.patch_namespaced_service("web", namespace, patch)
    assert changed.spec.ports[0].port == 81


def test_pages(core: client.CoreV1Api, namespace: str) -> None:
    for number in range(3):
        core.create_namespaced_config_map(namespace, {"metadata": {"name": f"m{number}"}})
    page = core.list_namespaced_config_map(namespace, limit=2)
    rest = core.list_namespaced_config_map(namespace, limit=2, _continue=page.metadata._continue)
    assert [item.metadata.name for item in (*page.items, *rest.items)] == ["m0", "m1", "m2"]
    assert rest.metadata._continue is None


def test_the_dynamic_client_applies(core: client.CoreV1Api, namespace: str) -> None:
    maps = dynamic.DynamicClient(core.api_client).resources.get(api_version="v1", kind="ConfigMap")
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}, "data": {"a": "1"}}

    def apply(manager: str, **data: str) -> dynamic.ResourceInstance:
        return maps.server_side_apply({**body, "data": data}, "m", namespace, field_manager=manager)

    apply("one", a="1")
    assert apply("two", b="2").data.to_dict() == {"a": "1", "b": "2"}
    assert apply("one").data.to_dict() == {"b": "2"}
    with pytest.raises(dynamic.exceptions.ConflictError):
        apply("one", b="3")
