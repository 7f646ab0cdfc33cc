"""What is known of a request besides its handling: for the answer's headers, metrics, the audit log and the log."""

from __future__ import annotations

import itertools
import random
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from apiserver.negotiation import for_people

if TYPE_CHECKING:
    from apiserver.flowcontrol import Seats
    from apiserver.flowschemas import Headers
    from apiserver.kinds.kind import User
    from apiserver.request import Request
    from apiserver.requestinfo import Labels, RequestInfo
    from miniplane.apimachinery.status import StatusError


_PROCESS = str(uuid.uuid4())[:23].encode()
_numbers = itertools.count(random.getrandbits(47))


def new_audit_id() -> bytes:
    """A UUID in the form of version 4 (RFC 9562). It is no secret, so it need not be hard to guess, only different: 74
    random bits for this process, then a number that none of its other requests has."""
    return b"%b-%012x" % (_PROCESS, next(_numbers))


@dataclass(slots=True)
class Exchange:
    """One request and what became of it. `audit_id` is the client's own where it sent one (`Audit-Id`).

    user: who authenticated; impersonated: as whom. decision: "allow" or "forbid" once authorization has been asked, and
    reason what it said, for the audit log alone. flow: headers that say how it was classified. known: there is such a
    resource.
    long_running: the labels under which an open watch is counted. goes_on: after the application has returned.
    """

    scope: dict[str, Any]
    headers: dict[bytes, bytes]
    audit_id: bytes
    info: RequestInfo | None = None
    user: User | None = None
    impersonated: User | None = None
    decision: str = ""
    reason: str = ""
    flow: Headers = ()
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
