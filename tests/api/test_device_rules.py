"""What kube-apiserver refuses of device classes, claims and slices (resource.k8s.io/v1), in its words and order."""

from __future__ import annotations

from typing import Any

import pytest

from tests.plane import Plane

ROOT = "/apis/resource.k8s.io/v1"
MERGE = {"Content_Type": "application/merge-patch+json"}
UNKNOWN = "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'"
ONE_PLACE = "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required"
OWN_PLACE = (
    "exactly one of `nodeName`, `nodeSelector`, or `allNodes` is required when `perDeviceNodeSelection` is set to true "
    "in the ResourceSlice spec"
)
IDENTIFIER = (
    "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric characters "
    "or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName', regex used for validation is '[A-Za-z_][A-Za-z0-9_]*')"
)


def faults(plane: Plane, path: str, spec: dict[str, Any], **metadata: str) -> list[str]:
    """What a dry run is told; nothing where it is admitted."""
    body = {"metadata": metadata or {"generateName": "x"}, "spec": spec}
    status, answer = plane.request("POST", f"{ROOT}/{path}?dryRun=All", body)
    if status == 201:
        return []
    return [f"{cause['field']}: {cause['message']}" for cause in answer["details"]["causes"]]


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("device.driver == 'dra.example.com'", ""),
        ("device.attributes['dra.example.com'].ready", ""),
        ("cel.bind(own, device.attributes['dra.example.com'], own.a && own.b)", ""),
        ("device.capacity['dra.example.com'].memory.compareTo(quantity('1Gi')) >= 0", ""),
        (
            "device.model == 'a'",
            "compilation failed: ERROR: <input>:1:7: undefined field 'model'\n | device.model == 'a'\n | ......^",
        ),
        ("device.attributes['a'].size() + 1", "must evaluate to bool or the unknown type, not int"),
        ("[1]", "must evaluate to bool or the unknown type, not list(int)"),
    ],
)
@pytest.mark.parametrize("inside", ["class", "claim"])
def test_selectors_are_compiled(plane: Plane, inside: str, expression: str, why: str) -> None:
    pytest.importorskip("cel_expr_python")
    selectors = [{"cel": {"expression": expression}}]
    if inside == "class":
        found, at = faults(plane, "deviceclasses", {"selectors": selectors}), "spec.selectors[0].cel.expression"
    else:
        wanted = {"deviceClassName": "c", "selectors": selectors}
        spec = {"devices": {"requests": [{"name": "r", "exactly": wanted}]}}
        found = faults(plane, "namespaces/default/resourceclaims", spec)
        at = "spec.devices.requests[0].exactly.selectors[0].cel.expression"
    assert found == ([f'{at}: Invalid value: "{expression}": {why}'] if why else [])


def test_a_text_that_is_no_expression(plane: Plane) -> None:
    pytest.importorskip("cel_expr_python")
    (found,) = faults(plane, "deviceclasses", {"selectors": [{"cel": {"expression": "device."}}]})
    start = 'Invalid value: "device.": compilation failed: ERROR: <input>:1:8: Syntax error:'
    assert found.startswith(f"spec.selectors[0].cel.expression: {start}")


def test_classes(plane: Plane) -> None:
    opaque = {"driver": "a.b", "parameters": [1]}
    spec = {"selectors": [{}], "config": [{}, {"opaque": opaque}], "extendedResourceName": "plain"}
    assert faults(plane, "deviceclasses", spec) == [
        "spec.selectors[0].cel: Required value",
        "spec.config[0].opaque: Required value",
        'spec.config[1].opaque.parameters: Invalid value: "<value omitted>": must be a valid JSON object',
        'spec.extendedResourceName: Invalid value: "plain": must be a valid extended resource name',
    ]


