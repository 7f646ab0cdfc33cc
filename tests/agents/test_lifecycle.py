"""The pure parts of the simulated kubelet: annotations, addresses, a pod's life."""

from __future__ import annotations

import json
from typing import Any

import pytest

from miniplane.agents.kubelet import behaviour, lifecycle
from miniplane.agents.kubelet.addresses import Addresses
from miniplane.agents.kubelet.behaviour import Behaviour
from miniplane.agents.kubelet.lifecycle import State
from miniplane.agents.kubelet.nodes import SimulatedNode

NOW = 1_700_000_000.0


def make_pod(policy: str = "Always", owner: str = "", **annotations: str) -> dict[str, Any]:
    meta: dict[str, Any] = {"name": "web", "namespace": "default", "uid": "u-1", "generation": 1}
    meta["annotations"] = {behaviour.PREFIX + key.replace("_", "-"): value for key, value in annotations.items()}
    if owner:
        meta["ownerReferences"] = [{"kind": owner, "controller": True, "name": "o", "uid": "o-1"}]
    spec = {"restartPolicy": policy, "nodeName": "k8s-node01", "containers": [{"name": "c", "image": "nginx"}]}
    return {"metadata": meta, "spec": spec, "status": {"phase": "Pending"}}


def follow(pod: dict[str, Any], *moments: float) -> list[tuple[str, int, float | None]]:
    """(stage, restarts, when to look again) at these seconds after the start."""
    asked, state, seen = behaviour.of(pod), lifecycle.state_of(pod, NOW), []
    for moment in moments:
        step = lifecycle.advance(pod, asked, state, NOW + moment)
        state = step.state
        seen.append((state.stage, state.restarts, step.again))
    return seen


def status(pod: dict[str, Any], state: State, asked: Behaviour | None = None) -> dict[str, Any]:
    asked = asked or Behaviour()
    return lifecycle.pod_status(pod, asked, state, host_ips=["192.168.49.2"], pod_ips=["10.244.1.2"], now=NOW)


def conditions(found: dict[str, Any]) -> dict[str, str]:
    return {condition["type"]: condition["status"] for condition in found["conditions"]}


@pytest.mark.parametrize(
    ("text", "seconds"), [("2", 2.0), ("1.5", 1.5), ("500ms", 0.5), ("1m30s", 90.0), ("2h", 7200.0)]
)
def test_durations(text: str, seconds: float) -> None:
    assert behaviour.seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "1 s", "1s2", "-1s", "fast"])
def test_bad_durations(text: str) -> None:
    with pytest.raises(ValueError, match="is no duration"):
        behaviour.seconds(text)


