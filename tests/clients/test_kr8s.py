"""kr8s: objects that create, patch, watch and delete themselves; kinds that it looks up by discovery."""

from __future__ import annotations

import asyncio
from typing import Any

import kr8s
import pytest
from kr8s.asyncio import Api
from kr8s.asyncio import api as connect
from kr8s.asyncio.objects import ConfigMap, Deployment, Service

from tests.plane import Plane

pytestmark = pytest.mark.filterwarnings("ignore:Kubernetes version:UserWarning")  # it knows no newer one than 1.35


@pytest.fixture
async def api(plane: Plane, namespace: str) -> Api:
    return await connect(kubeconfig=str(plane.kubeconfig), namespace=namespace)


def config_map(api: Api, namespace: str, name: str, **data: str) -> Any:
    body = {"metadata": {"name": name, "namespace": namespace, "labels": {"of": "kr8s"}}, "data": data}
    return ConfigMap(body, api=api)


async def test_an_object_lives_and_goes(api: Api, namespace: str) -> None:
    found = await config_map(api, namespace, "m", a="1")
    await found.create()
    assert found.raw.metadata.uid
    await found.patch({"data": {"b": "2"}})
    assert found.raw.data == {"a": "1", "b": "2"}
    await found.patch([{"op": "remove", "path": "/data/a"}], type="json")
    assert found.raw.data == {"b": "2"}
    await found.label({"tier": "front"})
    await found.annotate({"note": "x"})
    again = await ConfigMap.get("m", namespace=namespace, api=api)
    assert (again.labels["tier"], again.annotations["note"]) == ("front", "x")
    await again.delete()
    assert not await again.exists()


async def test_a_missing_object(api: Api, namespace: str) -> None:
    with pytest.raises(kr8s.NotFoundError):
        await Service.get("nothing", namespace=namespace, api=api, timeout=1)


async def test_lists_page_by_a_hundred(api: Api, namespace: str) -> None:
    await asyncio.gather(*[(await config_map(api, namespace, f"m{number}")).create() for number in range(101)])
    names = [obj.name async for obj in api.get("configmaps", namespace=namespace, label_selector="of=kr8s")]
    assert len(set(names)) == len(names) == 101


async def test_a_watch_goes_on_from_the_object(api: Api, namespace: str) -> None:
    found = await config_map(api, namespace, "m", a="1")
    await found.create()
    other = await ConfigMap.get("m", namespace=namespace, api=api)
    await other.patch({"data": {"a": "2"}})
    seen = []
    async for kind, obj in found.watch():
        seen.append((kind, obj.raw.data["a"]))
        if kind == "DELETED":
            break
        await other.delete()
    assert seen == [("MODIFIED", "2"), ("DELETED", "2")]


async def test_a_deployment_is_scaled(api: Api, namespace: str) -> None:
    labels = {"app": "web"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "nginx"}]}}
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    found = await Deployment({"metadata": {"name": "web", "namespace": namespace}, "spec": spec}, api=api)
    await found.create()
    await found.patch({"spec": {"replicas": 3}}, subresource="scale")
    await found.refresh()
    assert found.replicas == 3


async def test_discovery_and_identity(api: Api) -> None:
    kinds = {(entry["version"], entry["kind"]) for entry in await api.api_resources()}
    assert {("v1", "Pod"), ("apps/v1", "Deployment"), ("coordination.k8s.io/v1", "Lease")} <= kinds
    assert await api.whoami() == "kubernetes-admin"
    assert (await api.version())["minor"] == "36"
