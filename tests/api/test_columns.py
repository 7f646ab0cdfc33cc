"""Cells of Tables without a server, as kube-apiserver's printers fill them; expected texts written out."""

from __future__ import annotations

from typing import Any

import pytest

from apiserver.kinds import KINDS
from apiserver.table import columns_of


def cell(kind: str, column: str, obj: dict[str, Any]) -> Any:
    """What a column shows of an object of the kind (its newest version)."""
    found = next(one for one in KINDS if one.kind == kind)
    shown = {one.name: one.value for one in columns_of(found)}
    return shown[column]({"metadata": {"name": "a"}, **obj})


def autoscaler(metrics: list[dict[str, Any]], current: list[dict[str, Any]]) -> dict[str, Any]:
    return {"spec": {"metrics": metrics}, "status": {"currentMetrics": current}}


def metric(kind: str, **source: Any) -> dict[str, Any]:
    return {"type": kind, kind[:1].lower() + kind[1:]: source}


CPU = metric("Resource", name="cpu", target={"averageUtilization": 80})
TARGETS = [
    ([CPU], [], "cpu: <unknown>/80%"),
    ([CPU], [metric("Resource", name="cpu", current={"averageUtilization": 0, "averageValue": "0"})], "cpu: 0%/80%"),
    ([metric("Resource", name="cpu", target={})], [], "cpu: <unknown>/<auto>"),
    (
        [metric("ContainerResource", name="memory", container="c", target={"averageValue": "1Gi"})],
        [metric("ContainerResource", name="memory", current={"averageValue": "512Mi"})],
        "memory: 512Mi/1Gi",
    ),
    (
        [metric("Pods", metric={"name": "hits"}, target={"averageValue": "10"})],
        [metric("Pods", current={"averageValue": "7"})],
        "7/10",
    ),
    (
        [metric("Object", metric={"name": "hits"}, target={"value": "10"})],
        [metric("Object", current={"value": "3"})],
        "3/10",
    ),
    ([metric("External", metric={"name": "q"}, target={"averageValue": "30"})], [], "<unknown>/30 (avg)"),
    ([CPU, CPU, CPU], [], "cpu: <unknown>/80%, cpu: <unknown>/80% + 1 more..."),
    ([], [], "<none>"),
]


@pytest.mark.parametrize(("metrics", "current", "expected"), TARGETS)
def test_targets_of_an_autoscaler(metrics: list[Any], current: list[Any], expected: str) -> None:
    assert cell("HorizontalPodAutoscaler", "Targets", autoscaler(metrics, current)) == expected


PARAMETERS = [
    ({"name": "p", "namespace": "n"}, "n/p"),
    ({"name": "p"}, "*/p"),
    (
        {"selector": {"matchLabels": {"b": "2", "a": "1"}}},
        "&LabelSelector{MatchLabels:map[string]string{a: 1,b: 2,},MatchExpressions:[]LabelSelectorRequirement{},}",
    ),
    (
        {"selector": {"matchExpressions": [{"key": "a", "operator": "In", "values": ["x", "y"]}]}},
        "&LabelSelector{MatchLabels:map[string]string{},MatchExpressions:[]LabelSelectorRequirement{"
        "LabelSelectorRequirement{Key:a,Operator:In,Values:[x y],},},}",
    ),
    (None, "<unset>"),
]


@pytest.mark.parametrize(("reference", "expected"), PARAMETERS)
def test_parameters_of_a_binding(reference: Any, expected: str) -> None:
    for kind in ("ValidatingAdmissionPolicyBinding", "MutatingAdmissionPolicyBinding"):
        assert cell(kind, "ParamRef", {"spec": {"paramRef": reference}}) == expected


@pytest.mark.parametrize(
    ("kind", "annotation"),
    [
        ("StorageClass", "storageclass.kubernetes.io/is-default-class"),
        ("StorageClass", "storageclass.beta.kubernetes.io/is-default-class"),
        ("VolumeAttributesClass", "volumeattributesclass.alpha.kubernetes.io/is-default-class"),
    ],
)
def test_a_default_class_says_so(kind: str, annotation: str) -> None:
    assert cell(kind, "Name", {"metadata": {"name": "a", "annotations": {annotation: "true"}}}) == "a (default)"
    assert cell(kind, "Name", {"metadata": {"name": "a", "annotations": {annotation: "false"}}}) == "a"
