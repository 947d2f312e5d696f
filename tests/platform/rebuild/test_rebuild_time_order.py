"""A history that is read in one go: records of several inputs in the order of their time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from faust.types import TP

from verbwire.engine.faust.input_feed import Fetched
from verbwire.engine.faust.time_order import MOST_HELD, OrderedFetch, in_order

A, B, OWN = TP("a", 0), TP("b", 0), TP("own", 0)


@dataclass(frozen=True)
class At:
    """A record of which only this counts."""

    timestamp: int
    offset: int = 0


def at(*times: int) -> list[At]:
    return [At(time, offset) for offset, time in enumerate(times)]


def test_a_rebuild_takes_the_oldest_first_and_waits_for_an_input_of_which_nothing_is_known() -> None:
    def always(_: TP) -> bool:
        return True

    def never(_: TP) -> bool:
        return False

    assert in_order({A: at(10, 20, 30), B: at(15, 25)}, always, 0) == {A: 1}
    assert in_order({A: at(20, 30), B: at(15, 25)}, always, 5) == {A: 1, B: 1}
    assert in_order({A: at(10, 20), B: []}, always, 1000) == {}
    assert in_order({A: at(10, 20), B: []}, lambda tp: tp is A, 1000) == {A: 2}, "b is at its end"
    assert in_order({A: at(10, 20), B: at(500)}, lambda tp: tp is A, 1000) == {A: 2}, "more of a may be older than 500"
    assert in_order({A: at(10, 20), B: at(500)}, never, 1000) == {A: 2, B: 1}
    assert in_order({A: at(10, 5, 20)}, always, 0) == {A: 2}, "one that goes back is as old as the one before it"
    assert in_order({A: [], B: []}, never, 0) == {}


@dataclass
class Broker:
    """What is fetched, all at once, as a broker that is read from the first record on."""

    logs: dict[TP, list[At]]
    slow: set[TP] = field(default_factory=set)  # of which nothing has come yet
    at: dict[TP, int] = field(default_factory=dict)
    stopped_errors: tuple[type[BaseException], ...] = ()

    async def take(self, places: set[TP]) -> Mapping[TP, list[Any]]:
        found = {tp: self.logs[tp][self.at.get(tp, 0) :] for tp in places - self.slow}
        self.at |= {tp: len(self.logs[tp]) for tp in found}
        return {tp: records for tp, records in found.items() if records}

    def positions(self, places: Iterable[TP]) -> dict[tuple[str, int], int]:
        return {(tp.topic, tp.partition): self.at.get(tp, 0) for tp in places}

    def ends(self, places: Iterable[TP]) -> dict[tuple[str, int], int]:
        return {(tp.topic, tp.partition): len(self.logs[tp]) for tp in places if tp not in self.slow}

    async def seek_all(self, positions: Mapping[TP, int]) -> None:
        self.at |= positions


def test_a_rebuild_hands_records_on_in_order_and_says_how_far_it_is() -> None:
    asyncio.run(_records_in_order())


async def _records_in_order() -> None:
    broker = Broker({A: at(10, 30, 50), B: at(20, 40), OWN: at(1, 99)}, slow={B})
    ordered = OrderedFetch(cast("Fetched", broker), {"a", "b"}, 0, broker.ends)
    every = {A, B, OWN}
    assert await ordered.take(every) == {OWN: at(1, 99)}, "b may have older ones than 10"
    assert ordered.positions(every) == {("a", 0): 0, ("b", 0): 0, ("own", 0): 2}
    broker.slow.clear()
    seen = []
    while found := await ordered.take(every):
        seen += [each.timestamp for records in found.values() for each in records]
    assert seen == [10, 20, 30, 40, 50]
    assert ordered.positions(every) == {("a", 0): 3, ("b", 0): 2, ("own", 0): 2}
    await ordered.seek_all({A: 1})
    assert (await ordered.take(every))[A][0].timestamp == 30


def test_a_rebuild_that_waits_for_one_input_takes_no_more_of_another_than_it_may_hold() -> None:
    asyncio.run(_one_that_is_far_ahead())


async def _one_that_is_far_ahead() -> None:
    broker = Broker({A: at(*range(MOST_HELD)), B: at(5)}, slow={B})
    ordered = OrderedFetch(cast("Fetched", broker), {"a", "b"}, 0, broker.ends)
    await ordered.take({A, B})
    broker.logs[A] += [At(10_000, MOST_HELD)]
    await ordered.take({A, B})
    assert broker.at[A] == MOST_HELD
