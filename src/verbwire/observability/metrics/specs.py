"""Declares metrics: name, labels, what it means, what to do about it; from that come collectors and the reference.

Names follow Prometheus' conventions: base units, ``_total`` for what only counts up. No label has a value of users'.

Source: https://prometheus.io/docs/practices/naming/
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.utils import floatToGoString

PREFIX = "verbwire_"


@dataclass(frozen=True)
class MetricSpec:
    """Declares one metric. `name` is without prefix and without ``_total``."""

    name: str
    meaning: str
    advice: str  # when to look at it, and what to do then
    labels: tuple[str, ...] = ()
    type: ClassVar[str]

    @property
    def full_name(self) -> str:
        """The name under which it is scraped."""
        return PREFIX + self.name


class CounterSpec(MetricSpec):
    """Declares what only counts up, from zero when the worker starts."""

    type = "counter"

    @property
    def full_name(self) -> str:
        """The name under which it is scraped."""
        return f"{PREFIX}{self.name}_total"

    def on(self, registry: CollectorRegistry) -> Counter:
        """Return its collector there."""
        return Counter(PREFIX + self.name, self.meaning, self.labels, registry=registry)

    def family(self, values: Iterable[tuple[tuple[str, ...], float]]) -> CounterMetricFamily:
        """Return these values, by their labels, as a collector of ours yields them."""
        family = CounterMetricFamily(PREFIX + self.name, self.meaning, labels=self.labels)
        for labels, value in values:
            family.add_metric(labels, value)
        return family


class GaugeSpec(MetricSpec):
    """Declares what goes up and down."""

    type = "gauge"

    def on(self, registry: CollectorRegistry) -> Gauge:
        """Return its collector there."""
        return Gauge(self.full_name, self.meaning, self.labels, registry=registry)

    def asks(self, registry: CollectorRegistry, function: Callable[[], float]) -> None:
        """Ask this function whenever the metrics are read; for one without labels."""
        self.on(registry).set_function(function)

    def family(self, values: Iterable[tuple[tuple[str, ...], float]]) -> GaugeMetricFamily:
        """Return these values, by their labels, as a collector of ours yields them."""
        family = GaugeMetricFamily(self.full_name, self.meaning, labels=self.labels)
        for labels, value in values:
            family.add_metric(labels, value)
        return family


@dataclass(frozen=True)
class HistogramSpec(MetricSpec):
    """Declares how long something takes, in seconds; `buckets` are upper bounds."""

    buckets: tuple[float, ...] = ()
    type = "histogram"

    def on(self, registry: CollectorRegistry) -> Histogram:
        """Return its collector there."""
        return Histogram(self.full_name, self.meaning, self.labels, registry=registry, buckets=self.buckets)

    def family(self, values: Iterable[tuple[tuple[str, ...], Sequence[int], float]]) -> HistogramMetricFamily:
        """Return these values, as a collector of ours yields them: labels, numbers up to each bound and in all, sum."""
        bounds = [*map(floatToGoString, (*self.buckets, math.inf))]
        family = HistogramMetricFamily(self.full_name, self.meaning, labels=self.labels)
        for labels, numbers, total in values:
            family.add_metric(labels, [*zip(bounds, numbers, strict=True)], total)
        return family
