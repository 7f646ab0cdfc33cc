"""What is known of a request besides its handling: for the answer's headers, metrics, the audit log and the log."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from apiserver.negotiation import for_people

if TYPE_CHECKING:
    from apiserver.flowcontrol import Seats
    from apiserver.kinds.kind import User
    from apiserver.metrics import Labels
    from apiserver.request import Request
    from apiserver.requestinfo import RequestInfo
    from miniplane.apimachinery.status import StatusError

_UUID4_CLEAR, _UUID4_SET = ~((0xF << 76) | (0x3 << 62)), (4 << 76) | (2 << 62)


def new_audit_id() -> bytes:
    """A random UUID (RFC 9562, version 4). It is no secret, and `uuid.uuid4` would ask the kernel for every request."""
    text = f"{random.getrandbits(128) & _UUID4_CLEAR | _UUID4_SET:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}".encode()


@dataclass(slots=True)
class Exchange:
    """One request and what became of it. `audit_id` is the client's own where it sent one (`Audit-Id`).

    user: who authenticated; impersonated: as whom. allowed: authorization has passed. known: there is such a resource.
    long_running: the labels under which an open watch is counted. goes_on: after the application has returned.
    """

    scope: dict[str, Any]
    headers: dict[bytes, bytes]
    audit_id: bytes
    info: RequestInfo | None = None
    user: User | None = None
    impersonated: User | None = None
    allowed: bool = False
    known: bool = False
    request: Request | None = None
    status: int = 200
    failure: StatusError | None = None
    seats: Seats | None = None
    long_running: Labels | None = None
    goes_on: bool = False
    warnings: list[str] = field(default_factory=list)

    def forget(self) -> None:
        """Let go of the request: nobody will tell of it."""
        self.scope, self.headers = {}, {}
        self.info = self.request = self.user = self.impersonated = None

    @property
    def uri(self) -> str:
        """Path and query as they were sent."""
        path = (self.scope.get("raw_path") or self.scope["path"].encode()).decode("latin-1")
        query = self.scope["query_string"].decode("latin-1")
        return f"{path}?{query}" if query else path

    def header(self, name: bytes) -> str:
        return self.headers.get(name, b"").decode("latin-1")

    @property
    def for_people(self) -> bool:
        """Whether an error is to be indented."""
        asked = self.info.param("pretty") if self.info is not None else ""
        return for_people(self.headers.get(b"user-agent", b""), asked)

    @property
    def source_ips(self) -> list[str]:
        """Where it came from: what proxies say (anybody may say it), then the connection's other end."""
        forwarded = [part.strip() for part in self.header(b"x-forwarded-for").split(",") if part.strip()]
        if not forwarded and self.header(b"x-real-ip"):
            forwarded = [self.header(b"x-real-ip")]
        client = self.scope.get("client")
        return forwarded if not client or forwarded[-1:] == [client[0]] else [*forwarded, client[0]]
