"""CustomResourceDefinitions over the running server: what is refused, and who gets which names."""

from __future__ import annotations

import secrets
from typing import Any

import pytest

from tests.plane import Plane

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
MERGE = {"Content-Type": "application/merge-patch+json"}
SCHEMA = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
LABEL_1035 = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
    "and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is "
    "'[a-z]([-a-z0-9]*[a-z0-9])?')"
)
APPROVED = "api-approved.kubernetes.io"


def version(name: str = "v1", **fields: Any) -> dict[str, Any]:
    return {"name": name, "served": True, "storage": name == "v1", "schema": SCHEMA, **fields}


def definition(group: str = "probe.example.com", plural: str = "widgets", **fields: Any) -> dict[str, Any]:
    names = {"plural": plural, "singular": plural[:-1], "kind": plural[:-1].capitalize(), **fields.pop("names", {})}
    annotations = {"annotations": fields.pop("annotations")} if "annotations" in fields else {}
    spec = {"group": group, "scope": "Namespaced", "names": names, "versions": [version()], **fields}
    return {"metadata": {"name": f"{plural}.{group}", **annotations}, "spec": spec}


def causes(answer: Any) -> list[str]:
    return [f"{cause['field']}: {cause['message']}" for cause in answer["details"].get("causes", [])]


def shown(name: str, storage: str) -> str:
    """A version as the internal type prints it, without what all versions share."""
    return (
        f'{{"Name":"{name}","Served":true,"Storage":{storage},"Deprecated":false,"DeprecationWarning":null,'
        '"Schema":null,"Subresources":null,"AdditionalPrinterColumns":null,"SelectableFields":null}'
    )


SELECTED = {
    "openAPIV3Schema": {
        "type": "object",
        "properties": {"spec": {"type": "object", "properties": {"a": {"type": "string"}}}},
    }
}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        (
            {"versions": [version("V1", storage=True)]},
            [f'{field}: Invalid value: "V1": {LABEL_1035}' for field in ("spec.versions[0].name", "spec.version")],
        ),
        (
            {"versions": [version(), version("v2", storage=True)]},
            [
                f"spec.versions: Invalid value: [{shown('v1', 'true')},{shown('v2', 'true')}]: must have exactly one "
                "version marked as storage version",
                'status.storedVersions: Invalid value: ["v1"]: must have the storage version v2',
            ],
        ),
        (
            {"versions": [version(), version(storage=False)]},
            [
                f"spec.versions: Invalid value: [{shown('v1', 'true')},{shown('v1', 'false')}]: must contain unique "
                "version names"
            ],
        ),
        (
            {"preserveUnknownFields": True},
            [
                "spec.preserveUnknownFields: Invalid value: true: cannot set to true, set "
                "x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead"
            ],
        ),
        (
            {"versions": [version(schema=SELECTED, selectableFields=[{"jsonPath": "spec.a"}])]},
            [
                'spec.selectableFields[0].jsonPath: Invalid value: "spec.a": is an invalid path: expected [ or . but '
                "got: spec"
            ],
        ),
        (
            {"versions": [version(schema=SELECTED, selectableFields=[{"jsonPath": ".spec['a']"}])]},
            [
                "spec.selectableFields[0].jsonPath: Invalid value: \".spec['a']\": is an invalid path: array notation "
                "is not allowed"
            ],
        ),
        (
            {"versions": [version(additionalPrinterColumns=[{"name": "a", "type": "string"}]), version("v2")]},
            ["spec.versions[0].additionalPrinterColumns[0].JSONPath: Required value"],
        ),
    ],
)
def test_refused_definitions(plane: Plane, fields: dict[str, Any], expected: list[str]) -> None:
    status, answer = plane.request("POST", f"{CRDS}?dryRun=All", definition(**fields))
    assert (status, causes(answer)) == (422, expected)


def test_what_a_version_says_alone_is_told_before_what_all_say(plane: Plane) -> None:
    """The faults of one version come before those of the names; those of what all versions share behind them."""
    column = {"name": "a", "type": "string"}
    lonely = definition(versions=[version(additionalPrinterColumns=[column]), version("v2")], names={"kind": "a b"})
    shared = definition(versions=[version(additionalPrinterColumns=[column])], names={"kind": "a b"})
    fields = []
    for body in (lonely, shared):
        answer = plane.request("POST", f"{CRDS}?dryRun=All", body)[1]
        fields.append([cause["field"] for cause in answer["details"]["causes"]])
    assert fields == [
        ["spec.versions[0].additionalPrinterColumns[0].JSONPath", "spec.names.kind", "spec.names.listKind"],
        ["spec.names.kind", "spec.names.listKind", "spec.additionalPrinterColumns[0].JSONPath"],
    ]


