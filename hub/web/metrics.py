"""`/metrics`: what the hub has done and how it is, in Prometheus' text format or OpenMetrics, as the scraper asks.

The hot path knows nothing of this: it counts in plain numbers (`hub.core.counts`), which are read at a scrape.
"""

import asyncio
import collections
import itertools
import platform
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping

from aiohttp import web
from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.exposition import choose_encoder
from prometheus_client.gc_collector import GCCollector
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    InfoMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

import hub as package
from hub.core.errors import EndReason, LostReason
from hub.core.events import BODIES, ENDS, State
from hub.core.ledger import OUTSIDE
from hub.core.schedules import Outcome
from hub.jobs.kinds import KINDS
from hub.web.assembly import Hub
from hub.web.listening.connections import Connections
from hub.web.listening.limits import RequestRates
from hub.web.readiness import READINESS, Readiness
from hub.web.requests import Requests
from hub.web.resources.webhooks import state_of

PREFIX = "progress_hub_"
TRANSPORTS = ("ws", "sse", "poll")
REFUSALS = ("refused", "refused_address", "idle", "slow_head", "slow_reader")
OUTCOMES = ("accepted", "duplicate", "refused", "throttled")
TICK_S = 0.25
LAG_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
METRICS = web.AppKey("METRICS", CollectorRegistry)


