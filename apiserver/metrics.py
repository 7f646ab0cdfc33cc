"""/metrics in Prometheus' text form, under the real server's names where it has them.

Requests are counted in plain dictionaries: a request pays for two look-ups, and prometheus-client is imported when
somebody asks for the figures.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prometheus_client.core import Metric

    from apiserver.flowcontrol import FlowControl
    from apiserver.requestinfo import RequestInfo
    from apiserver.server import App

BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
"""Seconds; the real server's, and finer ones below 5 ms, where most of our answers are."""
READ_ONLY = frozenset({"GET", "HEAD", "OPTIONS"})
VERBS = {"create": "POST", "update": "PUT"}
"""The verb label of a request verb where it is not its upper-case form."""
LABELS = ("verb", "group", "version", "resource", "subresource", "scope")
Labels = tuple[str, str, str, str, str, str]


class RequestMetrics:
    """What requests came and how they went."""

    def __init__(self) -> None:
        self.counts: dict[tuple[Labels, str], int] = {}
        self.buckets: dict[Labels, list[int]] = {}
        self.sums: dict[Labels, float] = {}
        self.in_flight = {"readOnly": 0, "mutating": 0}

    def started(self, method: str) -> str:
        """One more in flight. Answers what `finished` wants back."""
        kind = "readOnly" if method in READ_ONLY else "mutating"
        self.in_flight[kind] += 1
        return kind

    def finished(self, kind: str, info: RequestInfo | None, known: bool, code: int, seconds: float) -> None:
        """One is answered. known: there is such a resource; only then is it named, so that clients who make names up
        cannot fill the memory. Watches are counted, not timed."""
        self.in_flight[kind] -= 1
        labels = _labels(info, known)
        key = (labels, str(code))
        self.counts[key] = self.counts.get(key, 0) + 1
        if labels[0] == "WATCH":
            return
        if labels not in self.buckets:
            self.buckets[labels], self.sums[labels] = [0] * (len(BUCKETS) + 1), 0.0
        self.buckets[labels][bisect_left(BUCKETS, seconds)] += 1
        self.sums[labels] += seconds


def _labels(info: RequestInfo | None, known: bool) -> Labels:
    if info is None or (info.is_resource and not known):
        return ("", "", "", "", "", "")
    verb = VERBS.get(info.verb, info.verb.upper())
    if not info.is_resource:
        return (verb if info.method in READ_ONLY else "other", "", "", "", "", "")
    scope = "resource" if info.name else "namespace" if info.namespace else "cluster"
    return (verb, info.group, info.version, info.resource, info.subresource, scope)


class _Requests:
    """A collector over `RequestMetrics`."""

    def __init__(self, metrics: RequestMetrics) -> None:
        self.metrics = metrics

    def collect(self) -> Iterator[Metric]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

        total = CounterMetricFamily(
            "apiserver_request", "Requests by what they asked and code.", labels=[*LABELS, "code"]
        )
        for (labels, code), count in list(self.metrics.counts.items()):
            total.add_metric([*labels, code], count)
        yield total
        seconds = HistogramMetricFamily(
            "apiserver_request_duration_seconds", "Response latency, watches left out.", labels=LABELS
        )
        for labels, counts in list(self.metrics.buckets.items()):
            seconds.add_metric(labels, _cumulative(counts), self.metrics.sums[labels])
        yield seconds
        flying = GaugeMetricFamily(
            "apiserver_current_inflight_requests", "Requests being served.", labels=["request_kind"]
        )
        for kind, count in self.metrics.in_flight.items():
            flying.add_metric([kind], count)
        yield flying


class _Flow:
    """What waits for a seat, and what got none."""

    def __init__(self, flow: FlowControl) -> None:
        self.flow = flow

    def collect(self) -> Iterator[Metric]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        rejected = CounterMetricFamily(
            "apiserver_flowcontrol_rejected_requests", "Requests answered 429.", labels=["request_kind"]
        )
        waiting = GaugeMetricFamily(
            "apiserver_flowcontrol_current_inqueue_requests", "Requests waiting for a seat.", labels=["request_kind"]
        )
        for kind, seats in self.flow.seats.items():
            rejected.add_metric([kind], seats.rejected)
            waiting.add_metric([kind], len(seats.waiting))
        yield from (rejected, waiting)


def _cumulative(counts: list[int]) -> list[tuple[str, float]]:
    found, running = [], 0
    for limit, count in zip([*map(str, BUCKETS), "+Inf"], counts, strict=True):
        running += count
        found.append((limit, float(running)))
    return found


class _Store:
    """Gauges that are read off the store when asked for."""

    def __init__(self, server: App) -> None:
        self.server = server

    def collect(self) -> Iterator[Metric]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        store = self.server.store
        objects = GaugeMetricFamily("apiserver_storage_objects", "Stored objects by resource.", labels=["resource"])
        names: list[str] = sorted(store.resources())
        for name in names:
            objects.add_metric([name], store.count(name))
        yield objects
        watches = GaugeMetricFamily("apiserver_longrunning_requests", "Open watches.", labels=["verb"])
        watches.add_metric(["WATCH"], store.hub.watchers())
        yield watches
        yield GaugeMetricFamily("miniplane_storage_revision", "The newest revision.", value=store.revision)
        yield CounterMetricFamily("miniplane_storage_commits", "Transactions committed.", value=store.writer.batches)
        yield CounterMetricFamily("miniplane_storage_writes", "Objects written.", value=store.writer.writes)


def render(server: App) -> tuple[bytes, str]:
    """(body, content type)."""
    from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
    from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

    registry = CollectorRegistry()
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    parts: list[Any] = [_Store(server), _Requests(server.metrics), _Flow(server.flow)]
    for part in parts:
        registry.register(part)
    return generate_latest(registry), CONTENT_TYPE_LATEST
