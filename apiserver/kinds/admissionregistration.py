"""admissionregistration.k8s.io/v1: webhook configurations, admission policies and their bindings."""

from __future__ import annotations

from apiserver.kinds.kind import Column, Kind, Object
from apiserver.kinds.strategies import STATUS_ONLY, Counted, WithStatus
from apiserver.kinds.workload_columns import at
from apiserver.table import AGE

ADMISSION = "admissionregistration.k8s.io"


def _param_kind(obj: Object) -> str:
    kind = (obj.get("spec") or {}).get("paramKind")
    return f"{kind.get('apiVersion')}/{kind.get('kind')}" if kind else "<unset>"


def _param_ref(obj: Object) -> str:
    reference = (obj.get("spec") or {}).get("paramRef")
    if not reference:
        return "<unset>"
    if reference.get("name"):
        return f"{reference['namespace']}/{reference['name']}" if reference.get("namespace") else str(reference["name"])
    return "<selector>"


WEBHOOKS = (Column("Webhooks", lambda obj: len(obj.get("webhooks") or ()), type="integer"), AGE)
POLICY = (
    Column("Validations", lambda obj: len((obj.get("spec") or {}).get("validations") or ()), type="integer"),
    Column("ParamKind", _param_kind),
    AGE,
)
MUTATIONS = (
    Column("Mutations", lambda obj: len((obj.get("spec") or {}).get("mutations") or ()), type="integer"),
    Column("ParamKind", _param_kind),
    AGE,
)
POLICY_BINDING = (
    Column("PolicyName", at("spec", "policyName", default="")),
    Column("ParamRef", lambda obj: _param_ref(obj)),
    AGE,
)

KINDS: tuple[Kind, ...] = (
    Kind(
        ADMISSION,
        "v1",
        "MutatingAdmissionPolicy",
        "mutatingadmissionpolicies",
        False,
        Counted(),
        since=36,
        categories=("api-extensions",),
        columns=MUTATIONS,
    ),
    Kind(
        ADMISSION,
        "v1",
        "MutatingAdmissionPolicyBinding",
        "mutatingadmissionpolicybindings",
        False,
        Counted(),
        since=36,
        categories=("api-extensions",),
        columns=POLICY_BINDING,
    ),
    Kind(
        ADMISSION,
        "v1",
        "MutatingWebhookConfiguration",
        "mutatingwebhookconfigurations",
        False,
        Counted(),
        categories=("api-extensions",),
        columns=WEBHOOKS,
    ),
    Kind(
        ADMISSION,
        "v1",
        "ValidatingAdmissionPolicy",
        "validatingadmissionpolicies",
        False,
        WithStatus(),
        since=30,
        categories=("api-extensions",),
        columns=POLICY,
        subresources=STATUS_ONLY,
    ),
    Kind(
        ADMISSION,
        "v1",
        "ValidatingAdmissionPolicyBinding",
        "validatingadmissionpolicybindings",
        False,
        Counted(),
        since=30,
        categories=("api-extensions",),
        columns=POLICY_BINDING,
    ),
    Kind(
        ADMISSION,
        "v1",
        "ValidatingWebhookConfiguration",
        "validatingwebhookconfigurations",
        False,
        Counted(),
        categories=("api-extensions",),
        columns=WEBHOOKS,
    ),
)
