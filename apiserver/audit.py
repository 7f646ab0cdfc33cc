"""`--audit-log`: one line of JSON for every request, audit.k8s.io/v1 Events at the level Metadata.

A watch has two, as with kube-apiserver: ResponseStarted and ResponseComplete. RequestReceived is left out (a policy's
`omitStages: [RequestReceived]`). Lines are written by a thread, in batches; the file may be renamed to rotate it.
"""

from __future__ import annotations

import logging
import os
import queue
import sys
import threading
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from apiserver.exchange import Exchange
    from apiserver.kinds.kind import User

log = logging.getLogger("miniplane.audit")
USER_AGENT_LIMIT = 1024
BATCH_LINES = 1000
GATHER_SECONDS = 0.01
"""How long lines are gathered: waking up for each of them would cost a request more than its event."""
STANDARD_OUTPUT = "-"


class AuditLog:
    """`events` and `errors` count lines that were written and lines that were lost."""

    def __init__(self, path: str) -> None:
        """Raises OSError where the file cannot be written."""
        self.path = path
        self.events = self.errors = 0
        self._handle = self._open()
        self._queue: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="audit-log", daemon=True)
        self._thread.start()

    def started(self, exchange: Exchange) -> None:
        """A watch begins to answer."""
        now = time.time()
        self._queue.put(orjson.dumps(event(exchange, "ResponseStarted", now, now)) + b"\n")

    def completed(self, exchange: Exchange, seconds: float) -> None:
        """A request that came `seconds` ago has its answer."""
        now = time.time()
        self._queue.put(orjson.dumps(event(exchange, "ResponseComplete", now - seconds, now)) + b"\n")

    def close(self) -> None:
        """Write what waits."""
        self._queue.put(None)
        self._thread.join()

    def _open(self) -> int:
        if self.path == STANDARD_OUTPUT:
            return sys.stdout.fileno()
        return os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def _run(self) -> None:
        running = True
        while running:
            lines, running = self._take()
            if lines:
                self._write(lines)
        if self.path != STANDARD_OUTPUT:
            os.close(self._handle)

    def _take(self) -> tuple[list[bytes], bool]:
        lines: list[bytes] = []
        item = self._queue.get()
        if item is not None:
            time.sleep(GATHER_SECONDS)
        while item is not None:
            lines.append(item)
            try:
                if len(lines) >= BATCH_LINES:
                    return lines, True
                item = self._queue.get_nowait()
            except queue.Empty:
                return lines, True
        return lines, False

    def _write(self, lines: list[bytes]) -> None:
        """A failure is told once, not for every request of a full disk."""
        try:
            self._follow_rename()
            rest = memoryview(b"".join(lines))
            while rest:
                rest = rest[os.write(self._handle, rest) :]
        except OSError as error:
            if not self.errors:
                log.error("the audit log %s cannot be written: %s", self.path, error.strerror)
            self.errors += len(lines)
        else:
            self.events += len(lines)

    def _follow_rename(self) -> None:
        if self.path == STANDARD_OUTPUT:
            return
        try:
            there = os.stat(self.path)
        except FileNotFoundError:
            there = None
        ours = os.fstat(self._handle)
        if there is None or (there.st_dev, there.st_ino) != (ours.st_dev, ours.st_ino):
            fresh = self._open()
            os.close(self._handle)
            self._handle = fresh


def event(exchange: Exchange, stage: str, received: float, now: float) -> dict[str, Any]:
    """The Event; optional fields are left out where they are empty, as Go does."""
    found: dict[str, Any] = {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": "Metadata",
        "auditID": exchange.audit_id.decode("latin-1"),
        "stage": stage,
        "requestURI": exchange.uri,
        "verb": exchange.info.verb if exchange.info else exchange.scope["method"].lower(),
        "user": _user(exchange.user) if exchange.user else {},
    }
    if exchange.impersonated is not None:
        found["impersonatedUser"] = _user(exchange.impersonated)
    found["sourceIPs"] = exchange.source_ips
    agent = exchange.header(b"user-agent")
    if agent:
        found["userAgent"] = agent if len(agent) <= USER_AGENT_LIMIT else agent[:USER_AGENT_LIMIT] + "...TRUNCATED"
    if exchange.info is not None and exchange.info.is_resource:
        found["objectRef"] = _object_ref(exchange)
    found["responseStatus"] = _status(exchange)
    found["requestReceivedTimestamp"] = _micro_time(received)
    found["stageTimestamp"] = _micro_time(now)
    if exchange.decision:
        found["annotations"] = {
            "authorization.k8s.io/decision": exchange.decision,
            "authorization.k8s.io/reason": exchange.reason,
        }
        if exchange.request is not None and exchange.request.audit_annotations:
            found["annotations"] |= exchange.request.audit_annotations
    return found


def _user(user: User) -> dict[str, Any]:
    found: dict[str, Any] = {"username": user.name, "uid": user.uid, "groups": list(user.groups)}
    found["extra"] = {key: list(values) for key, values in user.extra.items()}
    return {key: value for key, value in found.items() if value}


def _object_ref(exchange: Exchange) -> dict[str, str]:
    info = exchange.info
    assert info is not None
    found = {
        "resource": info.resource,
        "namespace": info.namespace,
        "name": info.name or _name_in_body(exchange),
        "apiGroup": info.group,
        "apiVersion": info.version,
        "subresource": info.subresource,
    }
    return {key: value for key, value in found.items() if value}


def _name_in_body(exchange: Exchange) -> str:
    """The name of what a POST brings. The body is read again: without an audit log nobody pays for this."""
    from apiserver.body import parse
    from apiserver.negotiation import content_type

    request = exchange.request
    if request is None or request.info.verb != "create" or not request.received:
        return ""
    try:
        name = parse(request.received, content_type(request.header(b"content-type")), "")["metadata"]["name"]
    except Exception:  # the handler has told the client what is wrong with it
        return ""
    return name if isinstance(name, str) else ""


def _status(exchange: Exchange) -> dict[str, Any]:
    failure = exchange.failure
    if failure is None:
        return {"metadata": {}, "code": exchange.status}
    return {key: value for key, value in failure.body().items() if key not in ("kind", "apiVersion")}


def _micro_time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
