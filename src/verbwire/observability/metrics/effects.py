"""Counts what only subscribers and jobs do: attempts, retries, records in flight, progress."""

from __future__ import annotations

from contextlib import suppress

from prometheus_client import CollectorRegistry

from verbwire.observability.metrics.groups import GROUP, GroupCollectors, GroupMetrics
from verbwire.observability.metrics.specs import CounterSpec, GaugeSpec, HistogramSpec

_HANDLER_SECONDS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 1800)

HANDLER = HistogramSpec(
    "handler_seconds",
    "Time of one run of a subscriber's or job's handler, with the acknowledgement of what it sent, failed or not.",
    "Slower than usual: what the handler calls. Lag grows with it: more `concurrency`, or more workers.",
    GROUP,
    buckets=_HANDLER_SECONDS,
)
RETRIES = CounterSpec(
    "retries",
    "Attempts of subscribers and jobs that will be repeated: failed (it raised), obstructed (broker, registry).",
    "failed without end: the log has the traceback; after the last retry the record becomes a dead letter.",
    (*GROUP, "reason"),
)
IN_FLIGHT = GaugeSpec(
    "in_flight_records",
    "Records that a subscriber or job has fetched and not finished.",
    "At its bound, with lag: handlers are the limit.",
    GROUP,
)
JOB_PROGRESS = GaugeSpec(
    "job_progress_ratio",
    "How far a job says that it is with the command it works on, 0 to 1.",
    "`GET /jobs` names the command.",
    (*GROUP, "partition"),
)

SPECS = (HANDLER, RETRIES, IN_FLIGHT, JOB_PROGRESS)


class EffectCollectors:
    """The collectors that all subscribers and jobs of a worker count in."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.handler = HANDLER.on(registry)
        self.retries = RETRIES.on(registry)
        self.in_flight = IN_FLIGHT.on(registry)
        self.job_progress = JOB_PROGRESS.on(registry)


class EffectMetrics(GroupMetrics):
    """What one subscriber or job counts. Safe to call from any thread."""

    def __init__(self, groups: GroupCollectors, collectors: EffectCollectors, name: str) -> None:
        super().__init__(groups, name)
        self._effects = collectors
        self._handler = collectors.handler.labels(name)
        self._in_flight = collectors.in_flight.labels(name)
        for reason in ("failed", "obstructed"):
            collectors.retries.labels(name, reason)

    def ran(self, seconds: float) -> None:
        """A handler ran for so long."""
        self._handler.observe(seconds)

    def retried(self, reason: str) -> None:
        """An attempt failed and will be repeated; `reason` is ``failed`` or ``obstructed``."""
        self._effects.retries.labels(self._name, reason).inc()

    def in_flight(self, records: int) -> None:
        """Set how many records are in flight."""
        self._in_flight.set(records)

    def job_progress(self, partition: int, ratio: float) -> None:
        """A job says how far it is with a command of this partition."""
        self._effects.job_progress.labels(self._name, str(partition)).set(ratio)

    def job_ended(self, partition: int) -> None:
        """A job is done with a command of this partition, or has left it."""
        with suppress(KeyError):  # it has said nothing
            self._effects.job_progress.remove(self._name, str(partition))
