"""Counts the answers of HTTP: by route, never by path."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram

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
FROM_ZERO = ("200", "500", "503")
NO_ROUTE = "none"


class HttpMetrics:
    """Counts answers. Safe to call from any thread."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._requests = REQUESTS.on(registry)
        self._seconds = SECONDS.on(registry)
        self._children: dict[tuple[str, int], tuple[Counter, Histogram]] = {}
        self.serves([NO_ROUTE])

    def serves(self, routes: Iterable[str]) -> None:
        """Count these routes from zero."""
        for route in routes:
            self._seconds.labels(route)
            for status in FROM_ZERO:
                self._requests.labels(route, status)

    def answered(self, route: str | None, status: int, seconds: float) -> None:
        """Count one answer. `route` is the pattern, never the path: labels stay few."""
        route = route or NO_ROUTE
        pair = self._children.get((route, status))
        if pair is None:  # looking children up costs as much as all the rest
            pair = (self._requests.labels(route, str(status)), self._seconds.labels(route))
            self._children[(route, status)] = pair
        pair[0].inc()
        pair[1].observe(seconds)

    def certificate(self, expires: Callable[[], float], failed: Callable[[], bool]) -> None:
        """Ask these whenever the metrics are read: when the certificate of HTTP ends, and whether it is out of date.

        In seconds since the epoch; out of date is one whose files have changed and cannot be read.
        """
        EXPIRY.asks(self._registry, expires)
        RELOAD_FAILED.asks(self._registry, failed)
