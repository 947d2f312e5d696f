"""Read-your-writes: a request waits until the table has applied the positions that its client has seen."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import msgspec
from msgspec.structs import replace

from verbwire.engine.state.reader import PartitionStatus
from verbwire.errors import UnavailableError
from verbwire.http.base import problem_types
from verbwire.http.base.coalescing import CoalescedCalls
from verbwire.http.base.concurrency import ConcurrencyLimiter
from verbwire.http.base.problem import HttpProblem, unavailable
from verbwire.http.base.thread_pool import BoundedThreadPool
from verbwire.http.tables.log_ends import ASK_SECONDS, LogEnds
from verbwire.http.tables.queryable_table import QueryableTable
from verbwire.http.tables.waiters import PositionWaiters
from verbwire.wire.positions import Positions


class PositionBound(msgspec.Struct, frozen=True):
    """The positions that a table must have applied for a request, and until when (on the loop's clock) it waits."""

    positions: Positions
    deadline: float

    def lacking(self, partition: int, inputs: Mapping[str, int]) -> Positions:
        """Return the positions of a partition that are not yet applied, its inputs being applied so far."""
        wanted = {(topic, partition): self.positions.get((topic, partition), 0) for topic in inputs}
        return {place: offset for place, offset in wanted.items() if inputs[place[0]] < offset}


class PositionBounds:
    """Makes requests wait until one table has applied their position bounds. Used on HTTP's loop only.

    A request that waits counts against the limiter `waits`, and costs nothing else: the engine wakes it, and what
    `askers` have to ask Kafka is asked once for all.
    """

    def __init__(self, table: QueryableTable, waits: ConcurrencyLimiter, askers: BoundedThreadPool) -> None:
        self._table = table
        self._waits = waits
        self._awaited = PositionWaiters(table.store_reader)
        cluster, partitions = table.cluster, table.store_reader.partitions
        self._ends = LogEnds(cluster, partitions, askers) if cluster is not None else None
        self._resolving = CoalescedCalls(self._resolve_all, askers, ASK_SECONDS)

    async def until_applied(self, actor: str, partitions: Sequence[int], bound: PositionBound) -> PositionBound:
        """Wait until those of these partitions that are here have applied the bound, in the topics that they read.

        400 ``bad_position`` at once where that will never be, 503 ``behind`` when they have not in time: never an
        answer that is older than asked for. What becomes ready after this may be behind all the same, so the reader
        looks once more, for what is returned (:func:`require_applied`).
        """
        if (applied := self.applied(partitions, bound)) is not None:
            return applied
        states = [self._table.store_reader.states[each] for each in partitions]
        with self._waits.taken(actor):
            return await self._in_time(states, bound, self._impossible(bound))

    def applied(self, partitions: Iterable[int], bound: PositionBound) -> PositionBound | None:
        """Return the bound that these partitions have applied already; None where that is not known, or not so."""
        if not bound.positions:
            return bound
        resolved = self._resolved(bound)
        if resolved is None or self._impossible(bound):
            return None
        late = any(_late(self._table.store_reader.states[each], resolved) for each in partitions)
        return None if late else resolved

    async def _in_time(
        self, states: Sequence[PartitionStatus], bound: PositionBound, impossible: Positions
    ) -> PositionBound:
        try:
            async with asyncio.timeout_at(bound.deadline):
                if not impossible and (resolved := self._resolved(bound)) is not None:
                    with suppress(TimeoutError):  # most are over by then: nobody is asked, and no task is made
                        async with asyncio.timeout(ASK_SECONDS):
                            return await self._reached(states, resolved)
                if impossible:
                    await self._require(impossible)
                required = self._require(self._awaited_positions(states, bound))
                return await _unless(required, self._applied(states, bound))
        except TimeoutError:
            late = next((f"partition {each.partition}" for each in states if _late(each, bound)), "some partition")
            raise _behind(self._table, late) from None

    async def _applied(self, states: Sequence[PartitionStatus], bound: PositionBound) -> PositionBound:
        while (resolved := self._resolved(bound)) is None:
            try:
                await self._resolving.ask(bound.positions)
            except UnavailableError:
                continue
        return await self._reached(states, resolved)

    async def _reached(self, states: Sequence[PartitionStatus], resolved: PositionBound) -> PositionBound:
        for each in states:
            await self._awaited.until(each.partition, partial(_is_applied, each, resolved))
        return resolved

    async def _require(self, places: Positions) -> None:
        if self._ends is not None and places:
            await self._ends.require(places)

    # -- positions by topic

    def _impossible(self, bound: PositionBound) -> Positions:
        """Return the positions in topics of the table, in partitions that it does not have."""
        read, partitions = self._topics_read(), self._table.store_reader.partitions
        return {place: each for place, each in bound.positions.items() if place[1] >= partitions and place[0] in read}

    def _awaited_positions(self, states: Sequence[PartitionStatus], bound: PositionBound) -> Positions:
        progress, partitions = self._table.repartition_progress, self._table.store_reader.partitions
        places = {place: offset for state in states for place, offset in _late(state, bound).items()}
        if progress is not None and progress.resolved(bound.positions) is None:
            sources = {place: offset for place, offset in bound.positions.items() if place[0] in progress.sources}
            places |= {place: offset for place, offset in sources.items() if place[1] < partitions}
        return places

    def _topics_read(self) -> set[str]:
        progress = self._table.repartition_progress
        return {topic for state in self._ready() for topic in state.inputs} | (progress.sources if progress else set())

    def _resolved(self, bound: PositionBound) -> PositionBound | None:
        """Return the bound with the end offsets of the repartition topic that it comes to; None if not yet known."""
        progress = self._table.repartition_progress
        if progress is None:
            return bound
        ends = progress.resolved(bound.positions)
        return None if ends is None else replace(bound, positions={**bound.positions, **ends})

    def _resolve_all(self, asked: Sequence[Positions]) -> Sequence[object]:
        progress = self._table.repartition_progress
        applied = {(topic, each.partition): offset for each in self._ready() for topic, offset in each.inputs.items()}
        return asked if progress is None else progress.resolve(asked, applied)

    def _ready(self) -> Iterator[PartitionStatus]:
        return (state for state in self._table.store_reader.states.values() if state.ready)


def require_applied(table: QueryableTable, inputs: Mapping[int, Mapping[str, int]], bound: PositionBound) -> None:
    """Raise 503 ``behind`` where rows are read, or were, that have not applied the bound; `inputs` by partition."""
    for partition, mine in inputs.items():
        if bound.lacking(partition, mine):
            raise _behind(table, f"partition {partition}")


def _late(state: PartitionStatus, bound: PositionBound) -> Positions:
    return bound.lacking(state.partition, state.inputs) if state.ready else {}


def _is_applied(state: PartitionStatus, bound: PositionBound) -> bool:
    return not _late(state, bound)


async def _unless(checking: Coroutine[Any, Any, None], waiting: Coroutine[Any, Any, PositionBound]) -> PositionBound:
    """Return what is waited for, or raise what `checking` raises meanwhile."""
    check, wait = asyncio.ensure_future(checking), asyncio.ensure_future(waiting)
    try:
        await asyncio.wait((check, wait), return_when=asyncio.FIRST_COMPLETED)
        if not wait.done():
            check.result()
        return await wait
    finally:
        check.cancel()
        wait.cancel()


def _behind(table: QueryableTable, late: str) -> HttpProblem:
    return unavailable(
        problem_types.BEHIND, f"{late} of table {table.name} has not yet applied what you have seen: ask again"
    )
