"""Counts the answers of HTTP: by route, never by path."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from verbwire.observability.metrics.specs import CounterSpec, GaugeSpec, HistogramSpec

_HTTP_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)

REQUESTS = CounterSpec(
    "http_requests",
    'HTTP requests answered, by the pattern of their path ("none": of no known one, or refused before) and status.',
    "5xx: 503 says in its problem what is waited for, 500 has a correlation id that the log knows. 429: limits.",
    ("route", "status"),
)
SECONDS = HistogramSpec(
    "http_seconds",
    "Time from the head of a request to the end of its response, with what was asked to wait for.",
    "Slow queries: an index is missing, or the partition's owner is slow (they are forwarded to it).",
    ("route",),
    buckets=_HTTP_SECONDS,
)
EXPIRY = GaugeSpec(
    "http_certificate_expiry_timestamp_seconds",
    "When the HTTP certificate expires, in seconds since the epoch; there only where HTTP is TLS.",
    "Within days: renew it; the worker reads new files by itself.",
)
RELOAD_FAILED = GaugeSpec(
    "http_certificate_reload_failed",
    "1 while the certificate's files have changed and cannot be loaded.",
    "1: the old one is still used; the log says what is wrong with the new files.",
)

SPECS = (REQUESTS, SECONDS, EXPIRY, RELOAD_FAILED)
FROM_ZERO = (200, 500, 503)
NO_ROUTE = "none"


class HttpMetrics(Collector):
    """Counts answers. Safe to call from any thread.

    In numbers of its own, which become metrics when somebody reads them: three values of prometheus_client, each with
    its lock, take as long as routing a request.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._lock = threading.Lock()
        self._answers: dict[tuple[str, int], int] = {}
        self._durations = defaultdict[str, _Durations](_Durations)
        self.serves([NO_ROUTE])
        registry.register(self)

    def serves(self, routes: Iterable[str]) -> None:
        """Count these routes from zero."""
        for route in routes:
            self._durations[route]  # is there from now on
            for status in FROM_ZERO:
                self._answers.setdefault((route, status), 0)

    def answered(self, route: str | None, status: int, seconds: float) -> None:
        """Count one answer. `route` is the pattern, never the path: labels stay few."""
        of = route or NO_ROUTE, status
        with self._lock:
            self._answers[of] = self._answers.get(of, 0) + 1
            self._durations[of[0]].observe(seconds)

    def collect(self) -> Iterator[Metric]:
        """Return what was counted so far."""
        with self._lock:
            answers = [((route, str(status)), count) for (route, status), count in self._answers.items()]
            durations = [((route,), each.cumulated(), each.sum) for route, each in self._durations.items()]
        yield REQUESTS.family(answers)
        yield SECONDS.family(durations)

    def certificate(self, expires: Callable[[], float], failed: Callable[[], bool]) -> None:
        """Ask these whenever the metrics are read: when the certificate of HTTP ends, and whether it is out of date.

        In seconds since the epoch; out of date is one whose files have changed and cannot be read.
        """
        EXPIRY.asks(self._registry, expires)
        RELOAD_FAILED.asks(self._registry, failed)


class _Durations:
    """How long the answers of one route took: how many ended in each bucket, the last one has no bound."""

    __slots__ = ("_counts", "sum")

    def __init__(self) -> None:
        self._counts = [0] * (len(_HTTP_SECONDS) + 1)
        self.sum = 0.0

    def observe(self, seconds: float) -> None:
        """Count one."""
        self._counts[bisect_left(_HTTP_SECONDS, seconds)] += 1
        self.sum += seconds

    def cumulated(self) -> list[int]:
        """Return how many took so long at most, bucket by bucket: the last number is that of all."""
        return [*accumulate(self._counts)]
