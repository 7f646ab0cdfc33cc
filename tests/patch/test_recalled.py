"""What is recalled of a pod template must be what a first look would have said."""

from __future__ import annotations

import copy
from typing import Any

from apiserver.kinds.pod import KINDS
from apiserver.kinds.pods import spec as rules
from apiserver.patch.managed import after_update
from apiserver.recall import LARGEST, Recall
from apiserver.registry import Registry
from apiserver.schema.decode import decode_changed, decode_strictly

POD = KINDS[0]
SCHEMA = Registry(KINDS, 36).type_of(POD)


def make_pod(name: str, **spec: Any) -> dict[str, Any]:
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {"containers": [], **spec}}
    pod["spec"]["containers"] = [{"name": "c", "image": "nginx", "env": [{"name": "A", "value": "1"}]}]
    POD.strategy.default(pod)
    return pod


def tracked(pod: dict[str, Any]) -> Any:
    assert SCHEMA is not None
    after_update(None, pod, SCHEMA, manager="m", api_version="v1", now="2026-01-01T00:00:00Z")
    return pod["metadata"]["managedFields"][0]["fieldsV1"]


def test_a_second_pod_of_a_template_is_judged_like_the_first() -> None:
    wrong = {"restartPolicy": "Sometimes"}
    first = rules.pod_spec(make_pod("a", **wrong)["spec"], "spec", is_pod=True, name="a")
    again = rules.pod_spec(make_pod("b", **wrong)["spec"], "spec", is_pod=True, name="b")
    elsewhere = rules.pod_spec(make_pod("b", **wrong)["spec"], "spec.template.spec", is_pod=False)
    assert [fault.field for fault in first] == [fault.field for fault in again] == ["spec.restartPolicy"]
    assert [fault.field for fault in elsewhere] == ["spec.template.spec.restartPolicy"]
    first.clear()
    assert rules.pod_spec(make_pod("c", **wrong)["spec"], "spec", is_pod=True, name="c") == again


def test_names_count_where_a_volume_is_named_after_the_pod() -> None:
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    volumes = [{"name": "v" * 60, "ephemeral": {"volumeClaimTemplate": {"spec": {**claim, "volumeMode": "Block"}}}}]
    long = "p" * 250
    assert not rules.pod_spec(make_pod("a", volumes=volumes)["spec"], "spec", is_pod=True, name="a")
    assert rules.pod_spec(make_pod(long, volumes=volumes)["spec"], "spec", is_pod=True, name=long)


def test_managed_fields_of_replicas_are_equal_and_their_own() -> None:
    first, second = tracked(make_pod("a")), tracked(make_pod("b"))
    before = copy.deepcopy(first)
    changed = make_pod("a")
    changed["metadata"]["managedFields"] = [
        {"manager": "m", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": first}
    ]
    live = copy.deepcopy(changed)
    changed["spec"]["containers"][0]["env"].append({"name": "B", "value": "2"})
    assert SCHEMA is not None
    after_update(live, changed, SCHEMA, manager="m", api_version="v1", now="2026-01-01T00:00:01Z")
    assert first == second == before == tracked(make_pod("c"))


def test_recall_is_bounded() -> None:
    recall: Recall[int] = Recall(2)
    calls: list[int] = []

    def compute(number: int) -> int:
        calls.append(number)
        return number

    for number in (1, 1, 2, 3, 1):
        assert recall.of(lambda number=number: compute(number), number) == number  # type: ignore[misc]
    assert calls == [1, 2, 3, 1]
    for _ in range(2):
        recall.of(lambda: compute(0), "x" * LARGEST)
    assert calls[-2:] == [0, 0]


def test_only_what_a_patch_changed_is_decoded_anew() -> None:
    assert SCHEMA is not None
    live, _ = decode_strictly(make_pod("a"), SCHEMA)
    new = {**live, "spec": {**live["spec"], "hostname": "h", "unknown": 1}}
    found, whole = decode_changed(new, SCHEMA, live)
    assert not whole
    assert found == decode_strictly(new, SCHEMA)[0]
    assert list(found) == list(decode_strictly(new, SCHEMA)[0])
    assert found["metadata"] is live["metadata"]