def test_requests_of_claims(plane: Plane) -> None:
    sub = {"name": "s", "deviceClassName": "c"}
    tolerations = [{"operator": "Exists", "value": "x"}, {"key": "a", "operator": "In", "effect": "Never"}]
    requests = [
        {"name": "a", "exactly": {"deviceClassName": "c", "allocationMode": "All", "count": 2}},
        {"name": "a", "firstAvailable": [sub, sub]},
        {"name": "b"},
        {"name": "c", "exactly": {"deviceClassName": "c"}, "firstAvailable": [sub]},
        {"name": "d", "exactly": {"tolerations": tolerations}},
    ]
    at = "spec.devices.requests"
    why = "exactly one of `exactly` or `firstAvailable` is required"
    assert faults(plane, "namespaces/default/resourceclaims", {"devices": {"requests": requests}}) == [
        f"{at}[0].exactly.count: Invalid value: 2: must not be specified when allocationMode is 'All'",
        f'{at}[1].firstAvailable[1]: Duplicate value: "s"',
        f"{at}[2]: Required value: {why}",
        f"{at}[3]: Invalid value: null: {why}, but multiple fields are set",
        f"{at}[4].exactly.deviceClassName: Required value",
        f'{at}[4].exactly.tolerations[0].value: Invalid value: "x": must be empty for operator `Exists`',
        f'{at}[4].exactly.tolerations[1].operator: Unsupported value: "In": supported values: "Equal", "Exists"',
        f'{at}[4].exactly.tolerations[1].effect: Unsupported value: "Never": supported values: "NoExecute", '
        '"NoSchedule", "None"',
        f'{at}[1]: Duplicate value: "a"',
    ]


def test_constraints_of_claims(plane: Plane) -> None:
    requests = [{"name": "a", "firstAvailable": [{"name": "s", "deviceClassName": "c"}]}]
    constraints = [{"requests": ["a", "a/s", "b", "a/b/c", "a"], "matchAttribute": "x"}, {}]
    devices = {"requests": requests, "constraints": constraints}
    at = "spec.spec.devices.constraints"
    one = 'exactly one of "matchAttribute" or "distinctAttribute" is required, but multiple fields are set'
    spec = {"spec": {"devices": devices}}
    assert faults(plane, "namespaces/default/resourceclaimtemplates", spec) == [
        f'{at}[0].requests[2]: Invalid value: "b": {UNKNOWN}',
        f'{at}[0].requests[3]: Invalid value: "a/b/c": {UNKNOWN}',
        f'{at}[0].requests[4]: Duplicate value: "a"',
        f'{at}[0].matchAttribute: Invalid value: "x": a fully qualified name must be a domain and a name separated by '
        "a slash",
        f"{at}[1]: Required value: {one}",
    ]


def test_what_a_claim_is_given(plane: Plane, namespace: str) -> None:
    path = f"{ROOT}/namespaces/{namespace}/resourceclaims"
    request = {"name": "r", "exactly": {"deviceClassName": "c"}}
    body = {"metadata": {"name": "a"}, "spec": {"devices": {"requests": [request]}}}
    assert plane.request("POST", path, body)[0] == 201
    device = {"driver": "dra.example.com", "pool": "p", "device": "d"}
    wrong = {**device, "request": "x", "pool": "", "shareID": "A", "bindingConditions": ["a"]}
    status = {"allocation": {"devices": {"results": [wrong], "config": [{"source": "Class"}]}}, "devices": [device]}
    code, answer = plane.request("PATCH", f"{path}/a/status", {"status": status}, **MERGE)
    at = "status.allocation.devices"
    form = "`xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx` with lowercase hexadecimal characters"
    assert [f"{cause['field']}: {cause['message']}" for cause in answer["details"]["causes"]] == [
        "status.devices[0]: Invalid value: dra.example.com/p/d: must be an allocated device in the claim",
        f'{at}.results[0].request: Invalid value: "x": {UNKNOWN}',
        f"{at}.results[0].pool: Required value",
        f"{at}.results[0].bindingFailureConditions: Invalid value: null: bindingFailureConditions are required to use "
        "bindingConditions",
        f'{at}.results[0].shareID: Invalid value: "A": uid must be in RFC 4122 normalized form, {form}',
        f'{at}.config[0].source: Unsupported value: "Class": supported values: "FromClaim", "FromClass"',
        f"{at}.config[0].opaque: Required value",
    ]
    assert code == 422
    good = {"allocation": {"devices": {"results": [{**device, "request": "r"}]}}, "devices": [device]}
    assert plane.request("PATCH", f"{path}/a/status", {"status": good}, **MERGE)[0] == 200


