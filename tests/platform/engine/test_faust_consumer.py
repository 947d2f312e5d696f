"""Faust's group as the engine uses it: assignments that end too early, and groups that go on no more."""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
from aiokafka.errors import CorruptRecordException
from confluent_kafka import KafkaError, KafkaException, Producer
from faust.types import TP

from tests.faults.all_dead import AllDead
from tests.kit import bank_jars
from tests.kit.bank import CATALOG, NAMESPACE, Bank, Member
from tests.kit.cluster import Cluster
from tests.kit.samples.bank.jars import CoinsPut
from verbwire.engine.builders.groups import table_topology
from verbwire.engine.faust import input_feed
from verbwire.engine.faust.input_bisection import InputBisection
from verbwire.engine.group import GroupEngine
from verbwire.engine.state.reader import StoreReader
from verbwire.engine.transactions.committer import Committer
from verbwire.engine.transactions.transaction import Transaction
from verbwire.errors import FencedError
from verbwire.kafka.offsets import ClusterOffsets
from verbwire.observability.metrics.registry import Metrics

if TYPE_CHECKING:
    from verbwire.engine.faust.app import GroupApp

T = TypeVar("T")


@pytest.fixture(scope="module")
def lone(cluster: Cluster) -> Iterator[Bank]:
    """A bank of one partition, whose groups are Faust's."""
    opened = Bank(cluster, f"f{uuid.uuid4().hex[:10]}", partitions=1)
    yield opened
    opened.close()


def app_of(bank: Bank, folder: Path) -> GroupApp:
    """The Faust app of a worker's table, not started."""
    from verbwire.engine.faust.app import group_app

    declared = bank_jars.table()
    topology = table_topology(declared, bank.codec, bank.partitions)
    reader = StoreReader(declared.group, CATALOG.of(declared.row), bank.partitions)
    engine = GroupEngine(
        topology, bank.kafka, bank.names, "w1", folder, reader, Metrics().group(topology.group), AllDead()
    )
    return group_app(engine, bank.cluster.bootstrap, "w1", folder)


@asynccontextmanager
async def running(app: GroupApp) -> AsyncIterator[GroupApp]:
    """The app while it runs; it leaves the group."""
    app.engine.start()
    starting = asyncio.ensure_future(app.start())
    try:
        yield app
    finally:
        await app.stop_group(True)
        starting.cancel()
        await asyncio.get_running_loop().run_in_executor(app.engine_thread, app.engine.close)
        app.engine_thread.shutdown()


async def until(condition: Callable[[], T | None]) -> T:
    """Return what the condition gives as soon as it is true; `run` has the deadline."""
    while not (found := condition()):
        await asyncio.sleep(0.02)
    return found


def run(scenario: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(scenario, 20))


def test_an_assignment_that_is_revoked_while_it_is_sought_is_never_read(lone: Bank, tmp_path: Path) -> None:
    """Its fetch would sleep through the rebalance and take the records that the next assignment has just sought."""

    async def scenario() -> None:
        async with running(app_of(lone, tmp_path)) as app:
            await until(lambda: app.engine.reader.states[0].ready and not app.rebalancing)
            consumer: Any = app.consumer
            consumer.capture(7, "member")
            prepared, seek = consumer.next_assignment, consumer._thread.feed.seek

            async def seek_and_lose(*arguments: Any) -> None:
                await seek(*arguments)
                consumer.forget_assignment()  # in aiokafka's thread, while the main loop is in the midst of begin()

            consumer._thread.feed.seek = seek_and_lose
            with pytest.raises(FencedError):
                await consumer.begin(prepared, {})
            assert not prepared.live
            assert consumer._assignment is None
            assert consumer._thread.feed._assignment is None

    run(scenario())


def test_a_group_that_refuses_the_worker_is_told_and_not_waited_for(lone: Bank, tmp_path: Path) -> None:
    """A stranger with another protocol is in the group: aiokafka gives up, and would say so only to who asks."""

    async def scenario() -> None:
        app = app_of(lone, tmp_path)
        stranger = Member(lone.cluster, app.engine.topology.group, app.engine.topology.inputs[0])
        try:
            async with running(app):
                assert "InconsistentGroupProtocol" in await until(app.alive)
        finally:
            stranger.close()

    run(scenario())


def test_the_marks_of_transactions_are_dealt_with_like_their_records(lone: Bank, tmp_path: Path) -> None:
    """Else retention would seem to have taken something that nobody had dealt with."""

    async def scenario() -> None:
        topic = lone.names.events(NAMESPACE)
        async with running(app_of(lone, tmp_path)) as app:
            await until(lambda: app.engine.reader.states[0].ready)
            record = next(iter(_put_in_a_transaction(lone, topic)))
            await until(lambda: app.engine.reader.states[0].inputs.get(topic) == record + 2)
            offsets = ClusterOffsets(lone.kafka, app.engine.topology.group)
            found = await until(lambda: offsets.stable([(topic, 0)]))
            assert found[topic, 0].offset == record + 2

    run(scenario())