@pytest.mark.parametrize(
    ("annotations", "words"),
    [({"ready": "no"}, "ready: 'no' is neither"), ({"raedy": "true"}, "raedy is not known"), ({"exit_code": "x"}, "x")],
)
def test_bad_annotations(annotations: dict[str, str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        behaviour.of(make_pod(**annotations))


def test_plain_pod_runs_on() -> None:
    assert follow(make_pod(), 0, 100) == [("running", 0, None), ("running", 0, None)]


def test_start_delay() -> None:
    assert follow(make_pod(start_delay="5s"), 0, 5) == [("waiting", 0, 5.0), ("running", 0, None)]


def test_never_start() -> None:
    pod = make_pod(never_start="ImagePullBackOff")
    assert follow(pod, 0, 1000) == [("waiting", 0, None)] * 2
    shown = status(pod, State("waiting", NOW), behaviour.of(pod))
    assert shown["containerStatuses"][0]["state"] == {"waiting": {"reason": "ImagePullBackOff"}}
    assert "podIP" not in shown


def test_job_pod_completes() -> None:
    assert follow(make_pod("Never", owner="Job"), 0, 1) == [("running", 0, 1.0), ("ended", 0, None)]


@pytest.mark.parametrize(("policy", "code", "phase"), [("Never", "0", "Succeeded"), ("Never", "3", "Failed")])
def test_end_of_a_run(policy: str, code: str, phase: str) -> None:
    pod = make_pod(policy, run_time="2s", exit_code=code)
    step = lifecycle.advance(pod, behaviour.of(pod), State("running", NOW), NOW + 2)
    shown = status(pod, step.state)
    assert shown["phase"] == phase
    assert shown["containerStatuses"][0]["state"]["terminated"]["exitCode"] == int(code)
    assert conditions(shown)["Ready"] == "False"


def test_crash_loop_backs_off() -> None:
    seen = follow(make_pod(fail="true"), 0, 0.5, 10.5, 30.5)
    assert [(stage, restarts) for stage, restarts, _ in seen] == [("backoff", n) for n in (0, 1, 2, 3)]
    assert [again for _, _, again in seen] == [0.5, 10.0, 20.0, 40.0]


def test_on_failure_succeeds_with_zero() -> None:
    assert follow(make_pod("OnFailure", run_time="1s"), 0, 1)[-1][0] == "ended"
    assert follow(make_pod("OnFailure", run_time="1s", exit_code="1"), 0, 1)[-1][0] == "backoff"


def test_running_status() -> None:
    shown = status(make_pod(), State("running", NOW))
    assert shown["podIPs"] == [{"ip": "10.244.1.2"}]
    assert shown["hostIPs"] == [{"ip": "192.168.49.2"}]
    assert shown["startTime"] == "2023-11-14T22:13:20Z"
    assert set(conditions(shown).values()) == {"True"}


def test_not_ready() -> None:
    shown = status(make_pod(), State("running", NOW), Behaviour(ready=False))
    found = next(c for c in shown["conditions"] if c["type"] == "Ready")
    assert (found["status"], found["reason"]) == ("False", "ContainersNotReady")
    assert found["message"] == "containers with unready status: [c]"


def test_readiness_gate_holds_ready_back() -> None:
    pod = make_pod()
    pod["spec"]["readinessGates"] = [{"conditionType": "lb"}]
    assert conditions(status(pod, State("running", NOW)))["Ready"] == "False"
    pod["status"]["conditions"] = [{"type": "lb", "status": "True"}]
    assert conditions(status(pod, State("running", NOW)))["Ready"] == "True"


def test_status_written_once() -> None:
    pod = make_pod()
    shown = status(pod, State("running", NOW))
    assert lifecycle.differs(pod, shown)
    pod["status"] = json.loads(json.dumps(shown))
    later = lifecycle.pod_status(
        pod, Behaviour(), State("running", NOW), host_ips=["192.168.49.2"], pod_ips=["10.244.1.2"], now=NOW + 60
    )
    assert not lifecycle.differs(pod, later)


def test_a_new_kubelet_reads_the_state_back() -> None:
    pod = make_pod()
    for state in (State("running", NOW, 2), State("backoff", NOW, 1, 1, NOW - 5), State("waiting", NOW)):
        pod["status"] = status(pod, state)
        found = lifecycle.state_of(pod, NOW + 60)
        assert (found.stage, found.since, found.restarts) == (state.stage, state.since, state.restarts)


def test_addresses() -> None:
    addresses = Addresses("10.244.1.0/24")
    assert [addresses.take(uid) for uid in ("a", "b", "a")] == ["10.244.1.2", "10.244.1.3", "10.244.1.2"]
    assert addresses.take("c", "10.244.1.18") == "10.244.1.18"
    assert addresses.take("d", "10.244.1.18") == "10.244.1.4"
    assert addresses.take("e", "10.9.9.9") == "10.244.1.5"
    addresses.release("a")
    assert addresses.take("f") == "10.244.1.6"


def test_addresses_run_out_and_come_back() -> None:
    addresses = Addresses("10.244.1.0/28")
    given = [addresses.take(str(n)) for n in range(13)]
    assert len(set(given)) == 13
    assert addresses.take("more") is None
    addresses.release("5")
    assert addresses.take("more") == given[5]


def test_node_numbers() -> None:
    node = SimulatedNode(2)
    assert (node.name, node.address, node.pod_cidr) == ("k8s-node02", "192.168.49.3", "10.244.2.0/24")
