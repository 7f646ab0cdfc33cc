"""The `Status` object: how the API says that something went wrong.

API conventions, "Response Status Kind". Both ends of the wire use this one class: the API server raises it, the client
raises what it received.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class StatusError(Exception):
    """A request that ends in a `Status` answer.

    `code` is the HTTP status, `reason` the machine-readable word ("" when the server gives none), `details` the
    `details` object ({} and None differ on the wire: None is left out). `headers` are added to the HTTP answer.
    """

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        *,
        details: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details
        self.headers = dict(headers or {})
        self.metadata = dict(metadata or {})

    def body(self) -> dict[str, Any]:
        """The Status object, ready to be encoded."""
        out: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": self.metadata,
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            out["reason"] = self.reason
        if self.details is not None:
            out["details"] = dict(self.details)
        out["code"] = self.code
        return out

    @classmethod
    def from_body(cls, body: Mapping[str, Any], code: int) -> StatusError:
        """The error a client received; `code` is the HTTP status where the body names none."""
        return cls(
            int(body.get("code") or code),
            str(body.get("reason") or ""),
            str(body.get("message") or ""),
            details=body.get("details"),
            metadata=body.get("metadata"),
        )
