"""/metrics in Prometheus' text form, under the real server's names where it has them.

Requests are counted in plain dictionaries: a request pays for two look-ups, and prometheus-client is imported when
somebody asks for the figures.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from apiserver.requestinfo import Labels

if TYPE_CHECKING:
    from prometheus_client.core import Metric

    from apiserver.audit import AuditLog
    from apiserver.flowcontrol import FlowControl
    from apiserver.health import Observed
    from apiserver.requestinfo import RequestInfo
    from apiserver.server import App
    from apiserver.storage.store import Store

BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
"""Seconds; the real server's, and finer ones below 5 ms, where most of our answers are."""
BATCH_BUCKETS = tuple(float(1 << power) for power in range(9))
"""Writes of one transaction; a batch has at most 256 groups."""
LAG_SECONDS = 1.0
"""How long the database may take to say its revision; then the figures come without it."""
LABELS = ("verb", "group", "version", "resource", "subresource", "scope", "dry_run")
"""What `RequestInfo.labels` are."""
COMPONENT = "apiserver"
UNKNOWN: Labels = ("", "", "", "", "", "", "")


@dataclass(slots=True)
class Tally:
    """Requests of the same labels: how many by code, how many by duration (as BUCKETS), and their seconds together."""

    codes: dict[int, int] = field(default_factory=dict)
    buckets: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))
    seconds: float = 0.0


class RequestMetrics:
    """What requests came and how they went."""

    def __init__(self) -> None:
        self.tallies: dict[Labels, Tally] = {}
        self.long_running: Counter[Labels] = Counter()
        self.watch_events: Counter[tuple[str, str, str]] = Counter()

    def finished(self, labels: Labels, code: int, seconds: float) -> None:
        """One is answered. Watches are counted, not timed."""
        tally = self.tallies.get(labels)
        if tally is None:
            tally = self.tallies[labels] = Tally()
        tally.codes[code] = tally.codes.get(code, 0) + 1
        if labels[0] != "WATCH":
            tally.buckets[bisect_left(BUCKETS, seconds)] += 1
            tally.seconds += seconds


def labels_of(info: RequestInfo | None, known: bool) -> Labels:
    """The labels of a request. known: there is such a resource; only then is it named, so that clients who make names
    up cannot fill the memory."""
    return UNKNOWN if info is None or (info.is_resource and not known) else info.labels


class _Requests:
    """A collector over `RequestMetrics` and the seats that requests take."""

    def __init__(self, metrics: RequestMetrics, flow: FlowControl) -> None:
        self.metrics, self.flow = metrics, flow

    def collect(self) -> Iterator[Metric]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

        total = CounterMetricFamily(
            "apiserver_request", "Requests by what they asked and code.", labels=[*LABELS, "component", "code"]
        )
        tallies = list(self.metrics.tallies.items())
        for labels, tally in tallies:
            for code, count in list(tally.codes.items()):
                total.add_metric([*labels, COMPONENT, str(code)], count)
        yield total
        seconds = HistogramMetricFamily(
            "apiserver_request_duration_seconds", "Response latency, watches left out.", labels=[*LABELS, "component"]
        )
        for labels, tally in tallies:
            if labels[0] != "WATCH":
                seconds.add_metric([*labels, COMPONENT], cumulative(BUCKETS, tally.buckets), tally.seconds)
        yield seconds
        flying = GaugeMetricFamily(
            "apiserver_current_inflight_requests", "Requests being served, watches left out.", labels=["request_kind"]
        )
        for kind, seats in self.flow.seats.items():
            flying.add_metric([kind], seats.taken)
        yield flying
        yield from self._watches()

    def _watches(self) -> Iterator[Metric]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        names = [name for name in LABELS if name != "dry_run"]
        watches = GaugeMetricFamily(
            "apiserver_longrunning_requests", "Open watches by what they follow.", labels=[*names, "component"]
        )
        for labels, count in list(self.metrics.long_running.items()):
            watches.add_metric([*labels[: len(names)], COMPONENT], count)
        yield watches
        events = CounterMetricFamily(
            "apiserver_watch_events", "Events sent to watches.", labels=["group", "version", "resource"]
        )
        for key, count in list(self.metrics.watch_events.items()):
            events.add_metric(key, count)
        yield events


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


