"""The answers of admission webhooks: checked, and made an error where they deny."""

from __future__ import annotations

from typing import Any

from apiserver.kinds.kind import Object
from miniplane.apimachinery.status import StatusError


def checked_response(answer: Any, version: str, uid: str, mutating: bool) -> Object:
    """The response of an AdmissionReview. Raises ValueError with the real server's words."""
    if not isinstance(answer, dict):
        raise ValueError("expected webhook response to be an AdmissionReview")
    want = f"admission.k8s.io/{version}, Kind=AdmissionReview"
    got = f"{answer.get('apiVersion', '')}, Kind={answer.get('kind', '')}"
    if version == "v1" and got != want:
        raise ValueError(f"expected webhook response of {want}, got {got}")
    response = answer.get("response")
    if not isinstance(response, dict):
        raise ValueError("webhook response was absent")
    if version == "v1" and response.get("uid") != uid:
        raise ValueError(f'expected response.uid="{uid}", got "{response.get("uid", "")}"')
    patch, patch_type = response.get("patch"), response.get("patchType")
    if not mutating:
        for name, value in (("patch", patch), ("patchType", patch_type)):
            if value and version == "v1":
                raise ValueError(f"validating webhook may not return response.{name}")
    elif patch and not patch_type and version == "v1":
        raise ValueError("webhook returned response.patch but not response.patchType")
    elif patch_type and not patch:
        raise ValueError("webhook returned response.patchType but not response.patch")
    elif patch_type and patch_type != "JSONPatch":
        raise ValueError(f'invalid webhook response: unsupported patchType "{patch_type}"')
    return response


def denial(name: str, status: Any) -> StatusError:
    """What the client is told: the webhook's status; its message says who denied."""
    found = status if isinstance(status, dict) else {}
    denied = f'admission webhook "{name}" denied the request'
    code = found.get("code")
    code = code if isinstance(code, int) and 400 <= code <= 599 else 400
    why = found.get("message") or found.get("reason")
    message = f"{denied}: {why}" if why else f"{denied} without explanation"
    details = found.get("details") if isinstance(found.get("details"), dict) else None
    return StatusError(code, str(found.get("reason") or ""), message, details=details)
