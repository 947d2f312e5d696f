"""What a worker counts, for Prometheus. Engine threads count once a batch, HTTP once a request.

Nothing here knows of HTTP or of the engine, so both may count; names follow Prometheus' own conventions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_COMMIT_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
_HTTP_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)


class MemoryUsage(Protocol):
    """Of the memory for rows and ids."""

    @property
    def used(self) -> int:
        """Bytes, estimated."""
        ...

    @property
    def hits(self) -> int:
        """How often something was there."""
        ...

    @property
    def misses(self) -> int:
        """How often it was not."""
        ...

    @property
    def evictions(self) -> int:
        """How many were let go."""
        ...


class Metrics:
    """All counters of one worker process. Safe to call from any thread."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        group = ("group",)

        def counter(name: str, what: str, *more: str) -> Counter:
            return Counter(f"verbwire_{name}", what, (*group, *more), registry=registry)

        self._records = counter("records", "Records handled in committed batches.")
        self._batches = counter("batches", "Committed batches, one transaction each.")
        self._aborts = counter("aborts", "Transactions aborted, or with unknown outcome.", "reason")
        self._resets = counter("resets", "Times that partitions were reset to what is committed.")
        self._dead_letters = counter("dead_letters", "Records sent to the dead letters.", "reason")
        self._duplicates = counter("duplicates", "Commands with a known id, answered with their first outcome.")
        self._rejected = counter("rejected", "Commands rejected by their aggregate.", "command", "code")
        self._expired = counter("expired", "Commands whose time to live was over before they were handled.", "command")
        self._late = counter("late", "Events ignored because their window had closed too long ago.")
        self._restored = counter("restore_rows", "Rows restored from changelogs.")
        self._partitions = Gauge(
            "verbwire_partitions",
            "Partitions of a group at this worker by state: restoring, running, retrying, stopped, suspended, closed.",
            ("group", "state"),
            registry=registry,
        )
        self._ready = Gauge("verbwire_partitions_ready", "Partitions that are running.", group, registry=registry)
        self._stopped = Gauge(
            "verbwire_partitions_stopped",
            "Partitions that are stopped until an operator decides, or retrying until their copies can be written.",
            group,
            registry=registry,
        )
        self._behind = Gauge(
            "verbwire_behind",
            "Records that a table has yet to read to reach the ends that its inputs had when it was started.",
            group,
            registry=registry,
        )
        self._table_dead_letters = Gauge(
            "verbwire_table_dead_letters",
            "Dead letters among the records of the partitions on this worker.",
            group,
            registry=registry,
        )
        self._running = Gauge(
            "verbwire_handler_seconds",
            "How long the longest-running handler call has been running, in seconds.",
            group,
            registry=registry,
        )
        self._handled = counter("handled", "Records that subscribers and jobs have finished, including dead letters.")
        self._retried = counter("retried", "Attempts that failed and will be retried.", "reason")
        self._in_flight = Gauge(
            "verbwire_in_hand", "Records of a subscriber or job that are in flight.", group, registry=registry
        )
        self._lag = Gauge(
            "verbwire_lag",
            "Consumer lag of a subscriber or job, in offsets (includes transaction markers).",
            group,
            registry=registry,
        )
        self._job = Gauge(
            "verbwire_job_progress_ratio",
            "Progress that a job has reported, 0 to 1.",
            ("group", "partition"),
            registry=registry,
        )
        self._commit = Histogram(
            "verbwire_commit_seconds",
            "Time from the beginning of a transaction to its commit.",
            group,
            registry=registry,
            buckets=_COMMIT_SECONDS,
        )
        self._requests = Counter(
            "verbwire_http_requests", "HTTP requests answered.", ("route", "status"), registry=registry
        )
        self._http = Histogram(
            "verbwire_http_seconds",
            "Time from the head of a request to the end of its response.",
            ("route",),
            registry=registry,
            buckets=_HTTP_SECONDS,
        )
        self._answers: dict[tuple[str, int], tuple[Counter, Histogram]] = {}

    def group(self, name: str) -> GroupMetrics:
        """Return the counters of one consumer group; ask once, keep it."""
        return GroupMetrics(self, name)

    def running(self, name: str) -> Callable[[float], None]:
        """Return a callback for how long a handler of that group, responder or query has been at one record or request.

        In seconds, to about one; 0 where none is.
        """
        return self._running.labels(name).set

    def certificate(self, expires: Callable[[], float], failed: Callable[[], bool]) -> None:
        """Ask these whenever the metrics are read: when the certificate of HTTP ends, and whether it is out of date.

        In seconds since the epoch; out of date is one whose files have changed and cannot be read.
        """
        Gauge(
            "verbwire_http_certificate_expiry_timestamp_seconds",
            "When the HTTP certificate expires.",
            registry=self._registry,
        ).set_function(expires)
        Gauge(
            "verbwire_http_certificate_reload_failed",
            "1 while the certificate's files have changed and cannot be loaded.",
            registry=self._registry,
        ).set_function(failed)

    def answered(self, route: str, status: int, seconds: float) -> None:
        """Count one HTTP answer. `route` is the pattern, never the path: labels stay few."""
        pair = self._answers.get((route, status))
        if pair is None:  # looking children up costs as much as all the rest
            pair = (self._requests.labels(route, str(status)), self._http.labels(route))
            self._answers[(route, status)] = pair
        pair[0].inc()
        pair[1].observe(seconds)

    def memory(self, limits: Mapping[str, int], usage: Callable[[], MemoryUsage]) -> None:
        """Show the limits of the parts of memory, in bytes, and what is in use of that for rows and ids."""
        self._registry.register(_Memory(limits, usage))

    def exposition(self) -> bytes:
        """Everything in Prometheus' text format; its media type is :data:`CONTENT_TYPE`."""
        return generate_latest(self._registry)


