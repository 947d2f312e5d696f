"""How far each group is behind its inputs: in records, in seconds, and when it will be there.

A group is behind by what lies between its committed offset and the last stable offset: a `read_committed` consumer gets
no further. Engine groups commit offsets within their transactions, subscribers and jobs after their handlers; both are
asked of the broker, so the answer needs no worker. Markers of transactions take places in a log: they are counted where
records lie before them, and nothing but markers is no lag.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import msgspec

from verbwire.client.base.connection import Connection
from verbwire.deploy.group_plan import GroupPlan
from verbwire.inspection.first_records import first_timestamps
from verbwire.inspection.parked_counts import ParkedCount, ParkedCounter
from verbwire.inspection.reading.cluster_view import ClusterView, in_order
from verbwire.inspection.topology import kind_of
from verbwire.kafka.offsets import TP, Committed
from verbwire.names import INSPECTION_READER

_ASKED_AT_ONCE = 32  # groups
_LEAST_SECONDS = 0.2  # between two samples that tell a rate


class PartitionLag(msgspec.Struct, frozen=True, kw_only=True):
    """One group's place in one partition.

    `committed` is None where the group has never committed: it begins at `start`. `end` is the last stable offset,
    `log_end` where the log ends with open transactions. `seconds`: since when the next record waits; None where none
    does, or where it could not be read. `by` is the worker that committed last.
    """

    topic: str
    partition: int
    committed: int | None
    start: int
    end: int
    log_end: int
    records: int
    seconds: float | None = None
    by: str = ""


class ConsumerGroupLag(msgspec.Struct, frozen=True, kw_only=True):
    """A group's lag: of all its partitions, the furthest behind first. `seconds` is that of the worst.

    `rate` are the records that it gets through a second, `growth` those that are added; with both `end_seconds` is when
    it will be there: None where it gets no nearer, or where there was one sample only. `records` is None where it is
    unknown, and `unknown` then says why. `parked` was read, and waits for an operator: it is no lag. None: unknown.
    """

    group: str
    kind: str
    records: int | None
    seconds: float | None = None
    rate: float | None = None
    growth: float | None = None
    end_seconds: float | None = None
    partitions: tuple[PartitionLag, ...] = ()
    parked: ParkedCount | None = None


class LagReport(msgspec.Struct, frozen=True, kw_only=True):
    """All groups at one moment, the furthest behind first; `clock` says by whose the seconds are."""

    at_ms: int
    clock: str
    groups: tuple[ConsumerGroupLag, ...]
    unknown: dict[str, str]


class LagSampler:
    """Asks again and again; from the second time on it knows rates."""

    def __init__(self, view: ClusterView, groups: Sequence[str] = (), plans: Sequence[GroupPlan] = ()) -> None:
        """Ask about these groups, by default all; where `plans` are given they are these."""
        self._view = view
        plans = plans or [GroupPlan.of(each, view.project.catalog) for each in view.project.declared.values()]
        self._plans = sorted((each for each in plans if not groups or each.group in groups), key=lambda p: p.group)
        self._offsets = {plan.group: view.offsets(view.names.group(plan.group)) for plan in self._plans}
        self._cluster = view.offsets(INSPECTION_READER)
        self._parked = ParkedCounter(Connection.of_project(view.project.settings), self._cluster, self._plans)
        self._before: tuple[float, Mapping[str, ConsumerGroupLag]] | None = None

    def sample(self) -> LagReport:
        """Return where all groups are now. UnavailableError where Kafka does not answer at all."""
        self._view.unknown.clear()
        taken = time.monotonic()
        partitions = self._partitions()
        places = sorted({place for each in partitions.values() for place in each})
        ends, starts = self._cluster.stable_ends(places), self._cluster.starts(places)
        log_ends = self._cluster.ends(places)
        committed = self._all_committed(partitions)
        now_ms, clock = broker_time(self._view)
        oldest = self._oldest(committed, starts, ends)
        parked = self._view.unless_unknown("parked records", self._parked.counts)
        found = {}
        for plan in self._plans:
            offsets, group = committed[plan.group], plan.group
            kind = kind_of(self._view.project.declared[group])
            waits = None if parked is None else parked.get(group, ParkedCount())
            if offsets is None or len(offsets) < len(partitions[group]):
                found[group] = ConsumerGroupLag(group=group, kind=kind, records=None, parked=waits)
                continue
            lags = [
                _place_lag(place, offset, starts[place], ends[place], log_ends[place], oldest, now_ms)
                for place, offset in sorted(offsets.items())
            ]
            found[group] = _sum(group, kind, lags, waits)
        found = self._with_rates(taken, found)
        groups = tuple(sorted(found.values(), key=_worst_first))
        return LagReport(at_ms=now_ms, clock=clock, groups=groups, unknown=in_order(self._view.unknown))

    def _partitions(self) -> dict[str, list[TP]]:
        """The places that each group reads; a topic that is not there is unknown."""
        inputs = {plan.group: plan.consumed(self._view.names) for plan in self._plans}
        there = self._cluster.topic_identities(sorted({topic for each in inputs.values() for topic in each}))
        found: dict[str, list[TP]] = {}
        for group, topics in inputs.items():
            for topic in topics:
                if topic not in there:
                    self._view.unknown[f"topic {topic}"] = f"there is no topic {topic}: run `verbwire deploy`"
            found[group] = [(topic, p) for topic in topics if topic in there for p in range(there[topic].partitions)]
        return found

    def _all_committed(self, partitions: Mapping[str, Sequence[TP]]) -> dict[str, dict[TP, Committed] | None]:
        """Ask for all groups at once: each has a coordinator to find, which takes a second."""
        with ThreadPoolExecutor(max(1, min(_ASKED_AT_ONCE, len(partitions)))) as pool:
            return dict(zip(partitions, pool.map(self._committed, partitions, partitions.values()), strict=True))

    def _committed(self, group: str, places: Sequence[TP]) -> dict[TP, Committed] | None:
        return self._view.unless_unknown(f"offsets of {group}", lambda: self._offsets[group].committed(places))

    def _oldest(
        self, committed: Mapping[str, dict[TP, Committed] | None], starts: Mapping[TP, int], ends: Mapping[TP, int]
    ) -> Mapping[tuple[TP, int], int | None]:
        waiting = {
            (place, max(starts[place], offset.offset or 0))
            for offsets in committed.values()
            for place, offset in (offsets or {}).items()
            if max(starts[place], offset.offset or 0) < ends[place]
        }
        asked = self._view.unless_unknown("seconds behind", lambda: first_timestamps(self._view.kafka, sorted(waiting)))
        return asked or {}

    def _with_rates(self, taken: float, found: dict[str, ConsumerGroupLag]) -> dict[str, ConsumerGroupLag]:
        before, self._before = self._before, (taken, found)
        if before is None or taken - before[0] < _LEAST_SECONDS:
            return found
        seconds = taken - before[0]
        return {group: _with_rate(before[1].get(group), each, seconds) for group, each in found.items()}


def broker_time(view: ClusterView) -> tuple[int, str]:
    """Return the time in milliseconds and whose it is: the broker's, where a worker has just been heard."""
    here = int(time.time() * 1000)
    directory = view.unless_unknown("the directory of workers", lambda: view.directory)
    broker = None if directory is None else directory.broker_now_ms()
    return (here, "this machine's") if broker is None else (broker, "the broker's")


