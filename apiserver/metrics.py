"""/metrics in Prometheus' text form, under the real server's names where it has them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, PlatformCollector, ProcessCollector
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

if TYPE_CHECKING:
    from apiserver.server import App

REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)
REQUESTS = Counter(
    "apiserver_request",
    "Requests by verb, resource and HTTP status code.",
    ("verb", "group", "version", "resource", "subresource", "code"),
    registry=REGISTRY,
)
DURATION = Histogram(
    "apiserver_request_duration_seconds",
    "Response latency in seconds by verb and resource (watches left out).",
    ("verb", "resource"),
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5),
    registry=REGISTRY,
)
IN_FLIGHT = Gauge("apiserver_current_inflight_requests", "Requests being served.", ("request_kind",), registry=REGISTRY)


class _Store:
    """Gauges that are read off the store when asked for."""

    def __init__(self, server: App) -> None:
        self.server = server

    def collect(self) -> Iterator[Any]:
        store = self.server.store
        objects = GaugeMetricFamily("apiserver_storage_objects", "Stored objects by resource.", labels=["resource"])
        for resource in sorted(store.resources()):
            objects.add_metric([resource], store.count(resource))
        yield objects
        watches = GaugeMetricFamily("apiserver_longrunning_requests", "Open watches.", labels=["verb"])
        watches.add_metric(["WATCH"], store.hub.watchers())
        yield watches
        yield GaugeMetricFamily("miniplane_storage_revision", "The newest revision.", value=store.revision)
        yield GaugeMetricFamily("miniplane_storage_commits", "Transactions committed.", value=store.writer.batches)
        yield GaugeMetricFamily("miniplane_storage_writes", "Objects written.", value=store.writer.writes)


def render(server: App) -> tuple[bytes, str]:
    """(body, content type)."""
    own = CollectorRegistry()
    own.register(_Store(server))  # type: ignore[arg-type]
    return generate_latest(REGISTRY) + generate_latest(own), CONTENT_TYPE_LATEST
