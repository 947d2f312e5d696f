"""Tells how far groups are behind the ends of their inputs: in records, and in seconds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from verbwire.observability.metrics.groups import GROUP
from verbwire.observability.metrics.specs import GaugeSpec

RECORDS = GaugeSpec(
    "lag_records",
    "Offsets of an input topic that a group has yet to handle, of the partitions at this worker; ends are a few "
    "seconds old. Marks of transactions count until they are read.",
    "Growing: the group is slower than its input. `verbwire lag` shows partitions and the time to the end.",
    (*GROUP, "topic"),
)
SECONDS = GaugeSpec(
    "lag_seconds",
    "Age of the oldest record that a group has yet to handle, of the partitions at this worker; at most that old.",
    "What users notice: by so much rows, reactions and outcomes are late.",
    GROUP,
)
UNKNOWN = GaugeSpec(
    "lag_unknown_partitions",
    "Inputs' partitions at this worker whose lag is not known, and which the other two leave out: not read yet, being "
    "restored, or Kafka does not tell the ends.",
    "For minutes: look at `verbwire_partitions` and `verbwire_kafka_reached`.",
    GROUP,
)

SPECS = (RECORDS, SECONDS, UNKNOWN)


@dataclass
class GroupLag:
    """How far one group is behind at this worker: records by topic, seconds where anything is known."""

    records: dict[str, int] = field(default_factory=dict)
    seconds: float | None = None
    unknown: int = 0  # partitions


class LagCollector(Collector):
    """Asks for the lag of groups whenever the metrics are read."""

    def __init__(self, lags: Callable[[], Mapping[str, GroupLag]]) -> None:
        self._lags = lags

    def collect(self) -> Iterator[Metric]:
        """Yield what is known, by group."""
        lags = self._lags()
        yield RECORDS.family(
            ((group, topic), records) for group, lag in lags.items() for topic, records in lag.records.items()
        )
        yield SECONDS.family(((group,), lag.seconds) for group, lag in lags.items() if lag.seconds is not None)
        yield UNKNOWN.family(((group,), lag.unknown) for group, lag in lags.items())
