"""`kubectl explain` against the running server."""

from __future__ import annotations

import pytest

from tests.plane import Plane


def explain(plane: Plane, what: str, options: str = "") -> list[str]:
    """The lines of kubectl's answer, blanks squeezed, without descriptions of fields."""
    done = plane.kubectl(f"explain {what} {options}")
    return [" ".join(line.split()) for line in done.stdout.splitlines()]


@pytest.mark.parametrize(
    ("what", "lines"),
    [
        ("svc", ["KIND: Service", "VERSION: v1", "spec <ServiceSpec>", "metadata <ObjectMeta>"]),
        ("svc.spec.sessionAffinity", ["FIELD: sessionAffinity <string>", "ENUM:", "ClientIP", "None"]),
        (
            "svc.spec.ports",
            [
                "FIELD: ports <[]ServicePort>",
                "port <integer> -required-",
                "enum: SCTP, TCP, UDP",
                "targetPort <IntOrString>",
            ],
        ),
        ("pod.spec.containers.resources.limits", ["FIELD: limits <map[string]Quantity>"]),
        (
            "deployments.spec.strategy",
            ["GROUP: apps", "FIELD: strategy <DeploymentStrategy>", "enum: Recreate, RollingUpdate"],
        ),
        ("endpointslice.endpoints.conditions", ["FIELD: conditions <EndpointConditions>", "ready <boolean>"]),
        ("lease.spec.renewTime", ["GROUP: coordination.k8s.io", "FIELD: renewTime <string>"]),
        (
            "crd.spec.versions.schema.openAPIV3Schema",
            ["FIELD: openAPIV3Schema <JSONSchemaProps>", "items <JSONSchemaPropsOrArray>"],
        ),
    ],
)
def test_explain(plane: Plane, what: str, lines: list[str]) -> None:
    shown = explain(plane, what)
    assert [line for line in lines if line not in shown] == []


def test_explain_says_what_a_field_is_for(plane: Plane) -> None:
    text = " ".join(explain(plane, "svc.spec.sessionAffinity"))
    assert 'Supports "ClientIP" and "None". Used to maintain session affinity.' in text


def test_explain_recursive(plane: Plane) -> None:
    shown = explain(plane, "pod.spec", "--recursive")
    assert "containers <[]Container> -required-" in shown
    assert shown.count("httpGet <HTTPGetAction>") > 3


def test_explain_of_an_unknown_field(plane: Plane) -> None:
    done = plane.kubectl("explain svc.spec.nothing", check=False)
    assert (done.returncode, done.stderr.strip()) == (1, 'error: field "nothing" does not exist')
