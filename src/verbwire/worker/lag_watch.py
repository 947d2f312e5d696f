"""Watches the ends of what this worker's groups read: one request to the cluster for all of them, every few seconds.

While nothing moves, neither they nor the groups, it asks more seldom: a worker that idles asks for hundreds of ends.

No group knows them well enough by itself: a consumer learns an end when it fetches, and fetches nothing of a partition
that is stopped, paused or full.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from verbwire.kafka.broker_clock import BrokerClock
from verbwire.kafka.cluster_watch import ClusterWatch
from verbwire.kafka.offsets import ClusterOffsets
from verbwire.kafka.progress import InputProgress
from verbwire.observability.metrics.lag import GroupLag
from verbwire.worker.services import GroupHost

LOOK_SECONDS = 2.0
REST_SECONDS = 8.0  # likewise, while nothing has moved between the last two looks
STALE_SECONDS = 30.0  # then the ends of before say nothing any more
Place: TypeAlias = tuple[str, int]


def lag_of(
    progress: Iterable[InputProgress], ends: Mapping[Place, int], caught_up: Mapping[Place, float], now_ms: int
) -> GroupLag:
    """Return the lag of a group. `caught_up` says how many seconds ago a partition was seen at its end.

    Its oldest record that waits is younger than that, and no older than the one that is at work: the lesser of the two
    is the lag in seconds.
    """
    lag = GroupLag()
    for each in progress:
        place = (each.topic, each.partition)
        end = ends.get(place)
        if end is None or each.position is None:
            lag.unknown += 1
            continue
        behind = max(0, end - each.position)
        lag.records[each.topic] = lag.records.get(each.topic, 0) + behind
        ages = [caught_up[place]] if place in caught_up else []
        if each.timestamp is not None:
            ages.append(max(0.0, (now_ms - each.timestamp) / 1000))
        if not behind or ages:
            lag.seconds = max(lag.seconds or 0.0, min(ages) if behind else 0.0)
    return lag


class LagWatch(ClusterWatch):
    """Asks for the ends; `lags` may be asked from any thread."""

    def __init__(self, kafka: dict[str, str], groups: Sequence[GroupHost], clock: BrokerClock) -> None:
        super().__init__("watching the lag", LOOK_SECONDS)
        self._cluster = ClusterOffsets(kafka, "")
        self._groups = groups
        self._clock = clock
        self._ends: dict[Place, int] = {}
        self._looked = float("-inf")
        self._progress: dict[str, list[InputProgress]] = {}
        self._at_rest = False
        self._caught_up: dict[str, dict[Place, float]] = {}  # group -> place -> when

    def look(self) -> None:
        """Ask for the ends once. What is handled is looked at first: it may not seem to be further than they are."""
        progress = {group.name: list(group.progress()) for group in self._groups}
        moved, self._progress = progress != self._progress, progress
        if self._at_rest and not moved and time.monotonic() - self._looked < REST_SECONDS:
            return
        places = {(each.topic, each.partition) for found in progress.values() for each in found}
        ends, now = self._cluster.stable_ends(places), time.monotonic()
        for group, found in progress.items():
            before = self._caught_up.get(group, {})
            at_end = {_place(each) for each in found if _is_at_end(each, ends)}
            self._caught_up[group] = {
                place: now if place in at_end else before[place]
                for place in map(_place, found)
                if place in at_end or place in before
            }
        self._at_rest = not moved and ends == self._ends
        self._ends, self._looked = ends, now

    def lags(self) -> dict[str, GroupLag]:
        """Return the lag of each group, by its name on the cluster."""
        now = time.monotonic()
        ends = self._ends if now - self._looked < STALE_SECONDS else {}
        return {
            group.name: lag_of(
                group.progress(),
                ends,
                {place: now - at for place, at in self._caught_up.get(group.name, {}).items()},
                self._clock.now_ms(),
            )
            for group in self._groups
        }


def _place(progress: InputProgress) -> Place:
    return progress.topic, progress.partition


def _is_at_end(progress: InputProgress, ends: Mapping[Place, int]) -> bool:
    return progress.position is not None and progress.position >= ends[_place(progress)]
