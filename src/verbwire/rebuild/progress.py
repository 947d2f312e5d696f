"""How far a generation is: what its group has committed beside what its inputs hold."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping

import msgspec

from verbwire.errors import RebuildError
from verbwire.inspection.first_records import first_timestamps
from verbwire.inspection.lag import LagSampler, PartitionLag
from verbwire.kafka.offsets import TP
from verbwire.rebuild.plan import RebuildPlan

_LOOK_SECONDS = 0.1


class RebuildProgress(msgspec.Struct, frozen=True, kw_only=True):
    """How many `records` lie behind and how many are `left`, with those that it hands to itself; None: not known yet.

    `rate` is a second, `seconds` what is left takes at that rate while others write as now. It is `complete` once it
    has dealt with all that was there when it was looked at first: while others write there may always be some left.
    """

    table: str
    generation: int
    records: int
    left: int
    rate: float | None = None
    seconds: float | None = None
    complete: bool = False


class ProgressSampler:
    """Asks the cluster again and again; from the second time on it knows rates.

    `begins` tells where a generation begins that is not made from the first record on.
    """

    def __init__(self, plan: RebuildPlan, number: int, begins: Callable[[], dict[TP, int]] = dict) -> None:
        self._plan, self._number, self._read_begins = plan, number, begins
        self._lag = LagSampler(plan.view_of(number), [plan.group], [plan.plan])
        self._ends: dict[TP, int] = {}  # as they were when they were looked at first
        self._begins: dict[TP, int] | None = None

    def sample(self) -> RebuildProgress | None:
        """Return how far it is now; None where the cluster does not say."""
        (found,) = self._lag.sample().groups
        if found.records is None:
            return None
        partitions = [self._from_its_beginning(each) for each in found.partitions]
        for each in partitions:
            self._ends.setdefault((each.topic, each.partition), each.end)
        done = sum(max(0, (each.committed or each.start) - each.start) for each in partitions)
        left = sum(each.records for each in partitions)
        return RebuildProgress(
            table=self._plan.group,
            generation=self._number,
            records=done,
            left=left,
            rate=found.rate,
            seconds=found.end_seconds if left else None,
            complete=all(self._is_reached(each) for each in partitions),
        )

    def _from_its_beginning(self, lag: PartitionLag) -> PartitionLag:
        """Return how it stands in a partition of whose records its group has committed none.

        What an exchange has replaced is of a position, which its changelog tells. Where no event has come since there
        is nothing to be read, nor ever committed.
        """
        if lag.committed is not None or not self._plan.folds:
            return lag
        if self._begins is None:
            self._begins = self._read_begins()
        begin = self._begins.get((lag.topic, lag.partition), 0)
        return msgspec.structs.replace(lag, committed=begin, records=max(0, lag.end - begin)) if begin else lag

    def _is_reached(self, lag: PartitionLag) -> bool:
        return not lag.records or (lag.committed or 0) >= self._ends[lag.topic, lag.partition]


class Reach:
    """Waits until a generation's group has dealt with everything up to positions in its sources."""

    def __init__(self, plan: RebuildPlan, number: int) -> None:
        self._plan = plan
        self._group = plan.view.offsets(plan.group_name(number))
        self._repartition = plan.repartition(number)
        self._number = number

    def ends(self) -> dict[TP, int]:
        """Return where the sources end now: nobody has seen more of them."""
        return self._group.stable_ends(self._places(self._plan.sources))

    def until(self, wanted: Mapping[TP, int], deadline: float) -> dict[TP, int]:
        """Return the positions that it has reached, which come to what is wanted, in all its inputs.

        Nothing but markers of transactions may be between the two. RebuildError where that is not so in time, by the
        monotonic clock: nobody runs the group, or it is too slow.
        """
        if self._plan.folds and not self._number:
            self._until_written(deadline)
            return dict(wanted)
        reached = self._until(wanted, deadline)
        if self._repartition is not None:  # after the sources: what was forwarded of them stands there by now
            reached |= self._until(self._group.ends(self._places([self._repartition])), deadline)
        return reached

    def _until_written(self, deadline: float) -> None:
        """Wait for the states of an aggregate: they are written with its events, and seen a moment later perhaps."""
        places = self._places([self._plan.changelog(self._number)])
        ends = self._group.ends(places)
        while any(stable < ends[place] for place, stable in self._group.stable_ends(places).items()):
            if time.monotonic() > deadline:
                raise RebuildError(f"{self._plan.changelog(self._number)} has a transaction that does not end")
            time.sleep(_LOOK_SECONDS)

    def _until(self, wanted: Mapping[TP, int], deadline: float) -> dict[TP, int]:
        todo, reached = dict(wanted), dict[TP, int]()
        while todo:
            found = self._group.stable(todo)
            committed = {place: each.offset or 0 for place, each in found.items()}
            late = {place: at for place, at in committed.items() if at < wanted[place]}
            markers = self._only_markers(late)
            done = {place: at for place, at in committed.items() if at >= wanted[place] or place in markers}
            reached |= {place: min(at, wanted[place]) for place, at in done.items()}
            todo = {place: offset for place, offset in todo.items() if place not in done}
            if todo and time.monotonic() > deadline:
                left = sum(offset - committed.get(place, 0) for place, offset in todo.items())
                raise RebuildError(
                    f"generation {self._number} of {self._plan.group} is {left:,} offsets behind and did not get there "
                    "in time: is anybody running it? (`verbwire rebuild` while it is being built, else its workers)"
                )
            if todo:
                time.sleep(_LOOK_SECONDS)
        return reached

    def _only_markers(self, late: Mapping[TP, int]) -> set[TP]:
        if not late:
            return set()
        starts = self._plan.view.offsets("").starts(late)
        asked = [(place, max(at, starts[place])) for place, at in late.items()]
        found = first_timestamps(self._plan.view.kafka, asked)
        return {place for (place, _), at_ms in found.items() if at_ms is None}

    def _places(self, topics: Collection[str]) -> list[TP]:
        there = self._group.topics([*topics])
        return [(topic, each) for topic in topics for each in range(there[topic].partitions)]
