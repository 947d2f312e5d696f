"""Hands fetched records on in the order of their time over all inputs: for who reads a history in one go.

Live, records of several topics and partitions come in about the order of their timestamps. Read from the first on, one
partition may be hours ahead of another: a window would be closed before its events are read, and a fold over two topics
would see all of the one first. So a record waits here until nothing older can come of another input.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from faust.types import TP

from verbwire.engine.faust.input_feed import Fetched

MOST_HELD = 1000  # records of one partition, from which on no more of it are taken: others are waited for
_LOOK_SECONDS = 0.05  # that a partition has come to its end is told by no record


def in_order(held: Mapping[TP, list[Any]], may_follow: Callable[[TP], bool], step_ms: int) -> dict[TP, int]:
    """Return how many records of each input may be handed on now: all those that are oldest, and `step_ms` younger.

    `may_follow` says of an input whether there are more that have not been fetched; with such a one that has none here
    none are handed on. Of an input whose timestamps go back, a record counts as old as the one that it stands before.
    """
    if not any(held.values()) or any(may_follow(tp) for tp, records in held.items() if not records):
        return {}
    first = min(records[0].timestamp for records in held.values() if records)
    known = min((records[-1].timestamp for tp, records in held.items() if records and may_follow(tp)), default=None)
    limit = first + step_ms if known is None else max(first, min(first + step_ms, known))
    return {tp: _until(records, limit) for tp, records in held.items() if records and records[0].timestamp <= limit}


def _until(records: list[Any], limit: int) -> int:
    return next((place for place, each in enumerate(records) if each.timestamp > limit), len(records))


class OrderedFetch:
    """Stands before what is fetched. `topics` are in order among themselves, all others pass at once.

    `ends` tells where partitions end by now, as far as that is known.
    """

    def __init__(
        self,
        fetched: Fetched,
        topics: Collection[str],
        step_ms: int,
        ends: Callable[[Iterable[TP]], Mapping[tuple[str, int], int]],
    ) -> None:
        self._fetched, self._topics, self._step_ms, self._ends = fetched, topics, step_ms, ends
        self._held: dict[TP, list[Any]] = {}
        self._arrival: asyncio.Future[None] | None = None

    @property
    def stopped_errors(self) -> tuple[type[BaseException], ...]:
        """Those of what is fetched."""
        return self._fetched.stopped_errors

    def may_take(self) -> bool:
        """Whether it is for the present assignment."""
        return self._fetched.may_take()

    async def take(self, places: set[TP]) -> Mapping[TP, list[Any]]:
        """Return what there is of these, as far as its turn has come."""
        self._held = {tp: records for tp, records in self._held.items() if tp in places}
        wanted = {tp for tp in places if len(self._held.get(tp, ())) < MOST_HELD}
        found = dict(await self._fetched.take(wanted)) if wanted else {}
        for tp in places:
            if tp.topic in self._topics:
                self._held.setdefault(tp, []).extend(found.pop(tp, ()))
        for tp, count in in_order(self._held, self._may_follow, self._step_ms).items():
            found[tp], self._held[tp] = self._held[tp][:count], self._held[tp][count:]
        return {tp: records for tp, records in found.items() if records}

    def _may_follow(self, tp: TP) -> bool:
        place = (tp.topic, tp.partition)
        end = self._ends([tp]).get(place)
        return end is None or self._fetched.positions([tp]).get(place, -1) < end

    def arrival(self) -> asyncio.Future[None]:
        """Return a future that is done when there may be more."""
        if self._arrival is None or self._arrival.done():
            self._arrival = self._fetched.arrival()
        if not any(self._held.values()):
            return self._arrival
        return asyncio.ensure_future(_either(self._arrival))

    def positions(self, places: Iterable[TP]) -> dict[tuple[str, int], int]:
        """Return up to where it has been handed on."""
        found = self._fetched.positions(places)
        first = {(tp.topic, tp.partition): records[0].offset for tp, records in self._held.items() if records}
        return {place: min(offset, first.get(place, offset)) for place, offset in found.items()}

    def let_fetches_wait(self, milliseconds: int) -> None:
        """As what is fetched."""
        self._fetched.let_fetches_wait(milliseconds)

    def let_go_of_fetches(self) -> None:
        """As what is fetched."""
        self._fetched.let_go_of_fetches()

    async def seek_all(self, positions: Mapping[TP, int]) -> None:
        """Seek these inputs; what is held of them is of before."""
        for tp in positions:
            self._held.pop(tp, None)
        await self._fetched.seek_all(positions)


async def _either(arrival: asyncio.Future[None]) -> None:
    done, _ = await asyncio.wait([arrival], timeout=_LOOK_SECONDS)
    for each in done:
        each.result()
