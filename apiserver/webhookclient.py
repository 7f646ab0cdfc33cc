"""Calls to webhooks: `clientConfig` of admission and conversion webhooks -> one JSON document there and back.

A Service is reached through the addresses of its endpoints: nothing here routes its cluster IP.
"""

from __future__ import annotations

import asyncio
import base64
import re
import ssl
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import orjson

from apiserver.kinds.kind import Cluster, Object

if TYPE_CHECKING:
    import httpx

ANSWER_LIMIT = 3 * 1024 * 1024
CLIENTS = 64
"""How many trust roots (caBundles) keep their connections open."""


class CallFailed(Exception):
    """The webhook could not be reached, or did not answer a JSON document; the text says why, in client-go's words."""


class WebhookClient:
    """Pooled HTTPS connections, one pool for each caBundle. httpx is imported with the first call."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._clients: dict[str, httpx.AsyncClient] = {}

    async def post(self, config: Object, body: Any, timeout: float) -> Any:
        """The JSON answer of the webhook. Raises CallFailed."""
        shown, address, headers, extensions = self._target(config, timeout)
        try:
            async with asyncio.timeout(timeout):
                return await self._post(config.get("caBundle") or "", address, headers, extensions, orjson.dumps(body))
        except TimeoutError:
            raise CallFailed(f'Post "{shown}": context deadline exceeded') from None
        except (OSError, ValueError) as error:
            raise CallFailed(f'Post "{shown}": {_network_error(error)}') from None

    async def _post(
        self, bundle: str, address: str, headers: Mapping[str, str], extensions: dict[str, str], body: bytes
    ) -> Any:
        import httpx

        sent = {"content-type": "application/json", "accept": "application/json", **headers}
        try:
            async with self._client(bundle).stream(
                "POST", address, content=body, headers=sent, extensions=extensions
            ) as answer:
                data = b""
                async for chunk in answer.aiter_bytes():
                    data += chunk
                    if len(data) > ANSWER_LIMIT:
                        raise CallFailed("the webhook's answer is too large")
        except httpx.TimeoutException:
            raise TimeoutError from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise OSError(str(error)) from error
        if not 200 <= answer.status_code < 300:
            raise CallFailed(_refused(answer.status_code, data))
        return _document(data)

    def _client(self, bundle: str) -> httpx.AsyncClient:
        import httpx

        found = self._clients.pop(bundle, None)
        if found is None:
            verify: ssl.SSLContext | bool = True
            if bundle:
                verify = ssl.create_default_context(cadata=base64.b64decode(bundle).decode("ascii", "replace"))
            found = httpx.AsyncClient(verify=verify, trust_env=False, timeout=None, follow_redirects=False)
        self._clients[bundle] = found
        if len(self._clients) > CLIENTS:
            del self._clients[next(iter(self._clients))]
        return found

    def _target(self, config: Object, timeout: float) -> tuple[str, str, dict[str, str], dict[str, str]]:
        """(the URL that errors show, the one to call, headers, what TLS is to verify)."""
        query = f"?timeout={timeout:g}s"
        service = config.get("service")
        if service is None:
            return config["url"] + query, config["url"] + query, {}, {}
        name = f"{service['name']}.{service['namespace']}.svc"
        path = "/" + (service.get("path") or "").lstrip("/")
        shown = f"https://{name}:{service.get('port') or 443}{path}{query}"
        try:
            address = endpoint(self._cluster, service["namespace"], service["name"], service.get("port") or 443)
        except LookupError as error:
            raise CallFailed(f'Post "{shown}": {error.args[0]}') from None
        return shown, f"https://{address}{path}{query}", {"host": name}, {"sni_hostname": name}


def endpoint(cluster: Cluster, namespace: str, name: str, port: int) -> str:
    """`host:port` of something behind a Service. Raises LookupError, worded as the real server's service resolver."""
    service = cluster.get("services", namespace, name)
    if service is None:
        raise LookupError(f'service "{name}" not found')
    spec = service["spec"]
    if spec.get("type") == "ExternalName":
        return f"{spec['externalName']}:{port}"
    wanted = next((one for one in spec.get("ports") or () if one["port"] == port), None)
    if wanted is None:
        raise LookupError(f'no service port {port} found for service "{name}"')
    for address, number in _endpoints(cluster, namespace, name, wanted.get("name") or ""):
        return f"[{address}]:{number}" if ":" in address else f"{address}:{number}"
    raise LookupError(f'no endpoints available for service "{name}"')


def _endpoints(cluster: Cluster, namespace: str, name: str, port: str) -> list[tuple[str, int]]:
    """Ready addresses with their port: those of the EndpointSlices, else those of the Endpoints."""
    slices = cluster.list("endpointslices.discovery.k8s.io", namespace, {"kubernetes.io/service-name": name})
    found = [
        (address, offered["port"])
        for part in slices
        for one in part.get("endpoints") or ()
        if (one.get("conditions") or {}).get("ready") is not False
        for address in one["addresses"]
        for offered in part.get("ports") or ()
        if (offered.get("name") or "") == port and offered.get("port")
    ]
    subsets = () if found else (cluster.get("endpoints", namespace, name) or {}).get("subsets") or ()
    return found + [
        (address["ip"], offered["port"])
        for subset in subsets
        for address in subset.get("addresses") or ()
        for offered in subset.get("ports") or ()
        if (offered.get("name") or "") == port
    ]


def _document(data: bytes) -> Any:
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        pass
    try:
        import yaml

        return yaml.safe_load(data)  # client-go's decoder takes both
    except yaml.YAMLError:
        raise CallFailed(f"couldn't get version/kind; json parse error: {data[:64]!r}") from None


_REFUSALS = {
    401: "the server has asked for the client to provide credentials",
    404: "the server could not find the requested resource",
    405: "the server does not allow this method on the requested resource",
    409: "the server reported a conflict",
    503: "the server is currently unable to handle the request",
}


def _refused(status: int, data: bytes) -> str:
    """What client-go makes of an answer that is no success."""
    text = data[:2048].decode("utf-8", "replace").strip()
    if status in _REFUSALS:
        return _REFUSALS[status]
    if status == 403:
        return f'forbidden: "{text}"' if text else "forbidden"
    if status >= 500:
        shown = text or "unknown"
        return f'an error on the server ("{shown}") has prevented the request from succeeding'
    return f"the server responded with the status code {status} but did not return more information"


def _network_error(error: Exception) -> str:
    """A network error as Go words the frequent ones."""
    text = str(error)
    if "CERTIFICATE_VERIFY_FAILED" in text:
        if "mismatch" in text or "doesn't match" in text:
            return "tls: failed to verify certificate: x509: certificate is not valid for the requested name"
        if "expired" in text:
            return "tls: failed to verify certificate: x509: certificate has expired or is not yet valid"
        return "tls: failed to verify certificate: x509: certificate signed by unknown authority"
    if "All connection attempts failed" in text or "Errno 111" in text or "ECONNREFUSED" in text:
        return "connect: connection refused"
    if re.search(r"Name or service not known|nodename nor servname|No address associated", text):
        return "dial tcp: no such host"
    return text or type(error).__name__
