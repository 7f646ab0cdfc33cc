"""One constructor per Status that the API server answers (apimachinery's `api/errors`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from apiserver.field import FieldError, forbidden
from miniplane.apimachinery.status import StatusError as StatusError  # callers take it from here

if TYPE_CHECKING:
    from apiserver.kinds.kind import Kind, User


def _details(kind: Kind, name: str) -> dict[str, Any]:
    details: dict[str, Any] = {"name": name, "group": kind.group, "kind": kind.plural}
    return {key: value for key, value in details.items() if value}


def bad_request(message: str) -> StatusError:
    return StatusError(400, "BadRequest", message)


def unauthorized() -> StatusError:
    return StatusError(401, "Unauthorized", "Unauthorized")


def forbidden_request(group: str, resource: str, name: str, message: str) -> StatusError:
    """403 as authorization and admission word it: `pods "x" is forbidden: ...`."""
    qualified = f"{resource}.{group}" if group else resource
    details = {key: value for key, value in (("name", name), ("group", group), ("kind", resource)) if value}
    if not resource:
        head = "forbidden"
    elif name:
        head = f'{qualified} "{name}" is forbidden'
    else:
        head = f"{qualified} is forbidden"
    return StatusError(403, "Forbidden", f"{head}: {message}", details=details)


def forbidden_object(kind: Kind, name: str, message: str) -> StatusError:
    """403 about one object of a kind."""
    return forbidden_request(kind.group, kind.plural, name, message)


def not_found(kind: Kind, name: str) -> StatusError:
    return StatusError(404, "NotFound", f'{kind.qualified} "{name}" not found', details=_details(kind, name))


def not_found_plain() -> StatusError:
    """A version, resource or subresource that does not exist in a known group."""
    return StatusError(404, "NotFound", "the server could not find the requested resource", details={})


def method_not_allowed() -> StatusError:
    return StatusError(
        405, "MethodNotAllowed", "the server does not allow this method on the requested resource", details={}
    )


def method_not_supported(kind: Kind, action: str) -> StatusError:
    """405 by the kind's own storage: `delete is not supported on resources of kind "x"`."""
    message = f'{action} is not supported on resources of kind "{kind.qualified}"'
    return StatusError(405, "MethodNotAllowed", message, details=_details(kind, ""))


def closed(kind: Kind) -> StatusError:
    """405 for a create of a kind whose definition is about to go."""
    return StatusError(405, "MethodNotAllowed", kind.closed, details=_details(kind, ""))


def not_acceptable(accepted: Sequence[str]) -> StatusError:
    """The route has no such representation (406 before the handler runs)."""
    message = f"406: Not Acceptable\n\nAvailable representations: {', '.join(accepted)}"
    return StatusError(406, "NotAcceptable", message, details={})


OBJECT_TYPES = "application/json, application/yaml, application/vnd.kubernetes.protobuf"
STREAM_TYPES = "application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch"


def not_acceptable_transform(message: str = "") -> StatusError:
    """A transformation (`as=`) that does not fit (406 by the handler)."""
    return StatusError(406, "NotAcceptable", message or f"only the following media types are accepted: {OBJECT_TYPES}")


def not_acceptable_stream() -> StatusError:
    """A watch in a media type that has no frames (406 by the handler)."""
    return not_acceptable_transform(f"only the following media types are accepted: {STREAM_TYPES}")


def unsupported_media_type() -> StatusError:
    message = f"the body of the request was in an unknown format - accepted media types include: {OBJECT_TYPES}"
    return StatusError(415, "UnsupportedMediaType", message)


def unsupported_patch_route() -> StatusError:
    """A content type that no PATCH route takes."""
    return StatusError(415, "UnsupportedMediaType", "415: Unsupported Media Type", details={})


def unsupported_patch_type(accepted: Sequence[str]) -> StatusError:
    """A patch type that PATCH takes, but not for this kind."""
    message = f"the body of the request was in an unknown format - accepted media types include: {', '.join(accepted)}"
    return StatusError(415, "UnsupportedMediaType", message)


def already_exists(kind: Kind, name: str) -> StatusError:
    return StatusError(409, "AlreadyExists", f'{kind.qualified} "{name}" already exists', details=_details(kind, name))