def test_protected_groups_need_an_approval(plane: Plane) -> None:
    path = f"metadata.annotations[{APPROVED}]"
    status, answer = plane.request("POST", CRDS, definition("probe.k8s.io"))
    why = f'protected groups must have approval annotation "{APPROVED}"'
    see = ", see https://github.com/kubernetes/enhancements/pull/1111"
    assert (status, causes(answer)) == (422, [f"{path}: Required value: {why}{see}"])
    answer = plane.request("POST", CRDS, definition("probe.k8s.io", annotations={APPROVED: "yes"}))[1]
    why += ' with either a URL or a reason starting with "unapproved"'
    assert causes(answer) == [f'{path}: Invalid value: "yes": {why}{see}']
    plane.request("POST", CRDS, definition("probe.k8s.io", annotations={APPROVED: "unapproved, an experiment"}))
    at = f"{CRDS}/widgets.probe.k8s.io"
    made = plane.eventually(at, lambda crd: len(crd["status"]["conditions"] or ()) == 3)
    told = {c["type"]: (c["status"], c["reason"], c["message"]) for c in made["status"]["conditions"]}
    assert told["KubernetesAPIApprovalPolicyConformant"] == (
        "False",
        "UnapprovedAPI",
        'not approved: "unapproved, an experiment"',
    )
    url = "https://github.com/kubernetes/kubernetes/pull/1"
    plane.request("PATCH", at, {"metadata": {"annotations": {APPROVED: url}}}, **MERGE)
    plane.eventually(at, lambda crd: crd["status"]["conditions"][-1]["message"] == f"approved in {url}")
    plane.request("DELETE", at)


def test_names_in_use(plane: Plane) -> None:
    """Of a definition that wants another one's kind the rest is accepted; the server then rests. It gets the kind when
    the other one has gone."""
    group = f"g{secrets.token_hex(3)}.example.com"
    first, second = f"{CRDS}/widgets.{group}", f"{CRDS}/gadgets.{group}"
    assert plane.request("POST", CRDS, definition(group))[0] == 201
    plane.eventually(first, lambda crd: len(crd["status"]["conditions"] or ()) == 2)
    rival = definition(group, "gadgets", names={"kind": "Widget", "listKind": "GadgetList", "shortNames": ["g"]})
    assert plane.request("POST", CRDS, rival)[0] == 201
    refused = plane.eventually(second, lambda crd: len(crd["status"]["conditions"] or ()) == 2)
    assert refused["status"]["acceptedNames"] == {
        "plural": "gadgets",
        "singular": "gadget",
        "kind": "",
        "listKind": "GadgetList",
        "shortNames": ["g"],
    }
    told = [(c["type"], c["status"], c["reason"], c["message"]) for c in refused["status"]["conditions"]]
    assert told == [
        ("NamesAccepted", "False", "KindConflict", '"Widget" is already in use'),
        ("Established", "False", "NotAccepted", "not all names are accepted"),
    ]
    plane.request("PATCH", first, {"metadata": {"labels": {"a": "b"}}}, **MERGE)  # makes the server look again
    plane.request("POST", "/api/v1/namespaces/default/configmaps", {"metadata": {"generateName": "later-"}})
    assert plane.get(second)["metadata"]["resourceVersion"] == refused["metadata"]["resourceVersion"]
    plane.request("DELETE", first)
    plane.eventually(second, lambda crd: crd["status"]["acceptedNames"]["kind"] == "Widget")
    plane.eventually_status(f"/apis/{group}/v1/gadgets", 200)
    plane.request("DELETE", second)


def test_items_of_list_maps_without_their_keys(plane: Plane) -> None:
    """One key of several is enough to tell items apart; without any, server-side apply does not know what to do."""
    group = f"g{secrets.token_hex(3)}.example.com"
    item = {"type": "object", "properties": {name: {"type": "string"} for name in ("a", "b", "c")}}
    listed = {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["a", "b"]}
    required = {**item, "required": ["a", "b"]}
    root = {"type": "object", "properties": {"items": {**listed, "items": required}}}
    body = definition(group, versions=[version(schema={"openAPIV3Schema": root})])
    assert plane.request("POST", CRDS, body)[0] == 201
    path = f"/apis/{group}/v1/namespaces/default/widgets"
    plane.eventually_status(path, 200)
    wanted: dict[str, Any] = {"apiVersion": f"{group}/v1", "kind": "Widget", "metadata": {"name": "w"}}
    applying = {"Content-Type": "application/apply-patch+yaml"}
    wanted["items"] = [{"c": "x"}]
    status, answer = plane.request("PATCH", f"{path}/w?fieldManager=m", wanted, **applying)
    assert status == 500
    assert answer["message"].endswith(
        '.items: element 0: associative list with keys has an element that omits all key fields ["a" "b"] (and '
        "doesn't have default values for any key fields)"
    )
    wanted["items"] = [{"a": "x"}]
    status, answer = plane.request("PATCH", f"{path}/w?fieldManager=m", wanted, **applying)
    assert (status, causes(answer)) == (422, ["items[0].b: Required value"])
    plane.request("DELETE", f"{CRDS}/widgets.{group}")


