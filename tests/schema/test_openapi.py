"""OpenAPI documents."""

from __future__ import annotations

import orjson
import pytest

from apiserver.kinds import KINDS
from apiserver.schema.openapi import OpenAPI
from apiserver.schema.references import references
from apiserver.schema.registry import Schemas


def served(minor: int) -> OpenAPI:
    return OpenAPI(Schemas.for_minor(minor), [kind for kind in KINDS if kind.since <= minor <= kind.until])


@pytest.fixture(scope="module")
def openapi() -> OpenAPI:
    return served(36)


def test_v2_operations(openapi: OpenAPI) -> None:
    document = openapi.v2()
    assert document["swagger"] == "2.0" and document["info"]["title"] == "Kubernetes"
    pods = document["paths"]["/api/v1/namespaces/{namespace}/pods"]["get"]
    assert pods["operationId"] == "listCoreV1NamespacedPod" and pods["x-kubernetes-action"] == "list"
    assert pods["x-kubernetes-group-version-kind"] == {"group": "", "kind": "Pod", "version": "v1"}
    patch = document["paths"]["/api/v1/namespaces/{namespace}/services/{name}"]["patch"]
    assert patch["consumes"] == [
        "application/json-patch+json",
        "application/merge-patch+json",
        "application/strategic-merge-patch+json",
        "application/apply-patch+yaml",
    ]
    created = document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments"]["post"]["responses"]["201"]
    assert created == {"description": "Created", "schema": {"$ref": "#/definitions/io.k8s.api.apps.v1.Deployment"}}


def test_v3_operations(openapi: OpenAPI) -> None:
    core, apps = openapi.v3("", "v1"), openapi.v3("apps", "v1")
    assert core is not None and apps is not None and core["openapi"] == "3.0.0"
    status = core["paths"]["/api/v1/namespaces/{namespace}/pods/{name}/status"]
    assert status["get"]["operationId"] == "readCoreV1NamespacedPodStatus"
    assert core["paths"]["/api/v1/pods"]["get"]["operationId"] == "listCoreV1PodForAllNamespaces"
    scale = apps["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}/scale"]["put"]
    assert scale["operationId"] == "replaceAppsV1NamespacedDeploymentScale"
    assert scale["x-kubernetes-group-version-kind"] == {"group": "autoscaling", "kind": "Scale", "version": "v1"}
    rbac = openapi.v3("rbac.authorization.k8s.io", "v1")
    assert rbac is not None
    path = rbac["paths"]["/apis/rbac.authorization.k8s.io/v1/clusterroles/{name}"]
    assert path["delete"]["operationId"] == "deleteRbacAuthorizationV1ClusterRole"


def test_v3_schemas_say_what_explain_prints(openapi: OpenAPI) -> None:
    core = openapi.v3("", "v1")
    assert core is not None
    schemas = core["components"]["schemas"]
    port = schemas["io.k8s.api.core.v1.ServicePort"]
    assert port["required"] == ["port"] and port["properties"]["port"]["type"] == "integer"
    assert port["properties"]["protocol"]["enum"] == ["SCTP", "TCP", "UDP"]
    target = port["properties"]["targetPort"]
    assert target["allOf"] == [{"$ref": "#/components/schemas/io.k8s.apimachinery.pkg.util.intstr.IntOrString"}]
    affinity = schemas["io.k8s.api.core.v1.ServiceSpec"]["properties"]["sessionAffinity"]
    assert affinity["description"].endswith(
        'Possible enum values:\n - `"ClientIP"` is the Client IP based.\n - `"None"` - no session affinity.'
    )
    ports = schemas["io.k8s.api.core.v1.ServiceSpec"]["properties"]["ports"]
    assert ports["x-kubernetes-patch-merge-key"] == "port" and ports["x-kubernetes-patch-strategy"] == "merge"


def test_unserved_group_version_has_no_document(openapi: OpenAPI) -> None:
    assert openapi.v3("nosuch.example.com", "v1") is None


def test_index_names_every_document(openapi: OpenAPI) -> None:
    paths = openapi.v3_index()["paths"]
    assert paths["apis/apps/v1"]["serverRelativeURL"].startswith("/openapi/v3/apis/apps/v1?hash=")
    assert paths["api/v1"]["serverRelativeURL"] == served(36).v3_index()["paths"]["api/v1"]["serverRelativeURL"]
    assert paths["api/v1"] != served(30).v3_index()["paths"]["api/v1"]


@pytest.mark.parametrize("minor", Schemas.minors())
def test_documents_are_whole(minor: int) -> None:
    """Every reference resolves, operation ids are unique, everything can be encoded: for every kind of every minor."""
    openapi = served(minor)
    for group, version in {(kind.group, kind.version) for kind in openapi.kinds}:
        document = openapi.v3(group, version)
        assert document is not None and orjson.dumps(document)
        known = set(document["components"]["schemas"])
        assert set(references(document)) <= known
        operations = [item for path in document["paths"].values() for item in path.values() if isinstance(item, dict)]
        ids = [operation["operationId"] for operation in operations]
        assert len(ids) == len(set(ids)), (group, version)
    document = openapi.v2()
    assert orjson.dumps(document) and set(references(document)) <= set(document["definitions"])
