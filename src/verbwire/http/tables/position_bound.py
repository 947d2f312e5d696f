"""Read-your-writes: a request waits until the table has applied the positions that its client has seen."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

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


@dataclass(frozen=True)
class PositionBound:
    """How far a request wants its table to be, and until when (by the loop's clock) it waits for that."""

    positions: Positions
    deadline: float

    def lacking(self, partition: int, inputs: Mapping[str, int]) -> Positions:
        """Return what is wanted of a partition whose inputs are applied so far, and is not applied."""
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
        self._ends = (
            LogEnds(table.cluster, table.store_reader.partitions, askers) if table.cluster is not None else None
        )
        self._look = CoalescedCalls(self._looked, askers, ASK_SECONDS)

    async def until_applied(self, actor: str, partitions: Iterable[int], wanted: PositionBound) -> PositionBound:
        """Wait until those of these partitions that are here have applied what is wanted of the topics they read.

        400 ``bad_position`` at once where that will never be, 503 ``behind`` when they have not in time: never an
        answer that is older than asked for. What becomes ready after this may be behind all the same, so the reader
        looks once more, for what is returned (:func:`require_applied`).
        """
        if not wanted.positions:
            return wanted
        states = [self._table.store_reader.states[each] for each in partitions]
        nowhere, known = self._nowhere(wanted), self._known(wanted)
        if not nowhere and known is not None and not any(_late(each, known) for each in states):
            return known
        with self._waits.taken(actor):
            return await self._in_time(states, wanted, nowhere)

    async def _in_time(
        self, states: Sequence[PartitionStatus], wanted: PositionBound, nowhere: Positions
    ) -> PositionBound:
        try:
            async with asyncio.timeout_at(wanted.deadline):
                if nowhere:
                    await self._require(nowhere)
                return await _unless(self._require(self._waited_for(states, wanted)), self._applied(states, wanted))
        except TimeoutError:
            late = next((f"partition {each.partition}" for each in states if _late(each, wanted)), "some partition")
            raise _behind(self._table, late) from None

    async def _applied(self, states: Sequence[PartitionStatus], wanted: PositionBound) -> PositionBound:
        while (known := self._known(wanted)) is None:
            try:
                await self._look.ask(wanted.positions)
            except UnavailableError:
                continue
        for each in states:
            await self._awaited.until(each.partition, partial(_is_there, each, known))
        return known

    async def _require(self, places: Positions) -> None:
        if self._ends is not None and places:
            await self._ends.require(places)

    # -- what is wanted of which topics

    def _nowhere(self, wanted: PositionBound) -> Positions:
        """Return what is wanted of topics that are read, in partitions that the table has not."""
        read, partitions = self._read(), self._table.store_reader.partitions
        return {place: each for place, each in wanted.positions.items() if place[1] >= partitions and place[0] in read}

    def _waited_for(self, states: Sequence[PartitionStatus], wanted: PositionBound) -> Positions:
        own, partitions = self._table.handed_over, self._table.store_reader.partitions
        places = {place: offset for state in states for place, offset in _late(state, wanted).items()}
        if own is not None and own.known(wanted.positions) is None:
            sources = {place: offset for place, offset in wanted.positions.items() if place[0] in own.sources}
            places |= {place: offset for place, offset in sources.items() if place[1] < partitions}
        return places

    def _read(self) -> set[str]:
        own = self._table.handed_over
        return {topic for state in self._ready() for topic in state.inputs} | (own.sources if own else set())

    def _known(self, wanted: PositionBound) -> PositionBound | None:
        """Return what is wanted with what that comes to of the topic by which a group hands records to itself.

        None where it is not known yet.
        """
        own = self._table.handed_over
        if own is None:
            return wanted
        ends = own.known(wanted.positions)
        return None if ends is None else replace(wanted, positions={**wanted.positions, **ends})

    def _looked(self, asked: Sequence[Positions]) -> Sequence[object]:
        own = self._table.handed_over
        applied = {(topic, each.partition): offset for each in self._ready() for topic, offset in each.inputs.items()}
        return asked if own is None else own.look(asked, applied)

    def _ready(self) -> Iterator[PartitionStatus]:
        return (state for state in self._table.store_reader.states.values() if state.ready)


def require_applied(table: QueryableTable, inputs: Mapping[int, Mapping[str, int]], wanted: PositionBound) -> None:
    """Raise 503 ``behind`` where rows are read, or were, that are not as far as wanted; `inputs` by partition."""
    for partition, mine in inputs.items():
        if wanted.lacking(partition, mine):
            raise _behind(table, f"partition {partition}")


def _late(state: PartitionStatus, wanted: PositionBound) -> Positions:
    return wanted.lacking(state.partition, state.inputs) if state.ready else {}


def _is_there(state: PartitionStatus, wanted: PositionBound) -> bool:
    return not _late(state, wanted)


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