def spec_of(**properties: Any) -> dict[str, Any]:
    spec = {"type": "object", "properties": properties}
    return {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}}


TEXT = {"type": "string"}


def test_versions_know_different_fields(plane: Plane) -> None:
    """What a version does not know is dropped on the way to it; defaults are those of the version that is stored."""
    group = f"g{secrets.token_hex(3)}.example.com"
    stored = version(schema=spec_of(a=TEXT, b={"type": "integer", "default": 7}))
    other = version("v2", schema=spec_of(a=TEXT, c={"type": "string", "default": "d"}))
    assert plane.request("POST", CRDS, definition(group, versions=[stored, other]))[0] == 201
    plane.eventually_status(f"/apis/{group}/v2/widgets", 200)
    v1, v2 = (f"/apis/{group}/{name}/namespaces/default/widgets" for name in ("v1", "v2"))
    body = {"apiVersion": f"{group}/v2", "kind": "Widget", "metadata": {"name": "w"}, "spec": {"a": "x", "c": "y"}}
    assert plane.request("POST", v2, body)[1]["spec"] == {"a": "x"}
    assert plane.get(f"{v1}/w")["spec"] == {"a": "x", "b": 7}
    assert plane.get(v2)["items"][0]["spec"] == {"a": "x"}
    plane.request("DELETE", f"{CRDS}/widgets.{group}")


def test_a_new_schema_shows_in_old_objects(plane: Plane) -> None:
    group = f"g{secrets.token_hex(3)}.example.com"
    body = definition(group, versions=[version(schema=spec_of(a=TEXT, b=TEXT))])
    assert plane.request("POST", CRDS, body)[0] == 201
    path, at = f"/apis/{group}/v1/namespaces/default/widgets", f"{CRDS}/widgets.{group}"
    plane.eventually_status(path, 200)
    widget = {"apiVersion": f"{group}/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": {"a": "x", "b": "y"}}
    assert plane.request("POST", path, widget)[0] == 201
    changed = [version(schema=spec_of(a=TEXT, size={"type": "integer", "default": 3}))]
    assert plane.request("PATCH", at, {"spec": {"versions": changed}}, **MERGE)[0] == 200
    assert plane.get(f"{path}/w")["spec"] == {"a": "x", "size": 3}
    assert plane.get(path)["items"][0]["spec"] == {"a": "x", "size": 3}
    events = plane.request("GET", f"{path}?watch=1&timeoutSeconds=1")[1]
    assert events["object"]["spec"] == {"a": "x", "size": 3}
    status, patched = plane.request("PATCH", f"{path}/w", {"spec": {"a": "z"}}, **MERGE)
    assert (status, patched["spec"]) == (200, {"a": "z", "size": 3})
    plane.request("DELETE", at)


def test_nothing_is_created_while_a_definition_goes(plane: Plane) -> None:
    group = f"g{secrets.token_hex(3)}.example.com"
    assert plane.request("POST", CRDS, definition(group))[0] == 201
    path, at = f"/apis/{group}/v1/namespaces/default/widgets", f"{CRDS}/widgets.{group}"
    plane.eventually_status(path, 200)
    held = {"name": "held", "finalizers": ["example.com/hold"]}
    widget = {"apiVersion": f"{group}/v1", "kind": "Widget", "metadata": held}
    assert plane.request("POST", path, widget)[0] == 201
    assert plane.request("DELETE", at)[0] == 200
    going = plane.eventually(at, lambda crd: crd["status"]["conditions"][-1]["reason"] == "InstanceDeletionInProgress")
    assert going["status"]["conditions"][-1]["message"] == "CustomResource deletion is in progress"
    widget["metadata"] = {"name": "late"}
    status, answer = plane.request("POST", path, widget)
    why = "create not allowed while custom resource definition is terminating"
    assert (status, answer["reason"], answer["message"]) == (405, "MethodNotAllowed", why)
    plane.request("PATCH", f"{path}/held", {"metadata": {"finalizers": None}}, **MERGE)
    plane.eventually_status(at, 404)
