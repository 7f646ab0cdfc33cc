"""Policies whose expressions do not fit the types of what they match: `status.typeChecking`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apiserver.dynamicadmission.typechecking import expression_warnings, kinds_to_check
from apiserver.kinds import KINDS
from apiserver.registry import Registry
from tests.plane import Plane

pytest.importorskip("cel_expr_python")

Json = dict[str, Any]
REGISTRY = Registry(KINDS, 36)


def rule(groups: str, *resources: str, version: str = "v1") -> Json:
    return {"apiGroups": groups.split(","), "apiVersions": [version], "resources": list(resources)}


APPS, PODS = rule("apps", "deployments", "replicasets"), rule("", "pods")


def warnings(rules: list[Json], *expressions: str, **spec: Any) -> list[Json]:
    validations = [{"expression": expression} for expression in expressions]
    stated = {"matchConstraints": {"resourceRules": rules}, "validations": validations, **spec}
    return expression_warnings({"spec": stated}, REGISTRY.kinds(), REGISTRY.schemas)


def test_a_field_that_no_kind_has() -> None:
    (found,) = warnings([APPS], "object.replicas > 1")
    shown = "ERROR: <input>:1:7: undefined field 'replicas'\n | object.replicas > 1\n | ......^\n"
    assert found == {
        "fieldRef": "spec.validations[0].expression",
        "warning": f"apps/v1, Kind=Deployment: {shown}\napps/v1, Kind=ReplicaSet: {shown}",
    }


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("request.userInfo.user == 'x'", "undefined field 'user'"),
        ("namespaceObject.metadata.labels['a'] == 1", "'_==_' applied to '(string, int)'"),
        ("object.metadata.creationTimestamp > 1", "'_>_' applied to '(timestamp, int)'"),
        ("object.spec.containers.all(i, c, c.nam == 'a')", "undefined field 'nam'"),
        ("variables.names == ['a'] && variables.count == 'a'", "'_==_' applied to '(int, string)'"),
        ("params.data.a == 1", "'_==_' applied to '(string, int)'"),
    ],
)
def test_what_does_not_type_check(expression: str, text: str) -> None:
    variables = [
        {"name": "names", "expression": "object.spec.containers.map(c, c.name)"},
        {"name": "count", "expression": "size(variables.names)"},
    ]
    params = {"apiVersion": "v1", "kind": "ConfigMap"}
    (found,) = warnings([PODS], expression, variables=variables, paramKind=params)
    assert found["warning"].startswith("/v1, Kind=Pod: ERROR: <input>:1:")
    assert text in found["warning"]


@pytest.mark.parametrize(
    "expression",
    """
object == oldObject || oldObject == null || object.metadata.name == request.name
object.spec.containers.all(c, c.resources.limits['cpu'] == '1' && c.?ports.orValue([]).all(p, p.containerPort > 5))
quantity(object.spec.containers[0].resources.requests['cpu']).isGreaterThan(quantity('1'))
authorizer.group('apps').resource('deployments').namespace('a').check('create').allowed()
authorizer.requestResource.check('get').reason() == 'a' && object.metadata.labels.all(k, v, k != v)
namespaceObject.metadata.labels.a == 'b' && request.options.dryRun[0] == 'All' && request.kind.group == 'apps'
""".strip().splitlines(),
)
def test_what_type_checks(expression: str) -> None:
    assert warnings([PODS], expression) == []


def test_message_expressions_and_parameters_of_no_kind() -> None:
    found = warnings(
        [PODS],
        validations=[{"expression": "params.a == 1", "messageExpression": "1 + 'a'"}],
        paramKind={"apiVersion": "example.com/v1", "kind": "Unknown"},
    )
    assert [one["fieldRef"] for one in found] == [
        "spec.validations[0].expression",
        "spec.validations[0].messageExpression",
    ]
    assert "undeclared reference to 'params' (in container '')" in found[0]["warning"]


def test_schemas_that_hold_themselves() -> None:
    schema = "object.spec.versions[0].schema.openAPIV3Schema.properties.all(k, k != '')"
    assert warnings([rule("apiextensions.k8s.io", "customresourcedefinitions")], schema) == []


@pytest.mark.parametrize(
    ("rules", "kinds"),
    [
        ([rule("*", "pods")], []),
        ([rule("", "pods", version="*")], []),
        ([rule("", "*", "pods/status")], []),
        ([rule("apps,batch", "jobs", "deployments"), PODS], ["Pod", "Deployment", "Job"]),
        ([rule("", "events")], ["Event", "Event"]),
        ([rule("apps", "nothing")], []),
        (
            [rule("", *"pods services nodes secrets configmaps events endpoints namespaces limitranges".split()), APPS],
            [*"ConfigMap Endpoints Event LimitRange Namespace Node Pod Secret Service".split(), "Event"],
        ),
    ],
)
def test_the_kinds_that_are_looked_at(rules: list[Json], kinds: list[str]) -> None:
    found = kinds_to_check({"matchConstraints": {"resourceRules": rules}}, REGISTRY.kinds())
    assert [kind.kind for kind in found] == kinds


def test_the_status_of_a_policy(plane: Plane, namespace: str, register: Callable[..., Any]) -> None:
    path = f"/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/{namespace}"
    constraints = {"resourceRules": [{**APPS, "operations": ["CREATE"]}]}
    spec = {"matchConstraints": constraints, "validations": [{"expression": "object.spec.replicas > 1"}]}
    register("validatingadmissionpolicies", {"metadata": {"name": namespace}, "spec": spec})
    found = plane.eventually(path, lambda policy: policy.get("status", {}).get("observedGeneration") == 1)
    assert found["status"] == {"observedGeneration": 1, "typeChecking": {}}
    patch = {"spec": {"validations": [{"expression": "object.replicas > 1"}]}}
    assert plane.request("PATCH", path, patch, Content_Type="application/merge-patch+json")[0] == 200
    found = plane.eventually(path, lambda policy: policy["status"]["observedGeneration"] == 2)
    (warning,) = found["status"]["typeChecking"]["expressionWarnings"]
    assert warning["warning"].startswith("apps/v1, Kind=Deployment: ERROR: <input>:1:7: undefined field 'replicas'")
