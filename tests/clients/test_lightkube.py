"""lightkube: typed objects, patches, apply, watches, scale, and objects of a custom resource."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest
from lightkube import ApiError, Client, KubeConfig
from lightkube.generic_resource import create_namespaced_resource
from lightkube.models.apiextensions_v1 import (
    CustomResourceDefinitionNames,
    CustomResourceDefinitionSpec,
    CustomResourceDefinitionVersion,
    CustomResourceSubresources,
    CustomResourceValidation,
    JSONSchemaProps,
)
from lightkube.models.apps_v1 import DeploymentSpec
from lightkube.models.autoscaling_v1 import ScaleSpec
from lightkube.models.core_v1 import Container, PodSpec, PodTemplateSpec, ServicePort, ServiceSpec
from lightkube.models.meta_v1 import LabelSelector, ObjectMeta
from lightkube.resources.apiextensions_v1 import CustomResourceDefinition
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import ConfigMap, Service
from lightkube.types import PatchType

from tests.plane import Plane


@pytest.fixture
def client(plane: Plane, namespace: str) -> Client:
    config = KubeConfig.from_file(str(plane.kubeconfig))
    return Client(config=config.get(), namespace=namespace, field_manager="lightkube", trust_env=False)


def service(name: str, **labels: str) -> Service:
    spec = ServiceSpec(selector={"app": name}, ports=[ServicePort(port=80)])
    return Service(metadata=ObjectMeta(name=name, labels=labels), spec=spec)


def test_a_service_lives_and_goes(client: Client) -> None:
    made = client.create(service("web", tier="front"))
    assert made.spec is not None and made.spec.ports is not None and made.spec.ports[0].protocol == "TCP"
    made.spec.sessionAffinity = "ClientIP"
    assert client.replace(made).spec.sessionAffinityConfig.clientIP.timeoutSeconds == 10800
    changed = client.patch(Service, "web", {"metadata": {"labels": {"tier": None, "new": "1"}}})
    assert changed.metadata.labels == {"new": "1"}
    assert [item.metadata.name for item in client.list(Service, labels={"new": "1"})] == ["web"]
    client.delete(Service, "web")
    with pytest.raises(ApiError) as gone:
        client.get(Service, "web")
    assert (gone.value.status.code, gone.value.status.reason) == (404, "NotFound")


def test_patch_types(client: Client) -> None:
    client.create(ConfigMap(metadata=ObjectMeta(name="m"), data={"a": "1"}))
    steps = [{"op": "test", "path": "/data/a", "value": "1"}, {"op": "add", "path": "/data/b", "value": "2"}]
    assert client.patch(ConfigMap, "m", steps, patch_type=PatchType.JSON).data == {"a": "1", "b": "2"}
    assert client.patch(ConfigMap, "m", {"data": {"a": None}}, patch_type=PatchType.MERGE).data == {"b": "2"}


def test_apply_and_its_conflict(client: Client) -> None:
    wanted = ConfigMap(metadata=ObjectMeta(name="m"), data={"a": "1"})
    assert client.apply(wanted).metadata.managedFields[0].operation == "Apply"
    theirs = ConfigMap(metadata=ObjectMeta(name="m"), data={"a": "2"})
    with pytest.raises(ApiError) as conflict:
        client.apply(theirs, field_manager="other")
    assert conflict.value.status.details.causes[0].field == ".data.a"
    assert client.apply(theirs, field_manager="other", force=True).data == {"a": "2"}


def test_lists_in_chunks_and_a_watch_from_there(client: Client) -> None:
    for number in range(5):
        client.create(ConfigMap(metadata=ObjectMeta(name=f"m{number}", labels={"n": "x"})))
    listed = client.list(ConfigMap, labels={"n": "x"}, chunk_size=2)
    assert [item.metadata.name for item in listed] == [f"m{number}" for number in range(5)]
    version = listed.resourceVersion
    client.delete(ConfigMap, "m0")
    client.create(ConfigMap(metadata=ObjectMeta(name="m5", labels={"n": "x"})))
    watching = client.watch(ConfigMap, labels={"n": "x"}, resource_version=version, server_timeout=20)
    events = [next(watching), next(watching)]
    assert [(kind, obj.metadata.name) for kind, obj in events] == [("DELETED", "m0"), ("ADDED", "m5")]


def test_scale_is_a_subresource(client: Client) -> None:
    labels = {"app": "web"}
    pod = PodTemplateSpec(metadata=ObjectMeta(labels=labels), spec=PodSpec([Container("c", image="nginx")]))
    spec = DeploymentSpec(selector=LabelSelector(matchLabels=labels), template=pod)
    client.create(Deployment(metadata=ObjectMeta(name="web"), spec=spec))
    scale = Deployment.Scale(metadata=ObjectMeta(name="web"), spec=ScaleSpec(replicas=4))
    assert client.replace(scale, "web").spec.replicas == 4
    assert client.get(Deployment, "web").spec.replicas == 4


@pytest.fixture
def group(client: Client) -> Iterator[str]:
    """The API group of a custom resource `widgets`."""
    name = f"g{secrets.token_hex(4)}.example.com"
    schema = JSONSchemaProps(
        type="object",
        properties={
            "spec": JSONSchemaProps(type="object", properties={"size": JSONSchemaProps(type="integer", minimum=1)}),
            "status": JSONSchemaProps(type="object", x_kubernetes_preserve_unknown_fields=True),
        },
    )
    version = CustomResourceDefinitionVersion(
        name="v1",
        served=True,
        storage=True,
        schema=CustomResourceValidation(openAPIV3Schema=schema),
        subresources=CustomResourceSubresources(status={}),
    )
    names = CustomResourceDefinitionNames(kind="Widget", plural="widgets")
    spec = CustomResourceDefinitionSpec(group=name, names=names, scope="Namespaced", versions=[version])
    client.create(CustomResourceDefinition(metadata=ObjectMeta(name=f"widgets.{name}"), spec=spec))
    client.wait(CustomResourceDefinition, f"widgets.{name}", for_conditions=["Established"])
    yield name
    client.delete(CustomResourceDefinition, f"widgets.{name}")


def test_custom_resources(client: Client, group: str) -> None:
    widget = create_namespaced_resource(group, "v1", "Widget", "widgets")
    made = client.create(widget(metadata=ObjectMeta(name="w"), spec={"size": 2, "unknown": True}))
    assert made["spec"] == {"size": 2}
    with pytest.raises(ApiError) as refused:
        client.patch(widget, "w", {"spec": {"size": 0}}, patch_type=PatchType.MERGE)
    assert "spec.size in body should be greater than or equal to 1" in refused.value.status.message
    status = widget.Status(metadata=ObjectMeta(name="w"), status={"phase": "Ready"})
    status.metadata.resourceVersion = made.metadata.resourceVersion
    assert client.replace(status)["status"] == {"phase": "Ready"}
    assert client.get(widget, "w")["spec"] == {"size": 2}
