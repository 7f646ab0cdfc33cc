"""The roles and bindings that every cluster has (kube-apiserver's bootstrap policy), as tables."""

from __future__ import annotations

from typing import Any

from apiserver.kinds.kind import Object

API = "rbac.authorization.k8s.io"
LABELS = {"kubernetes.io/bootstrapping": "rbac-defaults"}
AUTO = {"rbac.authorization.kubernetes.io/autoupdate": "true"}
READ = ("get", "list", "watch")
WRITE = ("create", "delete", "deletecollection", "patch", "update")

Rule = dict[str, Any]


def rule(verbs: tuple[str, ...], groups: tuple[str, ...], *resources: str) -> Rule:
    return {"verbs": list(verbs), "apiGroups": list(groups), "resources": list(resources)}


def paths(*urls: str) -> Rule:
    return {"verbs": ["get"], "nonResourceURLs": list(urls)}


_CORE_VIEW = (
    "configmaps endpoints persistentvolumeclaims persistentvolumeclaims/status pods replicationcontrollers "
    "replicationcontrollers/scale serviceaccounts services services/status"
)
_CORE_MORE = (
    "bindings events limitranges namespaces/status pods/log pods/status replicationcontrollers/status "
    "resourcequotas resourcequotas/status"
)
_APPS = (
    "controllerrevisions daemonsets daemonsets/status deployments deployments/scale deployments/status replicasets "
    "replicasets/scale replicasets/status statefulsets statefulsets/scale statefulsets/status"
)
_APPS_EDIT = (
    "daemonsets deployments deployments/rollback deployments/scale replicasets replicasets/scale statefulsets "
    "statefulsets/scale"
)


def _view() -> list[Rule]:
    return [
        rule(READ, ("",), *_CORE_VIEW.split()),
        rule(READ, ("",), *_CORE_MORE.split()),
        rule(READ, ("",), "namespaces"),
        rule(READ, ("discovery.k8s.io",), "endpointslices"),
        rule(READ, ("apps",), *_APPS.split()),
        rule(READ, ("autoscaling",), "horizontalpodautoscalers", "horizontalpodautoscalers/status"),
        rule(READ, ("batch",), "cronjobs", "cronjobs/status", "jobs", "jobs/status"),
        rule(READ, ("policy",), "poddisruptionbudgets", "poddisruptionbudgets/status"),
        rule(READ, ("networking.k8s.io",), "ingresses", "ingresses/status", "networkpolicies"),
    ]


def _edit() -> list[Rule]:
    return [
        rule(READ, ("",), "pods/attach", "pods/exec", "pods/portforward", "pods/proxy", "secrets", "services/proxy"),
        rule(("impersonate",), ("",), "serviceaccounts"),
        rule(WRITE, ("",), "pods", "pods/attach", "pods/exec", "pods/portforward", "pods/proxy"),
        rule(("create",), ("",), "pods/eviction"),
        rule(
            WRITE,
            ("",),
            *"configmaps events persistentvolumeclaims replicationcontrollers replicationcontrollers/scale secrets "
            "serviceaccounts services services/proxy".split(),
        ),
        rule(("create",), ("",), "serviceaccounts/token"),
        rule(WRITE, ("apps",), *_APPS_EDIT.split()),
        rule(WRITE, ("autoscaling",), "horizontalpodautoscalers"),
        rule(WRITE, ("batch",), "cronjobs", "jobs"),
        rule(WRITE, ("policy",), "poddisruptionbudgets"),
        rule(WRITE, ("networking.k8s.io",), "ingresses", "networkpolicies"),
        rule((*WRITE, *READ), ("coordination.k8s.io",), "leases"),
    ]


def _admin() -> list[Rule]:
    return [
        rule(("create",), ("authorization.k8s.io",), "localsubjectaccessreviews"),
        rule((*WRITE, *READ), (API,), "rolebindings", "roles"),
    ]


