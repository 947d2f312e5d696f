"""Puts together what one worker process counts."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from prometheus_client import CollectorRegistry, disable_created_metrics, generate_latest
from prometheus_client.process_collector import ProcessCollector

from verbwire.observability.metrics.effects import EffectCollectors, EffectMetrics
from verbwire.observability.metrics.groups import GroupCollectors, GroupMetrics
from verbwire.observability.metrics.http import HttpMetrics
from verbwire.observability.metrics.lag import GroupLag, LagCollector
from verbwire.observability.metrics.process import ProcessMetrics

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """All metrics of one worker process. Safe to call from any thread."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # gauges beside each counter, which the text format has no other place for
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._groups = GroupCollectors(self._registry)
        self._effects = EffectCollectors(self._registry)
        self.http = HttpMetrics(self._registry)
        self.process = ProcessMetrics(self._registry)

    def group(self, name: str) -> GroupMetrics:
        """Return the counters of one group; ask once, keep it."""
        return GroupMetrics(self._groups, name)

    def effects(self, name: str) -> EffectMetrics:
        """Return the counters of one subscriber or job; ask once, keep it."""
        return EffectMetrics(self._groups, self._effects, name)

    def running(self, name: str) -> Callable[[float], None]:
        """Return a callback for how long a handler of that group, responder or query has been at one record or request.

        In seconds, to about one; 0 where none is.
        """
        return self._groups.running.labels(name).set

    def lags(self, lags: Callable[[], Mapping[str, GroupLag]]) -> None:
        """Ask this for the lag of each group whenever the metrics are read."""
        self._registry.register(LagCollector(lags))

    def exposition(self) -> bytes:
        """Everything in Prometheus' text format; its media type is :data:`CONTENT_TYPE`."""
        return generate_latest(self._registry)
