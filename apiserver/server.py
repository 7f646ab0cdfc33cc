"""The pipeline, in reading order: front door, authentication, what it means, authorization, handler, answer."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

from apiserver import errors, logs, requestinfo, websocket
from apiserver.admission import Admission
from apiserver.agenda import Agenda
from apiserver.aggregation import Aggregation
from apiserver.auth.authentication import Authenticator
from apiserver.auth.authorization import Attributes, Authorizer
from apiserver.auth.tokens import ServiceAccountTokens
from apiserver.cluster import StoredCluster
from apiserver.customresources import CustomResources
from apiserver.discovery import Discovery
from apiserver.dynamicadmission.policystatus import PolicyStatus
from apiserver.exchange import Exchange, new_audit_id
from apiserver.flowcontrol import FlowControl, TooManyRequests
from apiserver.flowschemas import FlowSchemas
from apiserver.handlers.contention import Turns
from apiserver.handlers.precedents import Precedents
from apiserver.handlers.respond import GZIP_FROM, compressed, status_response
from apiserver.health import Observed
from apiserver.kinds import KINDS
from apiserver.kinds.kind import Kind, Object, User
from apiserver.metrics import RequestMetrics, labels_of
from apiserver.recent import Recent
from apiserver.registry import Registry
from apiserver.repair import Repair
from apiserver.request import ClientGone, Message, Receive, Request, Response, Send
from apiserver.requestinfo import READ_ONLY, RequestInfo
from apiserver.routing import negotiated, route, served_in
from apiserver.sending import send_answer
from apiserver.storage.store import Store
from apiserver.storage.types import Unavailable
from apiserver.tlsextension import client_certificate
from apiserver.uids import new_uid
from apiserver.webhookclient import WebhookClient
from miniplane.apimachinery.status import StatusError

if TYPE_CHECKING:
    from apiserver.audit import AuditLog
    from apiserver.options import Options

log = logging.getLogger("miniplane.apiserver")
Scope = dict[str, Any]
TOO_MANY = Response(
    429,
    b"Too many requests, please try again later.\n",
    "text/plain; charset=utf-8",
    headers=[(b"retry-after", b"1"), (b"x-content-type-options", b"nosniff")],
)
NOT_FOUND = Response(404, b"404 page not found\n", "text/plain; charset=utf-8")


class App:
    """The API server as one ASGI callable."""

    def __init__(self, options: Options, store: Store) -> None:
        self.options = options
        self.store = store
        self.registry = Registry(KINDS, options.kubernetes_minor)
        self.cluster = StoredCluster(store, options)
        self.tokens = ServiceAccountTokens(self)
        self.authenticator = Authenticator(options.tokens, self.tokens, options.anonymous_auth)
        self.authorizer = Authorizer(self)
        self.admission = Admission(options.admission_plugins())
        self.turns = Turns()
        self.agenda = Agenda()
        self.precedents = Precedents(self)
        self.recent = Recent()
        self.discovery = Discovery(self.registry.kinds(), self.options.kubernetes_minor)
        self.registry.listeners.append(self._kinds_changed)
        self.webhook_client = WebhookClient(self.cluster)
        self.custom = CustomResources(self)
        self.aggregation = Aggregation(self)
        self.repair = Repair(self)
        self.policy_status = PolicyStatus(self)
        self.metrics = RequestMetrics()
        self.health = Observed()
        self.flow_schemas = FlowSchemas(self)
        self.admission.follow(self)
        self.flow = FlowControl(options.max_requests_inflight, options.max_mutating_requests_inflight)
        self.audit: AuditLog | None = None
        self.draining = False
        self._nonresource: Any = None

    @property
    def version(self) -> str:
        """The Kubernetes version that we serve, major.minor."""
        return f"1.{self.options.kubernetes_minor}"

    def _kinds_changed(self) -> None:
        self.discovery = Discovery(self.registry.kinds(), self.options.kubernetes_minor)
        self.__dict__.pop("_openapi", None)

    @property
    def openapi(self) -> Any:
        """OpenAPI documents of the served kinds, built when first asked for."""
        if "_openapi" not in self.__dict__:
            from apiserver.schema.openapi import OpenAPI

            self.__dict__["_openapi"] = OpenAPI(self.registry.schemas, self.registry.kinds())
        return self.__dict__["_openapi"]

    @staticmethod
    def now() -> str:
        """The time of day for timestamps, RFC 3339 in UTC."""
        return _timestamp(int(time.time()))

    def complete_metadata(self, obj: Object) -> None:
        """uid and creationTimestamp for an object that the server makes itself."""
        obj["metadata"].setdefault("uid", new_uid())
        obj["metadata"].setdefault("creationTimestamp", self.now())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await websocket.watch(self, scope, receive, send)
            return
        headers = dict(scope["headers"])
        exchange = Exchange(scope, headers, headers.get(b"audit-id") or new_audit_id())
        began = time.perf_counter()
        try:
            await self._exchange(exchange, receive, send, partial(self._done, exchange, began))
        finally:
            if not exchange.goes_on:
                self._done(exchange, began)
            elif self.audit is None and not logs.wanted():
                exchange.forget()

    def _done(self, exchange: Exchange, began: float) -> None:
        """The answer is with the client, or the client is gone."""
        seconds = time.perf_counter() - began
        if exchange.seats is not None:
            exchange.seats.leave()
        if exchange.long_running is not None:
            self.metrics.long_running[exchange.long_running] -= 1
        labels = exchange.long_running or labels_of(exchange.info, exchange.known)
        self.metrics.finished(labels, exchange.status, seconds)
        if self.audit is not None:
            self.audit.completed(exchange, seconds)
        logs.request(exchange, seconds)

    async def _exchange(self, exchange: Exchange, receive: Receive, send: Send, done: Callable[[], None]) -> None:
        """Answer one request, whatever becomes of it. `done` is for an answer that goes on by itself."""
        try:
            answer = await self._answer(exchange, receive, send)
            if answer is None:
                return
        except StatusError as error:
            exchange.failure = error
            answer = status_response(error, exchange.header(b"accept"), exchange.for_people)
        except TooManyRequests:
            answer = TOO_MANY
        except Unavailable as error:
            exchange.failure = errors.unavailable(str(error))
            answer = status_response(exchange.failure, exchange.header(b"accept"), exchange.for_people)
        except ClientGone:
            return
        except Exception:
            _log_fault(exchange)
            exchange.failure = errors.internal("the server has an error of its own; see its log")
            answer = status_response(exchange.failure, "")
        exchange.status = answer.status
        if answer.feed is not None:
            exchange.goes_on, answer.feed.ended = True, done
        if (answer.stream is not None or answer.feed is not None) and self.audit is not None:
            self.audit.started(exchange)
        try:
            await send_answer(answer, exchange, receive, send)
        except Exception:
            _log_fault(exchange)
            raise

    async def _answer(self, exchange: Exchange, receive: Receive, send: Send) -> Response | None:
        """The answer, or None where the non-resource application has sent it."""
        try:
            return await self._attempt(exchange, receive, send)
        except StatusError as refusal:
            if not await self._outdated(exchange, refusal):
                raise
        if exchange.seats is not None:
            exchange.seats.leave()
            exchange.seats = None
        exchange.warnings.clear()
        return await self._attempt(exchange, receive, send)

    async def _outdated(self, exchange: Exchange, refusal: StatusError) -> bool:
        """Whether another replica has written what this one had not seen when it refused: its own client, or one that
        it has told, may build on that."""
        if not self.store.replicated or refusal.code >= 500 or exchange.long_running is not None:
            return False
        before = self.store.revision
        await self.store.consistent()
        return self.store.revision != before

    async def _attempt(self, exchange: Exchange, receive: Receive, send: Send) -> Response | None:
        scope, headers = exchange.scope, exchange.headers
        raw_path = scope.get("raw_path") or scope["path"].encode()
        info = requestinfo.parse(scope["method"], raw_path.decode("latin-1"), scope["query_string"].decode("latin-1"))
        exchange.info = info
        if self.store.behind:
            await self.store.consistent()
        user = self._authorized(exchange, info)
        if not info.is_resource:
            return await self._nonresource_answer(exchange, receive, send)
        if info.path.startswith("//"):
            return NOT_FOUND  # authorized without its slashes, served by its prefix
        kind = self.registry.find(info.group, info.version, info.resource)
        if kind is None:
            elsewhere = self.aggregation.answers(info.group, info.version)
            if elsewhere is not None:
                return elsewhere
            if not self.registry.has_group(info.group) or self.registry.custom_group(info.group):
                return NOT_FOUND
            raise errors.not_found_plain()
        if kind.custom and not served_in(kind, info):
            return NOT_FOUND
        exchange.known = True
        received = exchange.request.received if exchange.request is not None else None
        request = Request(self, info, headers, receive, user, kind, warnings=exchange.warnings, received=received)
        exchange.request = request
        handler = route(request)
        if kind.warning:
            exchange.warnings.append(kind.warning)
        request.output = negotiated(request)
        if info.verb == "watch":
            exchange.long_running = labels_of(info, known=True)
            self.metrics.long_running[exchange.long_running] += 1
        else:
            await self._admitted(request, exchange)
        answer = await handler(request)
        return answer if len(answer.body) < GZIP_FROM else await compressed(request, answer)

    def _authorized(self, exchange: Exchange, info: RequestInfo) -> User:
        """As whom the request is made. Raises 401, 403."""
        user = exchange.user = self.authenticator.authenticate(exchange.headers, client_certificate(exchange.scope))
        user = self.authorizer.impersonated(user, exchange.headers, exchange.scope["headers"])
        if user is not exchange.user:
            exchange.impersonated = user
        exchange.flow = self.flow_schemas.headers(user, info)
        try:
            self.authorizer.check(user, info)
        except StatusError:
            exchange.decision = "forbid"
            if self.audit is not None:
                exchange.reason = self.authorizer.refusal(user, info)
            raise
        exchange.decision = "allow"
        if self.audit is not None:
            exchange.reason = self.authorizer.reason(user, Attributes.of(info))
        return user

    async def _admitted(self, request: Request, exchange: Exchange) -> None:
        """Wait for the body first: who sends it slowly holds nothing. Raises TooManyRequests, 504."""
        read_only = request.info.method in READ_ONLY
        if not read_only and request.received is None:
            await request.receive_body(self.options.request_timeout)
        kind = "readOnly" if read_only else "mutating"
        exchange.seats = self.flow.at_once(kind) or await self.flow.enter(kind, request.user.name)

    async def _nonresource_answer(self, exchange: Exchange, receive: Receive, send: Send) -> Response | None:
        if self._nonresource is None:
            from apiserver.nonresource import make_app

            self._nonresource = make_app(self)

        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                exchange.status = message["status"]
                message["headers"] = [(b"audit-id", exchange.audit_id), *exchange.flow, *message["headers"]]
            await send(message)

        await self._nonresource(exchange.scope, receive, noted)
        return None

    def shutting_down(self) -> None:
        """The process is about to end: readiness fails, watches end."""
        self.draining = True
        self.store.shutting_down()

    async def close(self) -> None:
        await self.store.close()
        if self.audit is not None:
            await asyncio.to_thread(self.audit.close)


@lru_cache(maxsize=2)
def _timestamp(second: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(second))


def _log_fault(exchange: Exchange) -> None:
    """The exception at hand is a fault of ours: with the id that the client has got, it can be found."""
    fields = {"audit-ID": exchange.audit_id.decode("latin-1")}
    log.exception("%s %s", exchange.scope["method"], exchange.uri, extra={"fields": fields})


async def create(options: Options) -> App:
    """Open the storage and make the server: bootstrap objects are in place when it returns.

    Raises what `Store.open` raises, and OSError for an audit log that cannot be written.
    """
    from apiserver.bootstrap import bootstrap

    audit = _audit_log(options)
    store = await Store.open(options.database_url, watch_history=options.watch_history, peers=options.peers)
    app = App(options, store)
    app.audit = audit
    await bootstrap(app)
    app.custom.start()
    app.aggregation.start()
    app.repair.start()
    app.policy_status.start()
    return app


def _audit_log(options: Options) -> AuditLog | None:
    if not options.audit_log:
        return None
    from apiserver.audit import AuditLog

    return AuditLog(options.audit_log)


__all__ = ["App", "Kind", "User", "create"]
