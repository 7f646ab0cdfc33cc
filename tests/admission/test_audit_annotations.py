"""What admission tells the audit log."""

from __future__ import annotations

import json
from pathlib import Path

from tests.admission.test_policies import binding, policy
from tests.admission.test_webhooks import MUTATING, VALIDATING, configuration, hook
from tests.admission.webhook import Webhook, patching
from tests.api.test_audit import StartPlane, events

REGISTRATIONS = "/apis/admissionregistration.k8s.io/v1"
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"


def test_annotations_of_webhooks_and_policies(start_plane: StartPlane, tmp_path: Path, webhook: Webhook) -> None:
    path = tmp_path / "audit.log"
    plane = start_plane("--nodes", "0", "--no-controllers", "--audit-log", str(path))

    def answer(request: dict[str, object]) -> dict[str, object]:
        mutating = webhook.paths[-1].startswith("/mutate")
        change = patching({"op": "add", "path": "/data/x", "value": "y"})(request) if mutating else {"allowed": True}  # type: ignore[arg-type]
        return {**change, "auditAnnotations": {"seen": "yes"}}

    webhook.answer = answer
    first = hook(webhook.config("/mutate"), "default", name="mutate.example.com")
    second = hook(webhook.config("/check"), "default", name="check.example.com")
    stated = policy(
        "default",
        validations=[{"expression": "true"}, {"expression": "false", "message": "hm"}],
        auditAnnotations=[
            {"key": "size", "valueExpression": "string(size(object.data))"},
            {"key": "none", "valueExpression": "null"},
        ],
    )
    for plural, body in (
        (MUTATING, configuration("default", first)),
        (VALIDATING, configuration("default", second)),
        ("validatingadmissionpolicies", stated),
        ("validatingadmissionpolicybindings", binding("default", validationActions=["Audit"])),
    ):
        status, made = plane.request("POST", f"{REGISTRATIONS}/{plural}", body)
        assert status == 201, made
    status, made = plane.request("POST", CONFIG_MAPS, {"metadata": {"name": "a"}, "data": {"k": "v"}})
    assert status == 201, made
    (event,) = events(path, CONFIG_MAPS)
    annotations = event["annotations"]
    assert annotations["mutate.example.com/seen"] == annotations["check.example.com/seen"] == "yes"
    assert annotations["default/size"] == "2"
    assert "default/none" not in annotations
    told = json.loads(annotations["mutation.webhook.admission.k8s.io/round_0_index_0"])
    assert told == {"configuration": "default", "webhook": "mutate.example.com", "mutated": True}
    failure = {
        "message": "hm",
        "policy": "default",
        "binding": "default-b",
        "expressionIndex": 1,
        "validationActions": ["Audit"],
    }
    assert json.loads(annotations["validation.policy.admission.k8s.io/validation_failure"]) == [failure]