_HEALTH = ("/healthz", "/livez", "/readyz", "/version", "/version/")
_DISCOVERY = (
    "/api",
    "/api/*",
    "/apis",
    "/apis/*",
    "/healthz",
    "/livez",
    "/openapi",
    "/openapi/*",
    "/readyz",
    "/version",
    "/version/",
)
_AGGREGATE = "rbac.authorization.k8s.io/aggregate-to-"


def _cluster_role(name: str, rules: list[Rule], labels: dict[str, str] | None = None) -> Object:
    return {
        "apiVersion": f"{API}/v1",
        "kind": "ClusterRole",
        "metadata": {"name": name, "labels": {**LABELS, **(labels or {})}, "annotations": dict(AUTO)},
        "rules": rules,
    }


def _aggregated(name: str, sources: tuple[str, ...], rules: list[Rule], labels: dict[str, str] | None = None) -> Object:
    role = _cluster_role(name, rules, labels)
    role["aggregationRule"] = {
        "clusterRoleSelectors": [{"matchLabels": {_AGGREGATE + source: "true"}} for source in sources]
    }
    return role


def _binding(name: str, role: str, *groups: str) -> Object:
    return {
        "apiVersion": f"{API}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name, "labels": dict(LABELS), "annotations": dict(AUTO)},
        "subjects": [{"kind": "Group", "apiGroup": API, "name": group} for group in groups],
        "roleRef": {"apiGroup": API, "kind": "ClusterRole", "name": role},
    }


def default_roles() -> list[Object]:
    """Every role and binding, ready to be created."""
    view, edit, admin = _view(), _edit(), _admin()
    reviews = rule(("create",), ("authorization.k8s.io",), "selfsubjectaccessreviews", "selfsubjectrulesreviews")
    own = rule(("create",), ("authentication.k8s.io",), "selfsubjectreviews")
    everything = [rule(("*",), ("*",), "*"), {"verbs": ["*"], "nonResourceURLs": ["*"]}]
    return [
        _cluster_role("cluster-admin", everything),
        _cluster_role("system:discovery", [paths(*_DISCOVERY)]),
        _cluster_role("system:public-info-viewer", [paths(*_HEALTH)]),
        _cluster_role(
            "system:monitoring",
            [
                paths(
                    "/healthz", "/healthz/*", "/livez", "/livez/*", "/metrics", "/metrics/slis", "/readyz", "/readyz/*"
                )
            ],
        ),
        _cluster_role("system:basic-user", [reviews, own]),
        _cluster_role(
            "system:service-account-issuer-discovery",
            [
                paths(
                    "/.well-known/openid-configuration",
                    "/.well-known/openid-configuration/",
                    "/openid/v1/jwks",
                    "/openid/v1/jwks/",
                )
            ],
        ),
        _aggregated("admin", ("admin",), [*admin, *edit, *view]),
        _aggregated("edit", ("edit",), [*edit, *view], {_AGGREGATE + "admin": "true"}),
        _aggregated("view", ("view",), view, {_AGGREGATE + "edit": "true"}),
        _cluster_role("system:aggregate-to-admin", admin, {_AGGREGATE + "admin": "true"}),
        _cluster_role("system:aggregate-to-edit", edit, {_AGGREGATE + "edit": "true"}),
        _cluster_role("system:aggregate-to-view", view, {_AGGREGATE + "view": "true"}),
        _binding("cluster-admin", "cluster-admin", "system:masters"),
        _binding("system:discovery", "system:discovery", "system:authenticated"),
        _binding("system:basic-user", "system:basic-user", "system:authenticated"),
        _binding(
            "system:public-info-viewer", "system:public-info-viewer", "system:authenticated", "system:unauthenticated"
        ),
        _binding("system:monitoring", "system:monitoring", "system:monitoring"),
        _binding(
            "system:service-account-issuer-discovery",
            "system:service-account-issuer-discovery",
            "system:serviceaccounts",
        ),
    ]
