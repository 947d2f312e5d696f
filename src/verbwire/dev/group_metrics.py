"""What workers' metrics say of the groups: summed over the workers, and with rates between two looks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from prometheus_client.parser import text_string_to_metric_families

from verbwire.dev.board import GroupView
from verbwire.observability.metrics.groups import DEAD_LETTERS, PARTITIONS, RECORDS
from verbwire.observability.metrics.lag import RECORDS as LAG
from verbwire.observability.metrics.lag import UNKNOWN as LAG_UNKNOWN

_HANDLED, _DEAD = (each.full_name for each in (RECORDS, DEAD_LETTERS))
_PARTITIONS, _LAG, _UNKNOWN = (each.full_name for each in (PARTITIONS, LAG, LAG_UNKNOWN))


@dataclass
class GroupCount:
    """Of one group what all workers have said."""

    handled: float | None = None
    lag: float | None = None
    lag_unknown: float = 0.0  # partitions that are not in `lag`
    dead_letters: float = 0.0
    partitions: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def add(self, name: str, labels: Mapping[str, str], value: float) -> None:
        """Add one sample."""
        if name == _HANDLED:
            self.handled = (self.handled or 0.0) + value
        elif name == _LAG:
            self.lag = (self.lag or 0.0) + value
        elif name == _UNKNOWN:
            self.lag_unknown += value
        elif name == _DEAD:
            self.dead_letters += value
        elif name == _PARTITIONS:
            self.partitions[labels["state"]] += int(value)


def count_groups(expositions: Iterable[str]) -> dict[str, GroupCount]:
    """Return what the workers' ``/metrics`` say of each group."""
    found: dict[str, GroupCount] = defaultdict(GroupCount)
    for name, labels, value in _samples(expositions):
        if "group" in labels:
            found[labels["group"]].add(name, labels, value)
    return dict(sorted(found.items()))


def group_views(
    counts: Mapping[str, GroupCount],
    before: Mapping[str, GroupCount],
    seconds: float,
    stopped: Mapping[str, Mapping[str, str]],
) -> dict[str, GroupView]:
    """Return them with what was handled a second since `before`; unknown where a worker has begun to count anew."""
    return {
        name: GroupView(
            partitions=dict(count.partitions),
            handled=count.handled,
            rate=_rate(count.handled, before[name].handled if name in before else None, seconds),
            lag=None if count.lag_unknown else count.lag,
            dead_letters=count.dead_letters,
            stopped=stopped.get(name, {}),
        )
        for name, count in counts.items()
    }


def _rate(now: float | None, before: float | None, seconds: float) -> float | None:
    if now is None or before is None or now < before or seconds <= 0:
        return None
    return (now - before) / seconds


def _samples(expositions: Iterable[str]) -> Iterator[tuple[str, Mapping[str, str], float]]:
    for text in expositions:
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                yield sample.name, sample.labels, sample.value