class HubCollector(Collector):
    """Reads one hub at each scrape."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def collect(self) -> Iterator[Metric]:
        info = InfoMetricFamily(f"{PREFIX}build", "Version and identity of this process.")
        libraries = {"python": platform.python_version(), "sqlite": sqlite3.sqlite_version}
        info.add_metric([], {"version": package.__version__, **libraries, "boot": self._hub.tracker.boot})
        yield info
        yield from self._delivery()
        yield from self._watchers()
        yield from self._jobs()
        yield from self._journal()
        yield from self._rhythm()

    def _delivery(self) -> Iterator[Metric]:
        counts, published = self._hub.tracker.counts, self._hub.ledger.published
        yield counter("events_published", "Events numbered, by type.", "type", published, BODIES)
        yield counter("messages_encoded", "Messages turned into bytes, once for a whole cohort.", value=counts.encoded)
        yield counter("messages_delivered", "Messages that flushes handed to watchers.", value=counts.delivered)
        yield counter("numbers_merged", "Event numbers told to watchers as merged.", value=counts.merged)
        yield counter("progress_dropped", "Progress replaced by newer for a slow watcher.", value=counts.dropped)
        yield counter("watchers_congested", "Times a watcher fell behind the others.", value=counts.congested)
        yield counter("streams_opened", "Streams, by transport.", "transport", counts.opened, TRANSPORTS[:2])
        reasons = ("left", *(reason.word for reason in EndReason))
        yield counter("streams_ended", "Streams, by why they ended.", "reason", counts.ended, reasons)
        ways = ("snapshot", "ring", "journal", "reset")
        yield counter("catch_ups", "Cursors served, by what served them.", "way", counts.caught_up, ways)
        yield counter("cursors_lost", "Cursors that were not served, by reason.", "reason", counts.resets, LostReason)

    def _watchers(self) -> Iterator[Metric]:
        load = self._hub.tracker.load()
        yield gauge(
            "watchers", "Subscriptions and waiting polls, by transport.", "transport", load.watchers, TRANSPORTS
        )
        yield gauge("connections", "Open streams.", value=load.connections)
        yield gauge("watchers_slow", "Watchers that are behind now.", value=load.slow)
        text = "Bytes written to watchers that the system has not taken yet."
        yield gauge("backlog_bytes", text, value=load.backlog_bytes)
        yield gauge("lag_events_max", "The most numbers that any watcher is behind its project.", value=load.lag_max)

    def _jobs(self) -> Iterator[Metric]:
        states = collections.Counter(job.state.value for job in self._hub.tracker.live_jobs())
        live = [state.value for state in State if not state.is_end]
        published = self._hub.outside.counts
        yield counter("publications", "Events from outside, by what became of them.", "outcome", published, OUTCOMES)
        yield gauge("jobs", "Jobs that have not ended, by state.", "state", states, live)
        yield gauge("projects", "Projects in the catalog.", value=len(self._hub.catalog.all()))

    def _journal(self) -> Iterator[Metric]:
        writer = self._hub.writer
        yield gauge("journal_up", "1 while the journal takes what is published, 0 while it cannot.",
                    value=int(not writer.trouble))  # fmt: skip
        failing_s = time.monotonic() - writer.failing_since if writer.failing_since is not None else 0.0
        yield gauge("journal_failing_seconds", "How long the journal has not been written.", value=failing_s)
        yield counter("journal_failures", "Commits that failed and were tried again.", value=writer.failures)
        yield gauge("journal_waiting_events", "Lossless events not durable yet.", value=self._hub.ledger.waiting)
        name, text = f"{PREFIX}journal_commit_seconds", "Group commits: how many, and what they took."
        yield SummaryMetricFamily(name, text, count_value=writer.commits, sum_value=writer.commit_s)

    def _rhythm(self) -> Iterator[Metric]:
        text = "Turns of schedules, by what became of them."
        yield counter("schedule_turns", text, "outcome", self._hub.schedules.outcomes, list(Outcome))
        text = "Webhooks, by how they are: enabled, failing (nothing has reached it of late) or disabled."
        states = collections.Counter(map(state_of, self._hub.post.all()))
        yield gauge("webhooks", text, "state", states, ("enabled", "failing", "disabled"))
        text = "Attempts to tell a webhook, by what became of them; disabled counts webhooks."
        known = ("delivered", "retried", "failed", "disabled")
        yield counter("webhook_attempts", text, "outcome", self._hub.post.outcomes, known)


def counter(
    name: str,
    text: str,
    label: str = "",
    values: Mapping[str, int] | None = None,
    known: Iterable[str] = (),
    value: float = 0,
) -> Metric:
    """With a `label`: a sample for each of `known` (0 where nothing was counted) and of what else was counted."""
    family = CounterMetricFamily(PREFIX + name, text, labels=[label] if label else [])
    return _filled(family, label, values or {}, known, value)


def gauge(
    name: str,
    text: str,
    label: str = "",
    values: Mapping[str, int] | None = None,
    known: Iterable[str] = (),
    value: float = 0,
) -> Metric:
    """As `counter`."""
    family = GaugeMetricFamily(PREFIX + name, text, labels=[label] if label else [])
    return _filled(family, label, values or {}, known, value)


def _filled(
    family: CounterMetricFamily | GaugeMetricFamily,
    label: str,
    values: Mapping[str, int],
    known: Iterable[str],
    value: float,
) -> Metric:
    if not label:
        family.add_metric([], value)
    for word in dict.fromkeys([*known, *values]) if label else ():
        family.add_metric([word], values.get(word, 0))
    return family


class LimitCollector(Collector):
    """Who was turned away at the door."""

    def __init__(self, connections: Connections, rates: RequestRates) -> None:
        self._connections = connections
        self._rates = rates

    def collect(self) -> Iterator[Metric]:
        yield gauge("sockets", "Open connections, streams included.", value=len(self._connections))
        text = "Connections that were refused or ended early, by why."
        yield counter("connections_ended", text, "reason", self._connections.counts, REFUSALS)
        yield counter("requests_throttled", "Requests beyond request_rate.", value=self._rates.throttled)


class OperationsCollector(Collector):
    """What was asked, and whether the hub can do its work."""

    def __init__(self, hub: Hub, requests: Requests, readiness: Readiness) -> None:
        self._hub = hub
        self._requests = requests
        self._readiness = readiness

    def collect(self) -> Iterator[Metric]:
        text = "Requests, by method and class of status; a stream is one. 4xx includes those whose client left."
        requests = CounterMetricFamily(f"{PREFIX}http_requests", text, labels=["method", "status"])
        for (method, status), count in sorted(self._requests.counts.items()):
            requests.add_metric([method, status], count)
        yield requests
        text = "Jobs that have ended, by kind (outside: of other programs) and how."
        ended = CounterMetricFamily(f"{PREFIX}jobs_ended", text, labels=["kind", "state"])
        counts = self._hub.ledger.ended
        for kind, state in itertools.product((*KINDS, OUTSIDE), (each.value for each in ENDS)):
            ended.add_metric([kind, state], counts[kind, state])
        yield ended
        ready = self._readiness
        yield gauge("draining", "1 once the hub was told to stop.", value=int(ready.is_draining))
        yield gauge("disk_free_bytes", "Room on the disk of the data folder.", value=ready.free_bytes)
        yield gauge("disk_floor_bytes", "Setting min_free_bytes: below it no job goes on.", value=ready.floor_bytes)


def registered(
    hub: Hub, connections: Connections, rates: RequestRates, requests: Requests, readiness: Readiness
) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(LimitCollector(connections, rates))
    registry.register(OperationsCollector(hub, requests, readiness))
    registry.register(HubCollector(hub))
    ProcessCollector(registry=registry)
    GCCollector(registry)
    return registry


async def metrics(request: web.Request) -> web.Response:
    await request.app[READINESS].look()
    # choose_encoder is not typed as the pair that it is
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    body = encode(request.app[METRICS])
    return web.Response(body=body, headers={"Content-Type": content_type, "Cache-Control": "no-store"})


async def watch_lag(registry: CollectorRegistry) -> None:
    """Measure, until cancelled, how much later than asked the loop comes back to a task."""
    lag = Histogram(
        f"{PREFIX}loop_lag_seconds", "How late the event loop runs what is due.", buckets=LAG_BUCKETS_S,
        registry=registry,
    )  # fmt: skip
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + TICK_S
        await asyncio.sleep(TICK_S)
        lag.observe(max(loop.time() - due, 0.0))
