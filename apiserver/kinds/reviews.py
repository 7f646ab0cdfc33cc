"""authentication.k8s.io and authorization.k8s.io: kinds that are only ever created, and never stored."""

from __future__ import annotations

from apiserver.kinds.kind import Kind

AUTHENTICATION, AUTHORIZATION = "authentication.k8s.io", "authorization.k8s.io"


def _review(group: str, name: str, namespaced: bool = False, since: int = 0) -> Kind:
    return Kind(group, "v1", name, name.lower() + "s", namespaced, verbs=("create",), handler="review", since=since)


KINDS: tuple[Kind, ...] = (
    _review(AUTHENTICATION, "SelfSubjectReview", since=28),
    _review(AUTHENTICATION, "TokenReview"),
    _review(AUTHORIZATION, "LocalSubjectAccessReview", namespaced=True),
    _review(AUTHORIZATION, "SelfSubjectAccessReview"),
    _review(AUTHORIZATION, "SelfSubjectRulesReview"),
    _review(AUTHORIZATION, "SubjectAccessReview"),
)