def _place_lag(
    place: TP,
    offset: Committed,
    start: int,
    end: int,
    log_end: int,
    oldest: Mapping[tuple[TP, int], int | None],
    now_ms: int,
) -> PartitionLag:
    begins = max(start, offset.offset or 0)
    records, seconds = max(0, end - begins), None
    if records and (place, begins) in oldest:
        at_ms = oldest[place, begins]
        if at_ms is None:
            records = 0  # markers of transactions are all that is left
        else:
            seconds = max(0.0, round((now_ms - at_ms) / 1000, 1))
    return PartitionLag(
        topic=place[0],
        partition=place[1],
        committed=offset.offset,
        start=start,
        end=end,
        log_end=log_end,
        records=records,
        seconds=seconds,
        by=offset.by,
    )


def _sum(group: str, kind: str, lags: Sequence[PartitionLag], parked: ParkedCount | None = None) -> ConsumerGroupLag:
    return ConsumerGroupLag(
        group=group,
        kind=kind,
        records=sum(each.records for each in lags),
        seconds=max((each.seconds for each in lags if each.seconds is not None), default=None),
        partitions=tuple(sorted(lags, key=lambda each: (-each.records, each.topic, each.partition))),
        parked=parked,
    )


def _with_rate(before: ConsumerGroupLag | None, now: ConsumerGroupLag, seconds: float) -> ConsumerGroupLag:
    if before is None or before.records is None or now.records is None:
        return now
    then = {(each.topic, each.partition): each for each in before.partitions}
    pairs = [(then[at], each) for each in now.partitions if (at := (each.topic, each.partition)) in then]
    rate = sum(max(0, _reached(each) - _reached(old)) for old, each in pairs) / seconds
    growth = sum(max(0, each.end - old.end) for old, each in pairs) / seconds
    ends = now.records / (rate - growth) if now.records and rate > growth else None
    return msgspec.structs.replace(
        now,
        rate=round(rate, 1),
        growth=round(growth, 1),
        end_seconds=0.0 if now.records == 0 else None if ends is None else round(ends, 1),
    )


def _reached(lag: PartitionLag) -> int:
    return max(lag.start, lag.committed or 0)


def _worst_first(each: ConsumerGroupLag) -> tuple[bool, float, int, str]:
    return each.records is not None, -(each.seconds or 0), -(each.records or 0), each.group
