"""What is not a resource: health, version, discovery, OpenAPI, metrics. A FastAPI application behind the front door."""

from __future__ import annotations

import asyncio
import platform
from collections.abc import Callable, MutableMapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request, Response

from apiserver import errors, health
from apiserver.handlers.respond import encode, status_response
from apiserver.negotiation import JSON, OBJECT_TYPES, Output, clauses, for_people
from apiserver.openapi_documents import Document, Documents, v2_media, v3_acceptable
from miniplane.apimachinery.status import StatusError

if TYPE_CHECKING:
    from apiserver.server import App

TEXT = "text/plain; charset=utf-8"
PATCH_RELEASES = {36: 2}
"""gitVersion's patch number where it is not 0: the release that the answers were compared with."""
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]
NO_SNIFFING = {"x-content-type-options": "nosniff"}
HEALTH = ("healthz", "livez", "readyz")
PLATFORMS = {"x86_64": "amd64", "aarch64": "arm64"}


def make_app(server: App) -> FastAPI:
    """The application for one API server. Whoever asks has been authenticated and authorized."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    _health(app, server)
    _discovery(app, server)
    _openapi(app, server)
    _issuer(app, server)
    app.add_middleware(NoCache)

    @app.exception_handler(StatusError)
    async def refused(request: Request, error: StatusError) -> Response:
        agent = request.headers.get("user-agent", "").encode("latin-1")
        indent = for_people(agent, request.query_params.get("pretty", ""))
        answer = status_response(error, request.headers.get("accept", ""), indent)
        return Response(answer.body, answer.status, media_type=answer.content_type)

    @app.exception_handler(404)
    async def missing(request: Request, _: Exception) -> Response:
        return _missing()

    return app


class NoCache:
    """`Cache-Control` on every answer that does not set it itself (the real server's WithCacheControl)."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def marked(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                names = {name for name, _ in message["headers"]}
                if b"cache-control" not in names:
                    message["headers"] = [*message["headers"], (b"cache-control", b"no-cache, private")]
            await send(message)

        await self.app(scope, receive, marked)


def _missing() -> Response:
    return Response("404 page not found\n", 404, NO_SNIFFING, TEXT)


def version_info(minor: int) -> dict[str, str]:
    """/version"""
    patch = PATCH_RELEASES.get(minor, 0)
    info = {
        "major": "1",
        "minor": str(minor),
        "gitVersion": f"v1.{minor}.{patch}",
        "gitCommit": "miniplane",
        "gitTreeState": "clean",
        "buildDate": "2026-01-01T00:00:00Z",
        "goVersion": "go1.26",
        "compiler": "gc",
        "platform": f"linux/{PLATFORMS.get(platform.machine(), platform.machine())}",
    }
    if minor >= 34:
        info |= {"emulationMajor": "1", "emulationMinor": str(minor)}
        info |= {"minCompatibilityMajor": "1", "minCompatibilityMinor": str(minor - 1)}
    return info


def _health(app: FastAPI, server: App) -> None:
    async def all_checks(request: Request) -> Response:
        root = request.url.path.strip("/")
        query = request.query_params
        checks = _checks(server, root)
        excluded, verbose = set(query.getlist("exclude")), "verbose" in query
        return _verdict(await health.combined(root, checks, excluded, verbose, server.health))

    async def one_check(request: Request, name: str) -> Response:
        checks = _checks(server, request.url.path.split("/")[1])
        return _verdict(await health.single(checks[name])) if name in checks else _missing()

    for root in HEALTH:
        app.add_api_route(f"/{root}", all_checks, methods=METHODS)
        app.add_api_route(f"/{root}/{{name:path}}", one_check, methods=METHODS)

    async def metrics(request: Request) -> Response:
        from apiserver.metrics import render

        body, media = await render(server)
        return Response(body, media_type=media)

    async def indicators(request: Request) -> Response:
        from apiserver.metrics import render_indicators

        if request.method == "DELETE":
            server.health.forget()
            return Response("metrics reset\n", 200, NO_SNIFFING, TEXT)
        body, media = render_indicators(server.health)
        return Response(body, media_type=media)

    app.add_api_route("/metrics", metrics, methods=METHODS)
    app.add_api_route("/metrics/slis", indicators, methods=METHODS)


def _checks(server: App, root: str) -> dict[str, health.Check]:
    return health.all_checks(root, lambda: not server.store.closed, lambda: server.draining)


def _verdict(verdict: health.Verdict) -> Response:
    return Response(verdict.text, 200 if verdict.good else 500, NO_SNIFFING, TEXT)


def _output(accept: str, offered: tuple[str, ...]) -> Output:
    """The form of an answer that has no transformations. Raises 406: one text where the route has none of the media
    types, another where only transformations of them are asked for."""
    wanted = clauses(accept)
    if not wanted:
        return Output(offered[0])
    if not any(clause.media == "*/*" or clause.media in offered for clause in wanted):
        raise errors.not_acceptable(offered)
    for clause in wanted:
        params = dict(clause.params)
        media = offered[0] if clause.media in ("*/*", "application/*") else clause.media
        if media in offered and "as" not in params:
            return Output(media, pretty=params.get("pretty") == "1")
    raise errors.not_acceptable_transform()


def _answer(request: Request, value: Any, offered: tuple[str, ...] = OBJECT_TYPES) -> Response:
    """A document in the form that was asked for. Raises 405, 406."""
    if request.method != "GET":
        raise errors.method_not_allowed()
    output = _output(request.headers.get("accept", ""), offered)
    agent = request.headers.get("user-agent", "").encode("latin-1")
    indent = output.pretty or for_people(agent, request.query_params.get("pretty", ""))
    body, content_type = encode(value, output, indent)
    return Response(body, media_type=content_type)


def _for_people(value: Any) -> Response:
    """Indented JSON whatever was asked for (WriteRawJSON)."""
    return Response(encode(value, Output(JSON), True)[0], media_type=JSON)


def _discovery(app: FastAPI, server: App) -> None:
    async def version(request: Request) -> Response:
        _answer(request, {}, (JSON,))  # refuses methods and media types
        return _for_people(version_info(server.options.kubernetes_minor))

    async def api(request: Request) -> Response:
        return _listing(request, server, core=True)

    async def apis(request: Request) -> Response:
        return _listing(request, server, core=False)

    async def group(request: Request, group: str) -> Response:
        found = server.discovery.group(group)
        return _answer(request, found) if found else _missing()

    async def core_resources(request: Request, version: str) -> Response:
        return _resources(request, server, "", version)

    async def resources(request: Request, group: str, version: str) -> Response:
        return _resources(request, server, group, version)

    async def index(request: Request) -> Response:
        return _for_people({"paths": _paths(server)})

    routes: dict[str, Callable[..., Any]] = {
        "/version": version,
        "/api": api,
        "/apis": apis,
        "/api/{version}": core_resources,
        "/apis/{group}": group,
        "/apis/{group}/{version}": resources,
    }
    for path in ("/", "/index.html"):
        app.add_api_route(path, index, methods=METHODS)
    for path, endpoint in routes.items():
        app.add_api_route(path, endpoint, methods=METHODS)
        app.add_api_route(f"{path}/", endpoint, methods=METHODS)


def _listing(request: Request, server: App, *, core: bool) -> Response:
    accept = request.headers.get("accept", "")
    found = server.discovery.aggregated_document(accept, core=core) if request.method == "GET" else None
    if found is not None:
        headers = {"etag": found.tag, "vary": "Accept"}
        if request.headers.get("if-none-match") == found.tag:
            return Response(status_code=304, headers=headers)
        return Response(found.body, headers=headers | {"content-type": found.media})
    address = f"{server.options.advertise_address or server.options.bind}:{server.options.port}"
    return _answer(request, server.discovery.legacy_versions(address) if core else server.discovery.group_list())


def _resources(request: Request, server: App, group: str, version: str) -> Response:
    found = server.discovery.resources(group, version)
    if found is None:
        elsewhere = server.aggregation.answers(group, version)
        if elsewhere is not None:
            return Response(elsewhere.body, elsewhere.status, media_type=elsewhere.content_type)
        if group and (group not in server.discovery.groups or server.registry.custom_group(group)):
            return _missing()
        raise errors.not_found_plain()
    return _answer(request, found)


def _paths(server: App) -> list[str]:
    found = ["/.well-known/openid-configuration", "/api", "/apis", "/openapi/v2", "/openapi/v3"]
    found += ["/metrics", "/metrics/slis", "/openid/v1/jwks", "/version"]
    for root in HEALTH:
        found += [f"/{root}", *(f"/{root}/{name}" for name in _checks(server, root))]
    for group, versions in server.discovery.groups.items():
        base = f"/apis/{group}" if group else "/api"
        found += [base] if group else []
        found += [f"{base}/{version}" for version in versions]
    return sorted(found)


def _openapi(app: FastAPI, server: App) -> None:
    kept: list[Documents] = []

    def documents() -> Documents:
        if not kept or kept[0].source is not server.openapi:
            kept[:] = [Documents(server.openapi)]
        return kept[0]

    async def swagger(request: Request) -> Response:
        media = v2_media(request.headers.get("accept", ""))
        if media is None:
            return Response(status_code=406)
        return _document(request, await asyncio.to_thread(documents().v2, media), media)

    async def index(request: Request) -> Response:
        return _document(request, await asyncio.to_thread(documents().index), TEXT)

    async def group_version(request: Request, path: str) -> Response:
        found = await asyncio.to_thread(documents().group_version, path)
        if found is None:
            return Response(status_code=404)
        if not v3_acceptable(request.headers.get("accept", "")):
            return Response(status_code=406)
        asked = request.query_params.get("hash")
        if asked and asked != found.tag.strip('"'):
            target = f"/openapi/v3/{path}?hash={found.tag.strip(chr(34))}"
            return Response(status_code=301, headers={"location": target})
        return _document(request, found, JSON, _forever() if asked else {})

    app.add_api_route("/openapi/v2", swagger, methods=METHODS)
    app.add_api_route("/openapi/v3", index, methods=METHODS)
    app.add_api_route("/openapi/v3/{path:path}", group_version, methods=METHODS)


def _forever() -> dict[str, str]:
    """A document asked for by its hash never changes."""
    expires = format_datetime(datetime.now(UTC) + timedelta(days=365), usegmt=True)
    return {"cache-control": "public, immutable", "expires": expires}


def _document(request: Request, found: Document, media: str, extra: dict[str, str] | None = None) -> Response:
    headers = {"etag": found.tag, "vary": "Accept-Encoding, Accept", **(extra or {})}
    if request.headers.get("if-none-match") == found.tag:
        return Response(status_code=304, headers=headers)
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(found.packed, headers=headers | {"content-encoding": "gzip", "content-type": media})
    return Response(found.plain, headers=headers | {"content-type": media})


def _issuer(app: FastAPI, server: App) -> None:
    """Who signs service account tokens, for those who check them (OpenID Connect Discovery 1.0)."""
    from apiserver.auth.authentication import ISSUER

    async def configuration(request: Request) -> Response:
        address = f"{server.options.advertise_address or server.options.bind}:{server.options.port}"
        value = {
            "issuer": ISSUER,
            "jwks_uri": f"https://{address}/openid/v1/jwks",
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
        }
        return _public(request, value, JSON)

    async def keys(request: Request) -> Response:
        return _public(request, server.tokens.signer.jwks(), "application/jwk-set+json")

    app.add_api_route("/.well-known/openid-configuration", configuration, methods=METHODS)
    app.add_api_route("/openid/v1/jwks", keys, methods=METHODS)


def _public(request: Request, value: Any, media: str) -> Response:
    if request.method != "GET":
        raise errors.method_not_allowed()
    body, _ = encode(value, Output(JSON))
    return Response(body, headers={"cache-control": "public, max-age=3600", "content-type": media})
