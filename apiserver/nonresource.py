"""What is not a resource: health, version, discovery, OpenAPI, metrics. A FastAPI application behind the front door."""

from __future__ import annotations

import inspect
import platform
from typing import TYPE_CHECKING, Any

import orjson
from fastapi import FastAPI, Request, Response

from apiserver import errors
from apiserver.discovery import AGGREGATED, aggregated_version
from apiserver.handlers.respond import encode, status_response
from apiserver.negotiation import JSON, OBJECT_TYPES, YAML, Output, clauses, error_media
from miniplane.apimachinery.status import StatusError

if TYPE_CHECKING:
    from apiserver.server import App

TEXT = "text/plain; charset=utf-8"
PATCH_RELEASES = {36: 2}
"""gitVersion's patch number where it is not 0: the release that the answers were compared with."""
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]
SWAGGER_PROTOBUF = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
NOT_FOUND = "404 page not found\n"


def make_app(server: App) -> FastAPI:
    """The application for one API server."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    _health(app, server)
    _discovery(app, server)
    _openapi(app, server)

    @app.exception_handler(StatusError)
    async def refused(request: Request, error: StatusError) -> Response:
        answer = status_response(error, request.headers.get("accept", ""))
        return Response(answer.body, answer.status, media_type=answer.content_type)

    @app.exception_handler(404)
    async def missing(request: Request, _: Exception) -> Response:
        return Response(NOT_FOUND, 404, media_type=TEXT)

    return app


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
        "platform": f"linux/{ {'x86_64': 'amd64', 'aarch64': 'arm64'}.get(platform.machine(), platform.machine()) }",
    }
    if minor >= 34:
        info |= {"emulationMajor": "1", "emulationMinor": str(minor)}
        info |= {"minCompatibilityMajor": "1", "minCompatibilityMinor": str(minor - 1)}
    return info


def _health(app: FastAPI, server: App) -> None:
    async def root(request: Request) -> Response:
        return await health(server, request.url.path.strip("/"), "", request)

    async def single(request: Request, check: str) -> Response:
        return await health(server, request.url.path.strip("/").split("/")[0], check, request)

    for name in ("healthz", "livez", "readyz"):
        app.add_api_route(f"/{name}", root, methods=METHODS)
        app.add_api_route(f"/{name}/{{check}}", single, methods=METHODS)

    async def metrics(request: Request) -> Response:
        from apiserver.metrics import render

        body, media = render(server)
        return Response(body, media_type=media)

    app.add_api_route("/metrics", metrics, methods=["GET"])


async def health(server: App, root: str, check: str, request: Request) -> Response:
    """One health endpoint: all checks, or one of them."""
    checks: dict[str, Any] = dict(server.checks)
    if root == "readyz":
        checks["shutdown"] = lambda: not server.draining
    if check:
        if check not in checks:
            return Response(NOT_FOUND, 404, media_type=TEXT)
        checks = {check: checks[check]}
    excluded = set(request.query_params.getlist("exclude"))
    lines, failed = [], False
    for name, run in checks.items():
        if name in excluded:
            lines.append(f"[+]{name} excluded: ok")
            continue
        result = run()
        good = await result if inspect.isawaitable(result) else result
        failed = failed or not good
        lines.append(f"[+]{name} ok" if good else f"[-]{name} failed: reason withheld")
    unknown = excluded - set(checks)
    if unknown:
        quoted = ", ".join(f'"{name}"' for name in sorted(unknown))
        lines.append(f"warn: some health checks cannot be excluded: no matches for {quoted}")
    verdict = f"{root} check {'failed' if failed else 'passed'}\n"
    text = "\n".join(lines) + "\n" + verdict
    if failed:
        return Response(text, 500, media_type=TEXT)
    return Response(text if "verbose" in request.query_params else "ok", media_type=TEXT)


def _answer(request: Request, value: Any, *, only_json: bool = False) -> Response:
    """A document in JSON or YAML. Raises 405, 406."""
    if request.method != "GET":
        raise errors.method_not_allowed()
    accept = request.headers.get("accept", "")
    offered = (JSON,) if only_json else OBJECT_TYPES
    wanted = [clause.media for clause in clauses(accept)]
    if wanted and not any(media in (*offered, "*/*") for media in wanted):
        raise errors.not_acceptable(offered)
    media = error_media(accept) if not only_json else JSON
    pretty = request.query_params.get("pretty", "0") not in ("0", "false")
    body, content_type = encode(value, Output(media if media in (JSON, YAML) else JSON), pretty)
    return Response(body, media_type=content_type)


def _discovery(app: FastAPI, server: App) -> None:
    async def version(request: Request) -> Response:
        return _answer(request, version_info(server.options.kubernetes_minor), only_json=True)

    async def api(request: Request) -> Response:
        return _listing(request, server, core=True)

    async def apis(request: Request) -> Response:
        return _listing(request, server, core=False)

    async def group(request: Request, group: str) -> Response:
        found = server.discovery.group(group)
        return _answer(request, found) if found else Response(NOT_FOUND, 404, media_type=TEXT)

    async def core_resources(request: Request, version: str) -> Response:
        return _resources(request, server, "", version)

    async def resources(request: Request, group: str, version: str) -> Response:
        return _resources(request, server, group, version)

    async def index(request: Request) -> Response:
        return _answer(request, {"paths": _paths(server)}, only_json=True)

    routes = {
        "/version": version,
        "/api": api,
        "/apis": apis,
        "/api/{version}": core_resources,
        "/apis/{group}": group,
        "/apis/{group}/{version}": resources,
    }
    app.add_api_route("/", index, methods=METHODS)
    for path, endpoint in routes.items():
        app.add_api_route(path, endpoint, methods=METHODS)
        app.add_api_route(f"{path}/", endpoint, methods=METHODS)


def _listing(request: Request, server: App, *, core: bool) -> Response:
    wanted, plain = aggregated_version(request.headers.get("accept", ""))
    if wanted:
        body = orjson.dumps(server.discovery.aggregated(core, wanted))
        tag = server.discovery.etag(body)
        headers = {"etag": tag, "vary": "Accept"}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(body, media_type=AGGREGATED.format(wanted), headers=headers)
    if not plain and "as=" in request.headers.get("accept", ""):
        raise errors.not_acceptable_transform()
    address = f"{server.options.advertise_address or server.options.bind}:{server.options.port}"
    return _answer(request, server.discovery.legacy_versions(address) if core else server.discovery.group_list())


def _resources(request: Request, server: App, group: str, version: str) -> Response:
    found = server.discovery.resources(group, version)
    if found is None:
        if group and (group not in server.discovery.groups or server.registry.custom_group(group)):
            return Response(NOT_FOUND, 404, media_type=TEXT)
        raise errors.not_found_plain()
    return _answer(request, found)


def _paths(server: App) -> list[str]:
    found = ["/api", "/apis", "/healthz", "/livez", "/metrics", "/openapi/v2", "/openapi/v3", "/readyz", "/version"]
    for group, versions in server.discovery.groups.items():
        root = f"/apis/{group}" if group else "/api"
        found += [root] if group else []
        found += [f"{root}/{version}" for version in versions]
    return sorted(found)


def _openapi(app: FastAPI, server: App) -> None:
    async def swagger(request: Request) -> Response:
        if "protobuf" in request.headers.get("accept", ""):
            from apiserver.protobuf.openapi import openapi_v2_protobuf

            return Response(openapi_v2_protobuf(server.openapi.v2()), media_type=SWAGGER_PROTOBUF)
        return _tagged(request, orjson.dumps(server.openapi.v2()), JSON, server)

    async def index(request: Request) -> Response:
        return _tagged(request, orjson.dumps(server.openapi.v3_index()), TEXT, server)

    async def document(request: Request, path: str) -> Response:
        parts = path.strip("/").split("/")
        if parts[0] == "api" and len(parts) == 2:
            found = server.openapi.v3("", parts[1])
        elif parts[0] == "apis" and len(parts) == 3:
            found = server.openapi.v3(parts[1], parts[2])
        else:
            found = None
        if found is None:
            return Response(status_code=404)
        return _tagged(request, orjson.dumps(found), JSON, server)

    app.add_api_route("/openapi/v2", swagger, methods=["GET"])
    app.add_api_route("/openapi/v3", index, methods=["GET"])
    app.add_api_route("/openapi/v3/{path:path}", document, methods=["GET"])


def _tagged(request: Request, body: bytes, media: str, server: App) -> Response:
    tag = server.discovery.etag(body)
    headers = {"etag": tag, "vary": "Accept-Encoding, Accept"}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    if "gzip" in request.headers.get("accept-encoding", "") and len(body) > 1400:
        import gzip

        headers["content-encoding"] = "gzip"
        body = gzip.compress(body, 1)
    return Response(body, media_type=media, headers=headers)
