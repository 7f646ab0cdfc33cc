"""Volumes and claims: what is dropped without a word, warned of, dated, and refused in a status."""

# ruff: noqa: E501 (expected texts are as long as the server makes them)

from __future__ import annotations

import copy
from typing import Any

import pytest

from apiserver.kinds.kind import Object
from tests.api.test_core_kinds import CONTEXT, changed, kind, make

CLAIM: Object = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
VOLUME: Object = {"accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}, "hostPath": {"path": "/a"}}
SNAPSHOT = {"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": "s"}


def claim(**fields: Any) -> Object:
    return make("PersistentVolumeClaim", spec={**copy.deepcopy(CLAIM), **fields})


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"dataSource": {"kind": "Other", "name": "x"}}, {}),
        ({"dataSource": {"apiGroup": "example.com", "kind": "Other", "name": "x"}}, {}),
        ({"dataSource": SNAPSHOT}, {"dataSource": SNAPSHOT, "dataSourceRef": SNAPSHOT}),
        ({"dataSourceRef": {"kind": "PersistentVolumeClaim", "name": "x", "namespace": "other"}}, {}),
    ],
)
def test_data_sources_that_are_dropped(given: Object, kept: Object) -> None:
    spec = claim(**given)["spec"]
    assert {name: spec[name] for name in ("dataSource", "dataSourceRef") if name in spec} == kept


STATUSES = (
    "ControllerResizeInProgress ControllerResizeInfeasible NodeResizeInProgress NodeResizeInfeasible NodeResizePending"
)


@pytest.mark.parametrize(
    ("status", "fault"),
    [
        ({"capacity": {"storage": "-1"}}, "status.capacity[storage]: Invalid value: -1: must be a valid resource quantity"),
        (
            {"allocatedResources": {"cpu": "1"}},
            'status.allocatedResources: Unsupported value: "cpu": supported values: "storage"',
        ),
        (
            {"allocatedResourceStatuses": {"storage": "Soon"}},
            'status.allocatedResourceStatuses: Unsupported value: "storage": supported values: '
            + ", ".join(f'"{name}"' for name in STATUSES.split()),
        ),
        ({"allocatedResources": {"example.com/disk": "1"}, "allocatedResourceStatuses": {"storage": "NodeResizePending"}}, ""),
    ],
)  # fmt: skip
def test_the_status_of_a_claim(status: Object, fault: str) -> None:
    new = {**claim(), "status": status}
    found = kind("PersistentVolumeClaim").strategy.validate_status_update(new, claim(), CONTEXT)
    assert [str(error) for error in found] == ([fault] if fault else [])


def test_an_applied_attributes_class_stays() -> None:
    old = claim(volumeAttributesClassName="gold")
    old["status"] = {"phase": "Bound"}
    assert changed("PersistentVolumeClaim", old, spec={**old["spec"], "volumeAttributesClassName": ""}) == []
    old["status"]["currentVolumeAttributesClassName"] = "gold"
    why = "update to empty string is forbidden when status.currentVolumeAttributesClassName is not nil"
    assert changed("PersistentVolumeClaim", old, spec={**old["spec"], "volumeAttributesClassName": ""}) == [
        f"spec.volumeAttributesClassName: Forbidden: {why}"
    ]


def test_a_phase_is_dated_once() -> None:
    strategy = kind("PersistentVolume").strategy
    old = make("PersistentVolume", spec=copy.deepcopy(VOLUME))
    old["status"]["lastPhaseTransitionTime"] = earlier = "2025-01-01T00:00:00Z"

    def dated(**status: str) -> str:
        new = {**copy.deepcopy(old), "status": status}
        strategy.prepare_for_status_update(new, old, CONTEXT)
        return str(new["status"]["lastPhaseTransitionTime"])

    assert dated(phase="Pending", message="still") == earlier
    assert dated(phase="Available", lastPhaseTransitionTime=earlier) == CONTEXT.now
    assert dated(phase="Available", lastPhaseTransitionTime="2024-01-01T00:00:00Z") == "2024-01-01T00:00:00Z"


def test_sources_have_the_defaults_of_pods() -> None:
    spec = {**copy.deepcopy(VOLUME), "rbd": {"monitors": ["m"], "image": "i"}}
    assert make("PersistentVolume", spec=spec)["spec"]["rbd"]["pool"] == "rbd"


def test_warnings() -> None:
    notes = {"volume.beta.kubernetes.io/storage-class": "slow"}
    spec = {**copy.deepcopy(VOLUME), "persistentVolumeReclaimPolicy": "Recycle", "glusterfs": {}}
    volume = make("PersistentVolume", spec=spec, metadata={"annotations": notes})
    stated = (
        'metadata.annotations[volume.beta.kubernetes.io/storage-class]: deprecated since v1.8; use "storageClassName" '
        "attribute instead"
    )
    assert kind("PersistentVolume").strategy.warnings(volume, None, CONTEXT) == [
        stated,
        "spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the recommended "
        "approach is to use dynamic provisioning.",
        "spec.glusterfs: deprecated in v1.25, non-functional in v1.26+",
    ]
    fraction = claim(resources={"requests": {"storage": "1500m"}})
    fraction["metadata"]["annotations"] = notes
    assert kind("PersistentVolumeClaim").strategy.warnings(fraction, None, CONTEXT) == [
        stated,
        'spec.resources.requests[storage]: fractional byte value "1500m" is invalid, must be an integer',
    ]


def test_what_is_judged_twice_is_told_twice() -> None:
    old = make("PersistentVolume", spec=copy.deepcopy(VOLUME))
    found = changed("PersistentVolume", old, spec={**old["spec"], "volumeMode": "Cube"})
    fault = 'spec.volumeMode: Unsupported value: "Cube": supported values: "Block", "Filesystem"'
    assert found == [fault, fault, 'volumeMode: Invalid value: "Cube": field is immutable']