class _Memory(Collector):
    """Asked whenever the metrics are read."""

    def __init__(self, limits: Mapping[str, int], usage: Callable[[], MemoryUsage]) -> None:
        self._limits = limits
        self._usage = usage

    def collect(self) -> Iterator[Metric]:
        limits = GaugeMetricFamily("verbwire_memory_limit_bytes", "Limit of each part of cache_bytes.", labels=["part"])
        for part, size in self._limits.items():
            limits.add_metric([part], size)
        yield limits
        usage = self._usage()
        yield GaugeMetricFamily("verbwire_cache_bytes", "Estimated memory used by cached rows and ids.", usage.used)
        for name, what, value in (
            ("hits", "Rows and ids found in memory at the start of a batch.", usage.hits),
            ("misses", "Rows and ids that had to be read from the local copy.", usage.misses),
            ("evictions", "Rows and ids evicted from memory.", usage.evictions),
        ):
            yield CounterMetricFamily(f"verbwire_cache_{name}", what, value)


class GroupMetrics:
    """What one group's engine counts; a few calls per batch, none per record."""

    def __init__(self, metrics: Metrics, name: str) -> None:
        self._metrics = metrics
        self._name = name
        self._records = metrics._records.labels(name)
        self._batches = metrics._batches.labels(name)
        self._commit = metrics._commit.labels(name)
        self._resets = metrics._resets.labels(name)
        self._duplicates = metrics._duplicates.labels(name)
        self._late = metrics._late.labels(name)
        self._restored = metrics._restored.labels(name)
        self._ready = metrics._ready.labels(name)

    def committed(self, records: int, seconds: float) -> None:
        """A batch of `records` was committed, `seconds` after its transaction began."""
        self._records.inc(records)
        self._batches.inc()
        self._commit.observe(seconds)

    def aborted(self, reason: str) -> None:
        """A transaction failed; `reason` is one of few words, like an error code of the broker."""
        self._metrics._aborts.labels(self._name, reason).inc()

    def reset(self) -> None:
        """Partitions are started over as if newly assigned."""
        self._resets.inc()

    def dead_lettered(self, reason: str, records: int = 1) -> None:
        """Records went to the dead letters; `reason` is one of few words (``undecodable``, ``failed``)."""
        self._metrics._dead_letters.labels(self._name, reason).inc(records)

    def duplicates(self, commands: int) -> None:
        """Commands whose id was known already."""
        self._duplicates.inc(commands)

    def late(self, events: int) -> None:
        """Events whose window had been over for longer than its lateness."""
        self._late.inc(events)

    def rejected(self, command: str, code: str, commands: int = 1) -> None:
        """Commands refused with that code of their contract."""
        self._metrics._rejected.labels(self._name, command, code).inc(commands)

    def expired(self, command: str, commands: int = 1) -> None:
        """Commands that were not carried out, since their time had passed."""
        self._metrics._expired.labels(self._name, command).inc(commands)

    def counted(self, counts: Mapping[tuple[str, ...], int]) -> None:
        """Add what a committed transaction has counted: the metric's name, then its labels beside the group."""
        for what, n in counts.items():
            match what:
                case ("dead_lettered", reason):
                    self.dead_lettered(reason, n)
                case ("rejected", command, code):
                    self.rejected(command, code, n)
                case ("expired", command):
                    self.expired(command, n)
                case ("late",):
                    self.late(n)
                case ("duplicate",):
                    self.duplicates(n)

    def restored(self, rows: int) -> None:
        """Rows read back from a changelog."""
        self._restored.inc(rows)

    def states(self, partitions: Mapping[str, int]) -> None:
        """Say how many partitions of the group are in each state here (`engine/state/partition_state.py`)."""
        for state, number in partitions.items():
            self._metrics._partitions.labels(self._name, state).set(number)
        self._ready.set(partitions.get("running", 0))
        self._metrics._stopped.labels(self._name).set(partitions.get("stopped", 0) + partitions.get("retrying", 0))

    def table(self, behind: Callable[[], float], dead_letters: Callable[[], float]) -> None:
        """Ask these whenever the metrics are read: by how many records the table is behind, and its dead letters."""
        self._metrics._behind.labels(self._name).set_function(behind)
        self._metrics._table_dead_letters.labels(self._name).set_function(dead_letters)

    def handled(self, records: int = 1) -> None:
        """A subscriber or a job is done with records."""
        self._metrics._handled.labels(self._name).inc(records)

    def retried(self, reason: str) -> None:
        """An attempt failed and will be repeated; `reason` is ``failed`` or ``obstructed``."""
        self._metrics._retried.labels(self._name, reason).inc()

    def waiting(self, in_flight: int, lag: int) -> None:
        """Set how many records are in flight, and the lag."""
        self._metrics._in_flight.labels(self._name).set(in_flight)
        self._metrics._lag.labels(self._name).set(lag)

    def job_progress(self, partition: int, ratio: float) -> None:
        """A job says how far it is with a command of this partition."""
        self._metrics._job.labels(self._name, str(partition)).set(ratio)

    def job_ended(self, partition: int) -> None:
        """A job is done with a command of this partition, or has left it."""
        with suppress(KeyError):  # it has said nothing
            self._metrics._job.remove(self._name, str(partition))