def slice_faults(plane: Plane, **spec: Any) -> list[str]:
    pool = {"name": "p", "resourceSliceCount": 1, "generation": 1}
    return faults(plane, "resourceslices", {"driver": "dra.example.com", "pool": pool, **spec})


def test_attributes_and_capacities(plane: Plane) -> None:
    attributes = {
        "dra.example.com/version": {"version": "1.2.3-rc.1+build"},
        "no-identifier": {"string": "x" * 65},
        "none": {},
        "/name": {"int": 1},
        "several": {"bool": True, "int": 1},
        "version": {"version": "v1"},
    }
    device = {"name": "d", "attributes": attributes, "capacity": {"domain.example/": {"value": "1"}}}
    at = "spec.devices[0]"
    assert slice_faults(plane, nodeName="n", devices=[device]) == [
        f'{at}.attributes[/name]: Invalid value: "": the domain must not be empty',
        f'{at}.attributes[no-identifier]: Invalid value: "no-identifier": {IDENTIFIER}',
        f"{at}.attributes[no-identifier].string: Too long: may not be more than 64 bytes",
        f'{at}.attributes[none]: Invalid value: "": exactly one value must be specified',
        f'{at}.attributes[several]: Invalid value: {{"IntValue":1,"BoolValue":true,"StringValue":null,'
        '"VersionValue":null}: exactly one value must be specified',
        f'{at}.attributes[version].version: Invalid value: "v1": must be a string compatible with semver.org spec '
        "2.0.0",
        f'{at}.capacity[domain.example/]: Invalid value: "": the name must not be empty',
    ]
    many = {"name": "d", "attributes": {f"a{n}": {"int": n} for n in range(33)}}
    why = "the total number of attributes and capacities must not exceed 32"
    assert slice_faults(plane, nodeName="n", devices=[many]) == [f"{at}: Invalid value: 33: {why}"]


def test_a_null_is_an_empty_value(plane: Plane) -> None:
    device = {"name": "d", "attributes": {"a": None}, "capacity": {"b": None}, "taints": [None]}
    why = "exactly one value must be specified"
    found = slice_faults(plane, allNodes=True, devices=[device, None])
    assert found[0] == f'spec.devices[0].attributes[a]: Invalid value: "": {why}'
    assert found[-1].startswith('spec.devices[1].name: Invalid value: "": a lowercase RFC 1123 label must consist')


def test_where_devices_are(plane: Plane) -> None:
    term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["a"]}]}
    shown = '{"MatchExpressions":null,"MatchFields":[{"Key":"metadata.name","Operator":"In","Values":["a"]}]}'
    assert slice_faults(plane, allNodes=False) == [
        "spec.allNodes: Invalid value: false: must be either unset or set to true",
        f"spec: Required value: {ONE_PLACE}",
    ]
    assert slice_faults(plane, nodeName="n", nodeSelector={"nodeSelectorTerms": [term, term]}) == [
        f"spec.nodeSelector.nodeSelectorTerms: Invalid value: [{shown},{shown}]: must have exactly one node selector "
        "term",
        f'spec: Invalid value: "{{`nodeName`, `nodeSelector`}}": {ONE_PLACE}, but multiple fields are set',
    ]
    devices = [{"name": "a"}, {"name": "b", "nodeName": "n", "allNodes": True}, {"name": "c", "allNodes": True}]
    assert slice_faults(plane, perDeviceNodeSelection=True, devices=devices) == [
        f"spec.devices[0]: Required value: {OWN_PLACE}",
        f'spec.devices[1]: Invalid value: "{{`nodeName`, `allNodes`}}": {OWN_PLACE}',
    ]
    assert slice_faults(plane, allNodes=True, devices=devices[2:]) == [
        "spec.devices[0]: Invalid value: null: `nodeName`, `nodeSelector` and `allNodes` can only be set if "
        "`perDeviceNodeSelection` is set to true in the ResourceSlice spec"
    ]