def generate_name_conflict(kind: Kind, name: str) -> StatusError:
    """Every generated name was taken."""
    error = already_exists(kind, name)
    error.message += ", the server was not able to generate a unique name for the object"
    error.details = {**(error.details or {}), "retryAfterSeconds": 1}
    return error


def conflict(kind: Kind, name: str, why: str) -> StatusError:
    message = f'Operation cannot be fulfilled on {kind.qualified} "{name}": {why}'
    return StatusError(409, "Conflict", message, details=_details(kind, name))


MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"


def precondition_failed(kind: Kind, key_path: str, name: str, what: str, precondition: str, actual: str) -> StatusError:
    """The StorageError text of a failed uid or resourceVersion precondition."""
    why = (
        f"StorageError: invalid object, Code: 4, Key: {key_path}, ResourceVersion: 0, AdditionalErrorMsg: "
        f"Precondition failed: {what} in precondition: {precondition}, {what} in object meta: {actual}"
    )
    return conflict(kind, name, why)


def invalid(group: str, kind: str, name: str, errors: Sequence[FieldError]) -> StatusError:
    """422: causes in order, as often as the rules ran; the message lists each text once."""
    texts = list(dict.fromkeys(str(error) for error in errors))
    body = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    qualified = f"{kind}.{group}" if group else kind
    details: dict[str, Any] = {"name": name, "group": group, "kind": kind}
    details = {key: value for key, value in details.items() if value}
    details["causes"] = [error.cause() for error in errors]
    return StatusError(422, "Invalid", f'{qualified} "{name}" is invalid: {body}', details=details)


def unprocessable(message: str) -> StatusError:
    """422 without causes (a JSON patch that does not apply)."""
    return StatusError(422, "Invalid", message, details={})


def invalid_options(kind: str, errors: Sequence[FieldError], group: str = "meta.k8s.io") -> StatusError:
    return invalid(group, kind, "", errors)


def internal(message: str) -> StatusError:
    """The real server's 500s that a client can cause: reason InternalError."""
    return StatusError(
        500, "InternalError", f"Internal error occurred: {message}", details={"causes": [{"message": message}]}
    )


def plain_internal(message: str) -> StatusError:
    """A 500 without a reason: an error that the real server did not expect to answer."""
    return StatusError(500, "", message)


def too_large_resource_version(asked: int, current: int) -> StatusError:
    cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    return StatusError(
        504,
        "Timeout",
        f"Too large resource version: {asked}, current: {current}",
        details={"causes": [cause], "retryAfterSeconds": 1},
        headers={"Retry-After": "1"},
    )


def expired(message: str, continue_token: str = "") -> StatusError:
    metadata = {"continue": continue_token} if continue_token else {}
    return StatusError(410, "Expired", message, metadata=metadata)


def too_large_body(limit: int) -> StatusError:
    message = f"Request entity too large: limit is {limit}"
    return StatusError(413, "RequestEntityTooLarge", message)


def timeout() -> StatusError:
    """504: the request took longer than `--request-timeout`."""
    message = "Timeout: request did not complete within the allotted timeout"
    return StatusError(504, "Timeout", message, details={})


def request_too_large(message: str) -> StatusError:
    """413 with the reason in words (too many patch operations)."""
    return StatusError(413, "RequestEntityTooLarge", message)


def too_many_requests(message: str, retry_after: int) -> StatusError:
    return StatusError(
        429,
        "TooManyRequests",
        message,
        details={"retryAfterSeconds": retry_after},
        headers={"Retry-After": str(retry_after)},
    )


def unavailable(message: str) -> StatusError:
    return StatusError(503, "ServiceUnavailable", message, headers={"Retry-After": "1"})


def unsupported_option(name: str, value: str) -> StatusError:
    """Something that we do not offer (yet): refused, never ignored."""
    return invalid_options("ListOptions", [forbidden(name, f"{value!r} is not supported by this server")])


def denied(user: User, verb: str, group: str, resource: str, name: str, namespace: str, scope: str) -> StatusError:
    """The authorizer's 403."""
    why = f'User "{user.name}" cannot {verb} resource "{resource}" in API group "{group}" {scope}'
    return forbidden_request(group, resource.partition("/")[0], name, why)
