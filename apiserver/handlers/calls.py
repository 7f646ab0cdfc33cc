"""Calls: subresources and kinds that do something rather than show something."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

import orjson

from apiserver import errors, writeoptions
from apiserver.auth.reviews import review
from apiserver.body import read_object
from apiserver.field import FieldError, forbidden, invalid, required
from apiserver.handlers import proxy, read
from apiserver.handlers.create import context_of, place
from apiserver.handlers.eviction import evict
from apiserver.handlers.respond import value_response
from apiserver.handlers.update import modify
from apiserver.kinds.kind import Context, Kind, Object, Strategy, Subresource
from apiserver.request import Request, Response
from apiserver.requestinfo import RequestInfo
from apiserver.schema.gotime import canonical

_CONTAINERS = ("initContainers", "containers", "ephemeralContainers")
BINDING = Kind("", "v1", "Binding", "bindings", True)
CREATED = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}


async def bind(request: Request) -> Response:
    """POST pods/NAME/binding (and the older POST bindings): give a pod its node."""
    options = writeoptions.parse(request.info, "CreateOptions")
    binding = await read_object(request, BINDING, options.field_validation)
    metadata = binding.setdefault("metadata", {})
    place(BINDING, metadata, request.info.namespace)
    pods = request.server.registry.find("", "v1", "pods")
    assert pods is not None
    request.kind = pods
    name = request.info.name or metadata.get("name", "")
    request.info = replace(request.info, name=name, subresource="binding")
    request.subresource = Subresource("binding", ("create",), strategy=AssignStrategy())
    options.applied = True  # a node is nobody's field
    await request.server.admission.call(request, BINDING, binding, context_of(request, options))
    if metadata.get("name", "") != name:
        raise errors.bad_request("name in URL does not match name in Binding object")
    faults = _binding_faults(binding.get("target") or {})
    if faults:
        raise errors.plain_internal(", ".join(map(str, faults)))
    await modify(request, options, lambda pod: assign(request, pod, binding))
    return value_response(request, dict(CREATED), 201)


class AssignStrategy(Strategy):
    """Giving a pod its node is no update of the pod by a user: nothing is validated or counted."""

    defaulted = ()

    def prepare_for_update(self, obj: Object, old: Object, context: Context) -> None:
        """The pod is as `assign` made it."""

    def validate_update(self, obj: Object, old: Object, context: Context) -> list[FieldError]:
        return []


def _binding_faults(target: Object) -> list[FieldError]:
    from apiserver.field import not_supported

    found: list[FieldError] = []
    if target.get("kind", "") not in ("", "Node"):
        found.append(not_supported("target.kind", target["kind"], ("Node", "<empty>")))
    if not target.get("name"):
        found.append(required("target.name"))
    return found


def assign(request: Request, pod: Object, binding: Object) -> Object:
    """A pod like `pod`, on its node. Raises 409 where it has one or is being deleted."""
    metadata, spec = pod["metadata"], pod["spec"]
    name, node = metadata["name"], binding["target"]["name"]
    uid = (binding.get("metadata") or {}).get("uid")
    if uid and uid != metadata["uid"]:
        from apiserver.handlers.commit import check_preconditions

        check_preconditions(request.kind, pod, uid, None)
    kind = Kind("", "v1", "Binding", "pods/binding", True)
    if metadata.get("deletionTimestamp"):
        raise errors.conflict(kind, name, f"pod {name} is being deleted, cannot be assigned to a host")
    if spec.get("nodeName"):
        raise errors.conflict(kind, name, f'pod {name} is already assigned to node "{spec["nodeName"]}"')
    if spec.get("schedulingGates"):
        raise errors.conflict(kind, name, f"pod {name} has non-empty .spec.schedulingGates")
    metadata = dict(metadata)
    annotations = (binding.get("metadata") or {}).get("annotations")
    if annotations:
        metadata["annotations"] = {**(metadata.get("annotations") or {}), **annotations}
    labels = (binding.get("metadata") or {}).get("labels")
    if labels:
        metadata["labels"] = {**labels, **(metadata.get("labels") or {})}
    status = _scheduled(pod.get("status") or {}, request.server.now())
    return {**pod, "metadata": metadata, "spec": {**spec, "nodeName": node}, "status": status}


def _scheduled(status: Object, now: str) -> Object:
    conditions = [c for c in status.get("conditions") or () if c.get("type") != "PodScheduled"]
    conditions.append({"type": "PodScheduled", "status": "True", "lastProbeTime": None, "lastTransitionTime": now})
    return {**status, "conditions": conditions}


async def log(request: Request) -> Response:
    """GET pods/NAME/log: there is no kubelet to ask."""
    options = request.info
    faults = _log_faults(options)
    if faults:
        raise errors.invalid("", "PodLogOptions", request.info.name, faults)
    pod = orjson.loads(read.find(request).data)
    _check_container(pod, options)
    if not pod["spec"].get("nodeName"):
        return Response(204, b"", "text/plain")
    raise _no_kubelet(request, pod)


def _check_container(pod: Object, info: RequestInfo) -> None:
    """Where the request names no container, the pod may have one only. Raises 400."""
    spec, container = pod["spec"], info.param("container")
    names = [c["name"] for group in _CONTAINERS for c in spec.get(group) or ()]
    if container and container not in names:
        raise errors.bad_request(f"container {container} is not valid for pod {info.name}")
    if not container and len(spec.get("containers") or ()) > 1:
        text = f"a container name must be specified for pod {info.name}, choose one of: [{' '.join(names)}]"
        raise errors.bad_request(text)


def _log_faults(info: RequestInfo) -> list[FieldError]:
    """ValidatePodLogOptions, before anybody looks for the pod. Raises 400 for what is no number or time."""
    given = {
        name: writeoptions.integer(info.param(name))
        for name in ("sinceSeconds", "tailLines", "limitBytes")
        if name in info.query
    }
    _check_time(info.param("sinceTime"))
    found: list[FieldError] = []
    if given.get("tailLines", 0) < 0:
        found.append(invalid("tailLines", given["tailLines"], "must be greater than or equal to 0"))
    if given.get("limitBytes", 1) < 1:
        found.append(invalid("limitBytes", given["limitBytes"], "must be greater than 0"))
    if "sinceSeconds" in given and "sinceTime" in info.query:
        found.append(forbidden("[]", "at most one of `sinceTime` or `sinceSeconds` may be specified"))
    elif given.get("sinceSeconds", 1) < 1:
        found.append(invalid("sinceSeconds", given["sinceSeconds"], "must be greater than 0"))
    if "stream" in info.query:  # PodLogsQuerySplitStreams, KEP-3288, is off
        found.append(forbidden("stream", "may not be specified"))
    return found


def _check_time(text: str) -> None:
    if text in ("", "null"):  # which old clients send
        return
    try:
        canonical(text, micro=False)
    except ValueError as error:
        raise errors.bad_request(str(error)) from None


def _no_kubelet(request: Request, pod: Object) -> errors.StatusError:
    node = pod["spec"]["nodeName"]
    found = request.server.cluster.get("nodes", "", node)
    if found is None:
        details = {"name": node, "kind": "pods"}
        return errors.StatusError(404, "NotFound", f'pods "{node}" not found', details=details)
    if not (found.get("status") or {}).get("addresses"):
        return errors.StatusError(500, "", "no preferred addresses found; known addresses: []")
    return errors.internal(f'Get "https://{node}:10250": the node is simulated: it runs no containers')


async def connect(request: Request) -> Response:
    """exec, attach, port-forward and proxy need a real node."""
    if request.info.subresource == "proxy":
        proxy.check(request)
    elif request.kind.resource == "pods":
        pod = orjson.loads(read.find(request).data)
        if request.info.subresource != "portforward":
            _check_container(pod, request.info)
        if not pod["spec"].get("nodeName"):
            raise errors.bad_request(f"pod {request.info.name} does not have a host assigned")
        raise _no_kubelet(request, pod)
    if request.kind.resource == "nodes":
        read.find(request)
    raise errors.unavailable(
        f"{request.kind.plural}/{request.info.subresource} needs a real node; this control plane runs none"
    )


async def token(request: Request) -> Response:
    """POST serviceaccounts/NAME/token."""
    from apiserver.auth.tokens import create_token

    return await create_token(request)


CALLS: dict[str, Callable[[Request], Awaitable[Response]]] = {
    "review:create": review,
    "binding:create": bind,
    "eviction:create": evict,
    "log:get": log,
    "token:create": token,
    **{f"connect:{verb}": connect for verb in ("create", "get", "update", "patch", "delete")},
}