def test_taints_and_counters(plane: Plane) -> None:
    taints = [{"key": "a", "effect": "NoSchedule"}, {"key": "a", "effect": "Never"}]
    consumed = [{"counterSet": "c", "counters": {"memory": {"value": "1Gi"}}}, {"counterSet": "c"}]
    devices = [{"name": "a", "taints": taints, "consumesCounters": consumed}, {"name": "a"}]
    assert slice_faults(plane, allNodes=True, devices=devices) == [
        'spec.devices[0].taints[1].effect: Unsupported value: "Never": supported values: "NoExecute", "NoSchedule", '
        '"None"',
        "spec.devices[0].consumesCounters[1].counters: Required value",
        'spec.devices[0].consumesCounters[1]: Duplicate value: "c"',
        'spec.devices[1]: Duplicate value: "a"',
    ]
    more = [{"name": f"d{n}", "taints": taints[:1]} for n in range(65)]
    assert slice_faults(plane, allNodes=True, devices=more) == [
        "spec.devices: Too many: 65: must have at most 64 items"
    ]
    assert slice_faults(plane, allNodes=True, devices=[{"name": f"d{n}"} for n in range(65)]) == []
    both = slice_faults(plane, allNodes=True, devices=[{"name": "a"}], sharedCounters=[{"name": "c"}])
    assert both == [
        'spec: Invalid value: "": only one of `sharedCounters` or `devices` is allowed',
        "spec.sharedCounters[0].counters: Required value",
    ]


@pytest.mark.parametrize(
    ("policy", "found"),
    [
        ({"validValues": ["1", "2"], "default": "2"}, []),
        ({"validRange": {"min": "1", "max": "9", "step": "2"}, "default": "3"}, []),
        ({"validValues": ["1"]}, [".default: Required value: required when validValues is defined"]),
        (
            {"validValues": ["3", "2", "20"], "default": "4"},
            [
                '.validValues[1]: Invalid value: "2": values must be sorted in ascending order',
                '.validValues[2]: Invalid value: "20": option is larger than capacity value: 10',
                '.validValues: Invalid value: "4": default value is not valid according to the requestPolicy',
            ],
        ),
        (
            {"validRange": {"min": "2", "max": "20", "step": "3"}, "default": "1"},
            [
                '.validRange.min: Invalid value: "1": default is less than min: 2',
                '.validRange.max: Invalid value: "20": max is larger than capacity value: 10',
                '.validRange.step: Invalid value: "1": value is not a multiple of a given step (3) from (2)',
            ],
        ),
        (
            {"validValues": ["1"], "validRange": {"min": "1"}},
            [
                ': Forbidden: exactly one policy can be specified, cannot specify "validValues" and "validRange" at '
                "the same time"
            ],
        ),
    ],
)
def test_how_capacity_is_shared(plane: Plane, policy: dict[str, Any], found: list[str]) -> None:
    device = {
        "name": "d",
        "allowMultipleAllocations": True,
        "capacity": {"m": {"value": "10", "requestPolicy": policy}},
    }
    at = "spec.devices[0].capacity[m].requestPolicy"
    assert slice_faults(plane, allNodes=True, devices=[device]) == [f"{at}{fault}" for fault in found]
    alone = {**device, "allowMultipleAllocations": False}
    why = f"{at}: Forbidden: allowMultipleAllocations must be true"
    assert slice_faults(plane, allNodes=True, devices=[alone]) == [why]