@pytest.fixture
def own(cluster: Cluster) -> Iterator[Bank]:
    """Likewise, for one test."""
    opened = Bank(cluster, f"f{uuid.uuid4().hex[:10]}", partitions=1)
    yield opened
    opened.close()


def test_a_fetch_during_a_commit_joins_the_next_transaction(
    own: Bank, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else each holds the few records that were there when the last one was built: many small ones in a row."""
    held, sizes = threading.Event(), list[int]()
    flush = Committer._flush

    def hold(committer: Committer, transaction: Transaction) -> None:
        sizes.append(transaction.records)
        held.wait(10)
        flush(committer, transaction)

    monkeypatch.setattr(Committer, "_flush", hold)

    async def scenario() -> None:
        topic = own.names.events(NAMESPACE)
        async with running(app_of(own, tmp_path)) as app:
            state = app.engine.reader.states[0]
            await until(lambda: state.ready)
            own.send(CoinsPut(jar_id="held", pence=1), 0)
            await until(lambda: sizes)
            for number in range(20):
                end = own.send(CoinsPut(jar_id=f"j{number}", pence=1), 0) + 1
                await until(partial(_has_fetched, app, topic, end))  # each by itself
            held.set()
            await until(lambda: state.inputs.get(topic) == 21)
        assert sizes == [1, 20]

    run(scenario())


def test_offsets_are_sent_while_the_records_are_flushed(
    own: Bank, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are two round trips, and need nothing of what is flushed."""
    flush, sent_before = Committer._flush, list[bool]()

    def wait(committer: Committer, transaction: Transaction) -> None:
        assert transaction.sending is not None
        sent_before.append(transaction.sending.exception(10) is None)
        flush(committer, transaction)

    monkeypatch.setattr(Committer, "_flush", wait)

    async def scenario() -> None:
        async with running(app_of(own, tmp_path)) as app:
            await until(lambda: app.engine.reader.states[0].ready)
            own.send(CoinsPut(jar_id="jar", pence=1), 0)
            await until(lambda: app.engine.reader.count() == 1)
        assert sent_before == [True]

    run(scenario())


def test_a_refusal_of_the_offsets_ends_a_flush_that_would_wait_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Records whose partitions are not in the transaction yet are never sent then; ten seconds would be lost."""
    monkeypatch.setattr("verbwire.engine.transactions.committer._FLUSH_SECONDS", 0.01)
    transaction: Any = SimpleNamespace(
        producer=Producer({"bootstrap.servers": "127.0.0.1:1", "log_level": 0}), sending=Future()
    )
    transaction.producer.produce("nowhere", b"never sent")
    transaction.sending.set_exception(KafkaException(KafkaError(KafkaError.ILLEGAL_GENERATION)))
    committer: Any = object.__new__(Committer)
    with pytest.raises(KafkaException, match="ILLEGAL_GENERATION"):
        committer._flush(transaction)


def test_fetches_of_an_idle_group_are_let_go_of_at_a_rebalance(
    own: Bank, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They wait long at the broker, which would answer those for partitions that are new here only after them."""
    monkeypatch.setattr(input_feed, "_IDLE_SECONDS", 0.5)
    monkeypatch.setattr(input_feed, "IDLE_MS", 60_000)

    async def scenario() -> None:
        async with running(app_of(own, tmp_path)) as app:
            await until(lambda: app.engine.reader.states[0].ready and not app.rebalancing)
            thread: Any = app.consumer._thread
            sent, answered, send = list[int](), list[int](), thread._consumer._client.send

            async def noted(node: Any, request: Any, **options: Any) -> Any:
                sent.append(wait := getattr(request, "_max_wait_ms", 0))
                answer = await send(node, request, **options)
                answered.append(wait)
                return answer

            thread._consumer._client.send = noted
            await until(lambda: 60_000 in sent)
            generation = app.generation()
            answered.clear()
            thread.rejoin()
            await until(lambda: app.generation() > generation)
            await until(lambda: input_feed.BUSY_MS in answered)
            assert 60_000 not in answered

    run(scenario())


def _has_fetched(app: GroupApp, topic: str, position: int) -> bool:
    return bool(app.consumer._thread.feed.has_taken(topic, 0, position))


def _put_in_a_transaction(lone: Bank, topic: str) -> list[int]:
    """One event; returns its offset."""
    offsets: list[int] = []
    producer = Producer({**lone.kafka, "transactional.id": uuid.uuid4().hex, "log_level": 3})
    producer.init_transactions()
    producer.begin_transaction()
    value = lone.codec.encoder(CATALOG.find("bank.jars.CoinsPut"))(CoinsPut(jar_id="j", pence=1))
    producer.produce(topic, value, b"j", 0, on_delivery=lambda _, message: offsets.append(message.offset()))
    producer.commit_transaction()
    return offsets


def test_a_service_of_faust_that_crashes_is_not_survived(lone: Bank, tmp_path: Path) -> None:
    """Else the process lives on and reads nothing."""

    async def failing() -> None:
        raise ValueError("no header can be read")

    async def scenario() -> None:
        async with running(app_of(lone, tmp_path)) as app:
            await until(lambda: app.engine.reader.states[0].ready)
            assert app.alive() is None
            app._fetcher.add_future(failing())
            # The second is what mode makes of it now and then, when it stops a thread whose loop has ended.
            assert await until(app.alive) in ("no header can be read", "Event loop is closed")

    run(scenario())


def test_a_consumer_that_reads_nothing_stays_in_the_group(lone: Bank, tmp_path: Path) -> None:
    """A spare, a long restore: aiokafka would leave after this time and, as nobody fetches then, never come back."""

    async def scenario() -> None:
        async with running(app_of(lone, tmp_path)) as app:
            await until(lambda: app.engine.reader.states[0].ready)
            coordinator: Any = app.consumer._thread._consumer._coordinator
            assert coordinator._max_poll_interval > 365 * 86400

    run(scenario())


def test_a_worker_that_has_lost_its_fence_answers_for_nothing_until_it_is_assigned_again(
    lone: Bank, tmp_path: Path
) -> None:
    """Its rows stand still from now on, those of the next owner do not."""

    async def scenario() -> None:
        async with running(app_of(lone, tmp_path)) as app:
            await until(lambda: app.engine.reader.states[0].ready and not app.rebalancing)
            assignment: Any = app.consumer._assignment
            assignment.membership = replace(assignment.membership, member="somebody-else")
            state = app.engine.reader.states[0]
            epoch = state.epoch
            put(lone)
            await until(lambda: not assignment.live)
            await until(
                lambda: state.epoch > epoch
            )  # it was started over, in less than one looks for it not to be ready
            await until(lambda: state.ready and app.engine.reader.count() == 1)

    run(scenario())


def test_records_that_retention_took_before_they_were_read_stop_the_partition(lone: Bank, tmp_path: Path) -> None:
    """aiokafka would go on at the first record that is left, and the table would be wrong without a word."""

    async def scenario() -> None:
        topic = lone.names.events(NAMESPACE)
        async with running(app_of(lone, tmp_path)) as app:
            await until(lambda: app.engine.reader.states[0].ready and not app.rebalancing)
            consumer: Any = app.consumer
            consumer.stop_flow()
            put(lone)
            await until(
                lambda: (topic, 0) in consumer._thread._consumer._fetcher._records
            )  # aiokafka reads ahead so far, no further
            last = [put(lone) for _ in range(3)][-1]
            lone.cut_off(topic, 0, last)
            consumer.resume_flow()
            assert "no longer holds the records" in await until(lambda: app.engine.stopped().get(0))
            assert app.alive() is None

    run(scenario())


def test_an_input_that_cannot_be_read_stops_its_partition_alone(cluster: Cluster, tmp_path: Path) -> None:
    """Damage, or a permission that was taken away: it does not pass, and the neighbour has nothing to do with it."""
    pair = Bank(cluster, f"f{uuid.uuid4().hex[:10]}", partitions=2)

    async def scenario() -> None:
        topic = pair.names.events(NAMESPACE)
        async with running(app_of(pair, tmp_path)) as app:
            states = app.engine.reader.states
            await until(lambda: states[0].ready and states[1].ready and not app.rebalancing)
            thread: Any = app.consumer._thread
            take = thread.take

            async def damaged(places: set[TP]) -> Any:
                if TP(topic, 0) in places:
                    raise CorruptRecordException("a batch that is no batch")
                return await take(places)

            thread.take = damaged
            thread.feed.wake()
            why = await until(lambda: app.engine.stopped().get(0))
            assert f"stopped at {topic}/0/0, which has failed again and again, alone: the inputs cannot be read" in why
            pair.send(CoinsPut(jar_id="jar", pence=1), 1)
            await until(lambda: states[1].ready and states[1].inputs.get(topic) == 1)
            assert app.alive() is None

    try:
        run(scenario())
    finally:
        pair.close()


def test_an_unreadable_input_is_found_among_several() -> None:
    every, doubts = {TP("a", 0), TP("a", 1), TP("b", 1)}, InputBisection()
    assert doubts.choose(every) == every
    assert [doubts.failed(doubts.choose(every)) for _ in range(2)] == [None, None]
    assert doubts.choose(every) == {TP("a", 0)}
    doubts.passed({TP("a", 0)})
    assert doubts.choose(every) == {TP("a", 1)}
    assert doubts.failed({TP("a", 1)}) == TP("a", 1)
    assert doubts.choose(every - {TP("a", 1)}) == every - {TP("a", 1)}


def test_inputs_that_can_be_read_again_end_the_search_for_the_unreadable() -> None:
    every, doubts = {TP("a", 0), TP("a", 1)}, InputBisection()
    for _ in range(2):
        doubts.failed(doubts.choose(every))
    for _ in every:
        doubts.passed(doubts.choose(every))
    assert doubts.choose(every) == every


def put(bank: Bank) -> int:
    return bank.send(CoinsPut(jar_id="jar", pence=1), 0)
