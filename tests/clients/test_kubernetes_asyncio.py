"""kubernetes_asyncio: a Deployment's life, patches of each kind, apply, pages, and a watch that sees it all."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from kubernetes_asyncio import client, config, watch
from kubernetes_asyncio.client.rest import ApiException

from tests.plane import Plane


@pytest.fixture
async def api(plane: Plane) -> AsyncIterator[client.ApiClient]:
    settings = client.Configuration()
    await config.load_kube_config(str(plane.kubeconfig), client_configuration=settings)
    async with client.ApiClient(settings) as found:
        yield found


def deployment(name: str, replicas: int = 1) -> dict[str, Any]:
    labels = {"app": name}
    container = {"name": "c", "image": "nginx", "ports": [{"containerPort": 80}]}
    spec = {
        "replicas": replicas,
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
    }
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "labels": labels}, "spec": spec}


async def test_a_deployment_lives_and_goes(api: client.ApiClient, namespace: str) -> None:
    apps = client.AppsV1Api(api)
    made = await apps.create_namespaced_deployment(namespace, deployment("web"))
    assert made.spec.strategy.rolling_update.max_surge == "25%"
    spec = {"template": {"spec": {"containers": [{"name": "c", "image": "nginx:2"}]}}}
    changed = await apps.patch_namespaced_deployment("web", namespace, {"spec": spec})
    (container,) = changed.spec.template.spec.containers
    assert (container.image, container.ports[0].container_port) == ("nginx:2", 80)
    scaled = await apps.patch_namespaced_deployment_scale("web", namespace, {"spec": {"replicas": 3}})
    assert scaled.spec.replicas == 3
    changed = await apps.read_namespaced_deployment("web", namespace)
    changed.metadata.annotations = {"note": "replaced"}
    assert (await apps.replace_namespaced_deployment("web", namespace, changed)).metadata.generation == 3
    await apps.delete_namespaced_deployment("web", namespace)
    with pytest.raises(ApiException) as gone:
        await apps.read_namespaced_deployment("web", namespace)
    assert gone.value.status == 404


async def test_patches_by_content_type(api: client.ApiClient, namespace: str) -> None:
    core = client.CoreV1Api(api)
    await core.create_namespaced_config_map(namespace, {"metadata": {"name": "m"}, "data": {"a": "1", "b": "2"}})
    json_patch = [{"op": "remove", "path": "/data/a"}]
    found = await core.patch_namespaced_config_map("m", namespace, json_patch)
    assert found.data == {"b": "2"}
    merge = {"data": {"b": None, "c": "3"}}
    kind = "application/merge-patch+json"
    found = await core.patch_namespaced_config_map("m", namespace, merge, _content_type=kind)
    assert found.data == {"c": "3"}


async def test_apply_owns_what_it_says(api: client.ApiClient, namespace: str) -> None:
    core = client.CoreV1Api(api)

    async def apply(data: dict[str, str], manager: str) -> Any:
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}, "data": data}
        kind = "application/apply-patch+yaml"
        return await core.patch_namespaced_config_map("m", namespace, body, _content_type=kind, field_manager=manager)

    assert (await apply({"a": "1", "b": "2"}, "one")).data == {"a": "1", "b": "2"}
    assert (await apply({"c": "3"}, "two")).data == {"a": "1", "b": "2", "c": "3"}
    assert (await apply({"a": "1"}, "one")).data == {"a": "1", "c": "3"}
    with pytest.raises(ApiException) as conflict:
        await apply({"a": "9"}, "two")
    assert conflict.value.status == 409
    assert 'conflict with "one": .data.a' in json.loads(conflict.value.body)["message"]


async def test_a_watch_sees_what_happens(api: client.ApiClient, namespace: str) -> None:
    core = client.CoreV1Api(api)
    version = (await core.list_namespaced_config_map(namespace)).metadata.resource_version

    async def seen() -> list[tuple[str, str]]:
        found = []
        async with watch.Watch() as stream:
            events = stream.stream(core.list_namespaced_config_map, namespace, resource_version=version)
            async for event in events:
                found.append((event["type"], event["object"].metadata.name))
                if event["type"] == "DELETED":
                    break
        return found

    watching = asyncio.create_task(seen())
    await core.create_namespaced_config_map(namespace, {"metadata": {"name": "m"}})
    await core.patch_namespaced_config_map("m", namespace, {"data": {"a": "1"}})
    await core.delete_namespaced_config_map("m", namespace)
    assert await asyncio.wait_for(watching, 30) == [("ADDED", "m"), ("MODIFIED", "m"), ("DELETED", "m")]


async def test_pages_show_one_snapshot(api: client.ApiClient, namespace: str) -> None:
    core = client.CoreV1Api(api)
    for number in range(5):
        await core.create_namespaced_config_map(namespace, {"metadata": {"name": f"m{number}"}})
    page = await core.list_namespaced_config_map(namespace, limit=2)
    version, names = page.metadata.resource_version, [item.metadata.name for item in page.items]
    assert page.metadata.remaining_item_count == 3
    await core.delete_namespaced_config_map("m4", namespace)
    while page.metadata._continue:
        page = await core.list_namespaced_config_map(namespace, limit=2, _continue=page.metadata._continue)
        assert page.metadata.resource_version == version
        names += [item.metadata.name for item in page.items]
    assert names == ["m0", "m1", "m2", "m3", "m4"]