def cumulative(bounds: Sequence[float], counts: Sequence[int]) -> list[tuple[str, float]]:
    """Counts between bounds -> Prometheus' running totals; there is one more count than bounds."""
    found, running = [], 0
    for limit, count in zip([*map(str, bounds), "+Inf"], counts, strict=True):
        running += count
        found.append((limit, float(running)))
    return found


class _Objects:
    """How many objects there are."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def collect(self) -> Iterator[Metric]:
        from prometheus_client.core import GaugeMetricFamily

        named = GaugeMetricFamily("apiserver_resource_objects", "Stored objects.", labels=["group", "resource"])
        joined = GaugeMetricFamily("apiserver_storage_objects", "Stored objects by resource.", labels=["resource"])
        for name in sorted(self.store.resources()):
            plural, _, group = name.partition(".")
            named.add_metric([group, plural], self.store.count(name))
            joined.add_metric([name], self.store.count(name))
        yield from (named, joined)


class _Storage:
    """The way of writes: what waits, what was committed, what watches can resume from."""

    def __init__(self, store: Store, lag: int | None) -> None:
        self.store, self.lag = store, lag

    def collect(self) -> Iterator[Metric]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

        store, writer = self.store, self.store.writer
        gauges = {
            "storage_revision": ("The newest revision that readers see.", store.revision),
            "storage_compacted_revision": ("Watches from before this revision get 410.", store.compacted),
            "storage_write_queue": ("Groups of writes that wait for a transaction.", writer.waiting),
            "storage_log_events": ("Events that watches can resume from.", store.bounds.rows),
            "storage_log_bytes": ("Their size.", store.bounds.size),
            "watch_queue_frames": ("Events that wait for their watchers to read.", store.hub.queued()),
        }
        if self.lag is not None:
            gauges["storage_revision_lag"] = ("How far our readers are behind the database.", self.lag)
        for name, (what, value) in gauges.items():
            yield GaugeMetricFamily(f"miniplane_{name}", what, value=value)
        yield CounterMetricFamily("miniplane_watches_cut_off", "Watchers that did not read.", value=store.hub.cut_off)
        yield CounterMetricFamily("miniplane_storage_failures", "Transactions that failed.", value=writer.failures)
        batches = HistogramMetricFamily("miniplane_storage_commit_writes", "Writes of one transaction.")
        batches.add_metric([], cumulative(BATCH_BUCKETS, writer.batches), float(writer.writes))
        yield batches


class _Audit:
    """Lines of the audit log."""

    def __init__(self, audit: AuditLog) -> None:
        self.audit = audit

    def collect(self) -> Iterator[Metric]:
        from prometheus_client.core import CounterMetricFamily

        yield CounterMetricFamily("apiserver_audit_event", "Events written.", value=self.audit.events)
        lost = CounterMetricFamily("apiserver_audit_error", "Events that could not be written.", labels=["plugin"])
        lost.add_metric(["log"], self.audit.errors)
        yield lost


class _Health:
    """Service level indicators: what came of the health checks."""

    def __init__(self, observed: Observed) -> None:
        self.observed = observed

    def collect(self) -> Iterator[Metric]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        last = GaugeMetricFamily(
            "kubernetes_healthcheck",
            "[STABLE] This metric records the result of a single healthcheck.",
            labels=["name", "type"],
        )
        for (name, root), good in sorted(self.observed.last.items()):
            last.add_metric([name, root], float(good))
        total = CounterMetricFamily(
            "kubernetes_healthchecks",
            "[STABLE] This metric records the results of all healthcheck.",
            labels=["name", "status", "type"],
        )
        for labels, count in sorted(self.observed.results.items()):
            total.add_metric(labels, count)
        yield from (one for one in (last, total) if one.samples)


def render_indicators(observed: Observed) -> tuple[bytes, str]:
    """/metrics/slis (KEP-3466): (body, content type)."""
    from prometheus_client import CollectorRegistry
    from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

    registry = CollectorRegistry()
    registry.register(_Health(observed))
    return generate_latest(registry), CONTENT_TYPE_LATEST


async def render(server: App) -> tuple[bytes, str]:
    """(body, content type)."""
    from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
    from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

    registry = CollectorRegistry()
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    store = server.store
    parts: list[Any] = [_Objects(store), _Storage(store, await store.lag(LAG_SECONDS))]
    parts += [_Requests(server.metrics, server.flow), _Flow(server.flow)]
    parts += [_Audit(server.audit)] if server.audit is not None else []
    for part in parts:
        registry.register(part)
    return generate_latest(registry), CONTENT_TYPE_LATEST
