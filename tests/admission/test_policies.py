"""Admission policies: CEL expressions that requests have to fulfil, and that change them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from apiserver.dynamicadmission.literals import as_maps
from tests.plane import Plane

Register = Callable[..., Any]
VALIDATING, MUTATING = "validatingadmissionpolicies", "mutatingadmissionpolicies"
MERGE = {"Content_Type": "application/merge-patch+json"}


def constraints(namespace: str, group: str = "", resource: str = "configmaps") -> dict[str, Any]:
    rule = {"operations": ["CREATE", "UPDATE"], "apiGroups": [group], "apiVersions": ["v1"], "resources": [resource]}
    return {
        "resourceRules": [rule],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
    }


def policy(namespace: str, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": namespace}, "spec": {"matchConstraints": constraints(namespace), **spec}}


def binding(namespace: str, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": f"{namespace}-b"}, "spec": {"policyName": namespace, **spec}}


def create(plane: Plane, namespace: str, name: str = "a", **data: str) -> tuple[int, Any]:
    body = {"metadata": {"name": name}, "data": data}
    return plane.request("POST", f"/api/v1/namespaces/{namespace}/configmaps", body)


def validating(register: Register, namespace: str, *, bound: dict[str, Any] | None = None, **spec: Any) -> Any:
    made = register(VALIDATING, policy(namespace, **spec))
    register(
        "validatingadmissionpolicybindings", binding(namespace, **{"validationActions": ["Deny"], **(bound or {})})
    )
    return made


def test_a_denial(plane: Plane, namespace: str, register: Register) -> None:
    made = validating(
        register,
        namespace,
        variables=[{"name": "size", "expression": "size(object.data)"}],
        validations=[
            {"expression": "variables.size <= 1"},
            {"expression": "!('secret' in object.data)", "message": "no secrets", "reason": "Forbidden"},
        ],
    )
    assert made["spec"]["failurePolicy"] == "Fail"
    assert made["spec"]["matchConstraints"]["matchPolicy"] == "Equivalent"
    assert create(plane, namespace, a="1")[0] == 201
    status, answer = create(plane, namespace, "b", a="1", b="2")
    denied = f"ValidatingAdmissionPolicy '{namespace}' with binding '{namespace}-b' denied request"
    text = f"{denied}: failed expression: variables.size <= 1"
    assert (status, answer["reason"]) == (422, "Invalid")
    assert answer["message"] == f'configmaps "b" is forbidden: {text}'
    assert answer["details"] == {"name": "b", "kind": "configmaps", "causes": [{"message": text}]}
    status, answer = create(plane, namespace, "c", secret="1")
    assert (status, answer["reason"]) == (403, "Forbidden")
    assert answer["message"] == f'configmaps "c" is forbidden: {denied}: no secrets'


def test_old_object_user_and_namespace(plane: Plane, namespace: str, register: Register) -> None:
    validating(
        register,
        namespace,
        validations=[
            {
                "expression": "oldObject == null || oldObject.data.k == object.data.k",
                "messageExpression": "'k was ' + oldObject.data.k + ' in ' + namespaceObject.metadata.name",
            },
            {"expression": "request.userInfo.username == 'kubernetes-admin'"},
            {"expression": "authorizer.requestResource.check('create').allowed()"},
        ],
    )
    assert create(plane, namespace, k="1")[0] == 201
    path = f"/api/v1/namespaces/{namespace}/configmaps/a"
    status, answer = plane.request("PATCH", path, {"data": {"k": "2"}}, **MERGE)
    assert (status, answer["message"].endswith(f"denied request: k was 1 in {namespace}")) == (422, True), answer


@pytest.mark.parametrize(("failure_policy", "expected"), [("Fail", 422), ("Ignore", 201)])
def test_expressions_that_cannot_be_evaluated(
    plane: Plane, namespace: str, register: Register, failure_policy: str, expected: int
) -> None:
    spec = {"validations": [{"expression": "object.data.missing == 'x'"}], "failurePolicy": failure_policy}
    validating(register, namespace, **spec)
    status, answer = create(plane, namespace, k="1")
    assert status == expected
    if expected == 422:
        why = "expression 'object.data.missing == 'x'' resulted in error: no such key: missing"
        assert answer["message"].endswith(f"denied request: {why}")


def test_parameters(plane: Plane, namespace: str, register: Register) -> None:
    validating(
        register,
        namespace,
        bound={"paramRef": {"name": "limits", "namespace": "default", "parameterNotFoundAction": "Deny"}},
        paramKind={"apiVersion": "v1", "kind": "ConfigMap"},
        matchConditions=[{"name": "not-limits", "expression": "object.metadata.name != params.metadata.name"}],
        validations=[{"expression": "size(object.data) <= int(params.data.most)"}],
    )
    status, answer = create(plane, namespace, a="1")
    assert status == 422
    assert answer["message"].endswith(
        "denied request: failed to configure binding: no params found for policy binding with `Deny` "
        "parameterNotFoundAction"
    )
    limits = {"metadata": {"name": "limits"}, "data": {"most": "1"}}
    register("/api/v1/namespaces/default/configmaps", limits)
    assert create(plane, namespace, a="1")[0] == 201
    assert create(plane, namespace, "b", a="1", b="2")[0] == 422
    assert create(plane, namespace, "limits", a="1", b="2")[0] == 201


def test_variables_that_grow_without_end(plane: Plane, namespace: str, register: Register) -> None:
    first = {"name": "v0", "expression": "'x'"}
    chain = [{"name": f"v{n}", "expression": " + ".join([f"variables.v{n - 1}"] * 10)} for n in range(1, 30)]
    validating(register, namespace, variables=[first, *chain], validations=[{"expression": "variables.v29 != ''"}])
    status, answer = create(plane, namespace)
    assert status == 422
    assert "operation cancelled: actual cost limit exceeded" in answer["message"]


def test_warnings_instead_of_denials(plane: Plane, namespace: str, register: Register) -> None:
    validations = [{"expression": "false", "message": "better not"}]
    validating(register, namespace, bound={"validationActions": ["Warn", "Audit"]}, validations=validations)
    shown = plane.kubectl("create configmap a", namespace=namespace)
    text = f"Validation failed for ValidatingAdmissionPolicy '{namespace}' with binding '{namespace}-b': better not"
    assert shown.stderr == f"Warning: {text}\n"


def test_a_policy_without_binding_does_nothing(plane: Plane, namespace: str, register: Register) -> None:
    register(VALIDATING, policy(namespace, validations=[{"expression": "false"}]))
    assert create(plane, namespace)[0] == 201


def test_policies_that_make_no_sense(plane: Plane) -> None:
    spec = {
        "matchConstraints": constraints("x"),
        "variables": [{"name": "b", "expression": "variables.a"}, {"name": "in", "expression": "1"}],
        "validations": [
            {"expression": "object.x ==", "message": "a\nb", "reason": "Nope"},
            {"expression": "1 + 1", "messageExpression": "1"},
        ],
    }
    path = f"/apis/admissionregistration.k8s.io/v1/{VALIDATING}"
    status, answer = plane.request("POST", path, {"metadata": {"name": "bad"}, "spec": spec})
    assert status == 422
    texts = {cause["field"].removeprefix("spec."): cause["message"] for cause in answer["details"]["causes"]}
    assert "undefined field 'a'" in texts["variables[0].expression"]
    assert texts["variables[1].name"] == 'Invalid value: "in": name is not a valid CEL identifier'
    assert texts["validations[0].expression"].startswith('Invalid value: "object.x ==": compilation failed: ')
    assert texts["validations[0].message"].endswith("message must not contain line breaks")
    assert texts["validations[0].reason"].startswith('Unsupported value: "Nope"')
    assert texts["validations[1].expression"] == 'Invalid value: "1 + 1": must evaluate to bool'
    assert texts["validations[1].messageExpression"] == 'Invalid value: "1": must evaluate to string'


def mutating(register: Register, namespace: str, *expressions: tuple[str, str], **spec: Any) -> None:
    fields = {"ApplyConfiguration": "applyConfiguration", "JSONPatch": "jsonPatch"}
    mutations = [{"patchType": kind, fields[kind]: {"expression": text}} for kind, text in expressions]
    register(MUTATING, policy(namespace, mutations=mutations, **{"reinvocationPolicy": "Never", **spec}))
    register("mutatingadmissionpolicybindings", binding(namespace))


def test_apply_configuration(plane: Plane, namespace: str, register: Register) -> None:
    text = """Object{
        metadata: Object.metadata{labels: {"team": "a-" + object.metadata.name}},
        spec: Object.spec{ports: [Object.spec.ports{port: 81, name: "more"}]}  // merged by port and protocol
    }"""
    mutating(
        register,
        namespace,
        ("ApplyConfiguration", text),
        matchConstraints=constraints(namespace, resource="services"),
    )
    body = {"metadata": {"name": "web", "labels": {"own": "1"}}, "spec": {"ports": [{"name": "http", "port": 80}]}}
    status, made = plane.request("POST", f"/api/v1/namespaces/{namespace}/services", body)
    assert status == 201, made["message"]
    assert made["metadata"]["labels"] == {"own": "1", "team": "a-web"}
    assert [(port["port"], port["protocol"], port["targetPort"]) for port in made["spec"]["ports"]] == [
        (80, "TCP", 80),
        (81, "TCP", 81),
    ]


def test_json_patch(plane: Plane, namespace: str, register: Register) -> None:
    text = """[
        JSONPatch{op: "add", path: "/metadata/labels", value: {}},
        JSONPatch{op: "add", path: "/metadata/labels/" + jsonpatch.escapeKey("a/b"), value: string(variables.x)}
    ]"""
    mutating(register, namespace, ("JSONPatch", text), variables=[{"name": "x", "expression": "1"}])
    status, made = create(plane, namespace, k="1")
    assert status == 201, made["message"]
    assert made["metadata"]["labels"] == {"a/b": "1"}


def test_mutations_that_do_not_fit(plane: Plane, namespace: str, register: Register) -> None:
    text = 'Object{spec: Object.spec{selector: Object.spec.selector{app: "x"}, nosuch: 1}}'
    mutating(
        register, namespace, ("ApplyConfiguration", text), matchConstraints=constraints(namespace, resource="services")
    )
    body = {"metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}]}}
    status, answer = plane.request("POST", f"/api/v1/namespaces/{namespace}/services", body)
    assert status == 403
    assert answer["message"] == (
        f"policy '{namespace}' with binding '{namespace}-b' denied request: error applying patch: "
        "invalid ApplyConfiguration: may not mutate atomic arrays, maps or structs: .spec.selector"
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('Object{a: 1, b: "x:{y"}', '{"a": 1, "b": "x:{y"}'),
        ("Object.a.b{ c : cond ? x : y }", '{ "c" : cond ? x : y }'),
        ("Object{?a: optional.none()}", '{?"a": optional.none()}'),
        ("{a: 1}", "{a: 1}"),
        ("Object{a: {b: 1}, c: [Object.c{d: f(e ? {g: 1} : h)}]}", '{"a": {b: 1}, "c": [{"d": f(e ? {g: 1} : h)}]}'),
        ('x.map(i, JSONPatch{op: "add", value: Object{z: i}})', 'x.map(i, {"op": "add", "value": {"z": i}})'),
    ],
)
def test_literals_become_maps(text: str, expected: str) -> None:
    assert as_maps(text) == expected
