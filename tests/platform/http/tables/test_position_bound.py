"""Waiting for what somebody has seen: it costs nobody else anything, and never lasts longer than there is hope."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx2 as httpx
import pytest

from tests.kit.cluster import eventually
from tests.kit.http import CATALOG, EVENTS, problem
from tests.kit.market import Market, open_market, stall
from tests.kit.samples.town.market import StallRow
from verbwire.engine.state.partition_state import PartitionState
from verbwire.engine.state.reader import StoreReader
from verbwire.http.base.coalescing import CoalescedCalls
from verbwire.http.base.limits import RequestLimits
from verbwire.http.base.thread_pool import BoundedThreadPool
from verbwire.http.tables import position_bound
from verbwire.http.tables.position_bound import PositionBound
from verbwire.http.tables.waiters import PositionWaiters
from verbwire.wire.keys import key_of
from verbwire.wire.partitioner import partition_of

HOME = partition_of(key_of(CATALOG.of(StallRow), stall(7)), 4)
GET = "/queries/GetStall?stall_id=07"
SEEN = {"Verbwire-Position": f"{EVENTS}={HOME}:1000"}


@pytest.fixture
def market(tmp_path: Path) -> Iterator[Market]:
    limits = RequestLimits(fresh_seconds=20.0, waits=6, waits_each=2)
    with open_market(tmp_path, topics={EVENTS}, limits=limits) as opened:
        yield opened


def apply(market: Market) -> None:
    """Do what the engine does once the table is as far."""
    market.stalls.store_reader.states[HOME].inputs = {EVENTS: 1000}
    market.stalls.store_reader.moved(HOME)


@contextmanager
def waiting(market: Market, *actors: str) -> Iterator[list[Future[httpx.Response]]]:
    """Somebody who waits for what the table has not applied, each on a thread."""
    with ThreadPoolExecutor(len(actors)) as pool:
        asked = [pool.submit(market.ask, GET, actor, **SEEN) for actor in actors]
        try:
            eventually(lambda: waits(market) >= len(actors))
            yield asked
        finally:
            apply(market)


def waits(market: Market) -> int:
    """How many requests wait."""
    awaited = getattr(market.stalls.store_reader.moved, "__self__", None)
    return sum(map(len, awaited._waiting.values())) if awaited else 0


def test_read_your_writes_waits_are_woken_and_are_their_own(market: Market) -> None:
    with waiting(market, "ann", "ann") as asked:
        refused = market.ask(GET, "ann", **SEEN)
        assert "waits for what you have seen" in problem(refused, 429, "too_many")["detail"]
        assert refused.headers["retry-after"]
        for actor in ("ann", "bob"):
            assert market.ask(GET, actor).status_code == 200, "what waits for nothing"
        assert not any(each.done() for each in asked)
    assert [each.result().status_code for each in asked] == [200, 200]
    assert not waits(market)
    assert market.ask(GET, "ann", **SEEN).status_code == 200


def test_read_your_writes_waits_do_not_poll(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    looked, lacking = [0], PositionBound.lacking

    def counted(self: PositionBound, *args: object) -> object:
        looked[0] += 1
        return lacking(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(PositionBound, "lacking", counted)
    monkeypatch.setattr(position_bound, "ASK_SECONDS", 60.0)  # nor is Kafka asked meanwhile
    with waiting(market, "ann") as asked:
        before = looked[0]
        for partition in {0, 1, 2, 3} - {HOME}:
            market.stalls.store_reader.moved(partition)
            assert market.http.nobody.get("/health/live").status_code == 200
        assert looked[0] == before
        market.stalls.store_reader.moved(HOME)
        eventually(lambda: looked[0] == before + 1)
    assert asked[0].result().status_code == 200


def test_read_your_writes_waits_that_are_short_make_no_task(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(position_bound, "ASK_SECONDS", 60.0)
    monkeypatch.setattr(position_bound, "_unless", None)  # what makes them
    with waiting(market, "ann") as asked:
        pass
    assert asked[0].result().status_code == 200


def test_read_your_writes_waits_end_at_once_when_the_partition_is_taken_away(market: Market) -> None:
    store_reader = market.stalls.store_reader
    with waiting(market, "ann", "ann") as asked:
        store_reader.states[HOME].state = PartitionState.RESTORING
        store_reader.moved(HOME)
        for each in asked:
            problem(each.result(5), 503, "behind")


def test_a_topic_that_no_contract_knows_is_told(market: Market) -> None:
    answer = market.ask(GET, **{"Verbwire-Position": f"{EVENTS}=0:1;town.markt.events=0:1"})
    assert "town.markt.events" in problem(answer, 400, "unknown_topic")["detail"]


# -- who asks together


def test_coalesced_calls_ask_once_for_all_at_the_same_time() -> None:
    calls: list[Sequence[int]] = []

    def doubled(asked: Sequence[int]) -> Sequence[int]:
        calls.append(asked)
        return [2 * each for each in asked]

    async def ask(together: CoalescedCalls[int, int]) -> None:
        assert await asyncio.gather(*map(together.ask, range(300))) == [2 * each for each in range(300)]

    run_together(doubled, ask)
    assert len(calls) == 1


def test_coalesced_calls_never_answer_with_what_is_older_than_the_question() -> None:
    """Who comes while a question is under way is not told its answer: what it wants to know may be newer."""
    now, may_go, asking = [1], threading.Event(), threading.Event()

    def told(asked: Sequence[str]) -> Sequence[int]:
        answer = now[0]
        asking.set()
        may_go.wait(10)
        return [answer for _ in asked]

    async def ask(together: CoalescedCalls[str, int]) -> None:
        first = asyncio.create_task(together.ask("first"))
        while not asking.is_set():
            await asyncio.sleep(0.001)
        now[0] = 2
        second = asyncio.create_task(together.ask("second"))
        given_up = asyncio.create_task(together.ask("third"))
        await asyncio.sleep(0)
        given_up.cancel()
        may_go.set()
        assert (await first, await second) == (1, 2)

    run_together(told, ask)


def test_coalesced_calls_that_fail_tell_all_who_asked() -> None:
    def broken(_: Sequence[int]) -> Sequence[int]:
        raise RuntimeError("no answer")

    async def ask(together: CoalescedCalls[int, int]) -> None:
        for _ in range(2):
            told = await asyncio.gather(together.ask(1), together.ask(2), return_exceptions=True)
            assert [str(each) for each in told] == ["no answer"] * 2

    run_together(broken, ask)


def run_together(question: object, ask: object) -> None:
    readers = BoundedThreadPool(1, 10)
    try:
        asyncio.run(ask(CoalescedCalls(question, readers, 0.001)))  # type: ignore[operator, arg-type]
    finally:
        readers.close()


def test_read_your_writes_waits_are_woken_by_their_partition_alone() -> None:
    store_reader, looked = StoreReader("town.stalls", CATALOG.of(StallRow), 2), [0]
    reached = threading.Event()

    def has_reached() -> bool:
        looked[0] += 1
        return reached.is_set()

    async def wait() -> None:
        awaited = PositionWaiters(store_reader)
        waits = asyncio.create_task(awaited.until(1, has_reached))
        await asyncio.sleep(0)
        for partition in (0, 1):
            threading.Thread(target=store_reader.moved, args=(partition,)).start()
        began = time.monotonic()
        while looked[0] < 2 and time.monotonic() - began < 10:
            await asyncio.sleep(0.001)
        assert not waits.done()
        reached.set()
        store_reader.moved(1)
        await asyncio.wait_for(waits, 10)
        assert not awaited._waiting

    asyncio.run(wait())
    assert looked[0] == 3
