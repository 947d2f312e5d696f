"""Subscribers and jobs on a real broker: who hears what, in which order, how often, and what is sent because of it."""

from __future__ import annotations

import asyncio
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.kit.cluster import Cluster, eventually, limit_records
from tests.kit.samples.office.labels import PrintLabels
from tests.kit.samples.office.parcels import ParcelArrived, ShipParcel
from tests.kit.subscribers import JOB, LABELS, PARCELS, SCOPES, Depot, Seen
from verbwire import Job, JobContext, Subscriber, SubscriberContext
from verbwire.client.client import Client
from verbwire.principal import Principal
from verbwire.wire.grants.policy import Grants
from verbwire.wire.headers import Headers
from verbwire.worker.subscriber_group import SubscriberGroupHost

pytestmark = pytest.mark.kafka

FIRST, SECOND, SLOW = "office.first", "office.second", "office.slow"
BACKOFF = timedelta(milliseconds=10)
SLOW_SECONDS = 7.5
LIMITS = {"session.timeout.ms": "6000", "max.poll.interval.ms": "6000"}
Hear = Callable[[ParcelArrived, SubscriberContext], None]
Print = Callable[[PrintLabels, JobContext], None]


def subscriber(hear: Hear, name: str = FIRST, **declared: Any) -> Subscriber:
    group = Subscriber(name, retries=2, concurrency=4, backoff=BACKOFF, **declared)

    @group.on
    def handle(event: ParcelArrived, context: SubscriberContext) -> None:
        hear(event, context)

    return group


def job(labels: Print) -> Job:
    group = Job(LABELS, retries=2, backoff=BACKOFF)

    @group.handles
    def handle(command: PrintLabels, context: JobContext) -> None:
        labels(command, context)

    return group


@pytest.fixture(scope="module")
def depot(cluster: Cluster) -> Iterator[Depot]:
    opened = Depot(cluster, f"t{uuid.uuid4().hex[:10]}", FIRST, SECOND, SLOW)
    yield opened
    opened.close()


@pytest.fixture(scope="module", autouse=True)
def slow(depot: Depot) -> Iterator[tuple[Seen, SubscriberGroupHost]]:
    """A subscriber that takes longer than a consumer may stay away from its broker; it runs while others do."""
    seen, ended = Seen(), threading.Event()

    def hear(event: ParcelArrived, context: SubscriberContext) -> None:
        if event.how == "slow":
            seen.note(event.number)
            ended.wait(0 if event.number else SLOW_SECONDS)

    publish(depot, range(10), keys=1, how="slow")
    hosted = depot.host(subscriber(hear, SLOW), **LIMITS)
    depot.running.remove(hosted)  # no test stops it
    yield seen, hosted
    ended.set()
    depot.running.append(hosted)
    depot.stop(hosted)


def publish(depot: Depot, numbers: range, keys: int = 4, how: str = "") -> None:
    for number in numbers:
        event = ParcelArrived(parcel_id=f"{number % keys}-box", number=number, how=how)
        depot.client.publish(event, id=f"e{number}{how}")
    depot.client.flush()


def test_each_group_hears_every_event(depot: Depot) -> None:
    seen = {name: Seen() for name in (FIRST, SECOND)}

    def hearing(name: str) -> Subscriber:
        return subscriber(lambda event, context: seen[name].note((event.number, context.idempotency_key)), name)

    groups = [hearing(name) for name in seen]
    with depot.open(*groups):
        publish(depot, range(6))
        hosted = [depot.host(group) for group in groups]
        heard = [dict(each.wait(6)) for each in seen.values()]
        assert [sorted(each) for each in heard] == [list(range(6))] * 2
        assert len({*heard[0].values(), *heard[1].values()}) == 12
        assert all(each.not_ready() == [] and each.live() is None for each in hosted)
        eventually(lambda: depot.committed(FIRST, depot.events) == 6)
        depot.stop(hosted[0])
        depot.host(groups[0])  # of the same name: it goes on, and hears nothing twice
        publish(depot, range(6, 7))
        assert [number for number, _ in seen[FIRST].wait(7)][6:] == [6]


def test_a_key_is_heard_in_order_and_others_at_the_same_time(depot: Depot) -> None:
    seen, running, most = Seen(), Counter[str](), [0]

    def hear(event: ParcelArrived, context: SubscriberContext) -> None:
        running[event.parcel_id] += 1
        assert running[event.parcel_id] == 1
        most[0] = max(most[0], sum(running.values()))
        time.sleep(0.002)
        running[event.parcel_id] -= 1
        seen.note(event)

    group = subscriber(hear)
    with depot.open(group):
        publish(depot, range(200), keys=8)
        depot.host(group)
        heard = seen.wait(200)
        for key in {event.parcel_id for event in heard}:
            numbers = [event.number for event in heard if event.parcel_id == key]
            assert numbers == sorted(numbers)
        assert most[0] == 4


def test_a_dead_letter_is_made_of_what_keeps_failing_unchanged(depot: Depot) -> None:
    seen = Seen()

    def hear(event: ParcelArrived, context: SubscriberContext) -> None:
        seen.note((event.number, context.attempt))
        if event.how:
            raise RuntimeError("no such shelf \udce4")

    group = subscriber(hear)
    with depot.open(group):
        depot.client.publish(ParcelArrived(parcel_id="0-box", number=0, how="raises"), id="bad", correlation_id="c")
        publish(depot, range(1, 5))
        depot.host(group)
        (letter,) = depot.letters(FIRST, 1)
        (sent,) = [each for each in depot.records(depot.events, 5) if b"raises" in (each.value() or b"")]
        original = letter.original
        assert (original.topic, original.partition, original.offset) == (depot.events, sent.partition(), sent.offset())
        assert (original.key, original.value, original.timestamp) == (sent.key(), sent.value(), sent.timestamp()[1])
        assert list(original.headers) == sent.headers()
        assert letter.reason == "failed"
        assert "RuntimeError: no such shelf" in letter.detail
        assert letter.detail.endswith('raise RuntimeError("no such shelf \\udce4")')
        heard = seen.wait(7)
        assert [attempt for number, attempt in heard if number == 0] == [1, 2, 3]
        assert {number for number, _ in heard} == {0, 1, 2, 3, 4}
        same_key = [number for number, _ in heard if number % 4 == 0]
        assert same_key == [0, 0, 0, 4], "the key did not wait for its first record"
        eventually(lambda: depot.committed(FIRST, depot.events) == 5)


def test_an_asynchronous_subscriber_keeps_order_and_is_tried_again_like_any_other(depot: Depot) -> None:
    seen, running, most = Seen(), Counter[str](), [0]
    group = Subscriber(FIRST, retries=1, concurrency=4, backoff=BACKOFF, sends=[ShipParcel], scopes=("parcels:ship",))

    @group.on
    async def handle(event: ParcelArrived, context: SubscriberContext) -> None:
        running[event.parcel_id] += 1
        assert running[event.parcel_id] == 1, "two of one key at once"
        most[0] = max(most[0], sum(running.values()))
        try:
            await asyncio.sleep(0.01)
            if event.how:
                raise RuntimeError("no such shelf")
        finally:
            running[event.parcel_id] -= 1
            seen.note((event.parcel_id, event.number, context.attempt, context.idempotency_key))
        context.send(ShipParcel(parcel_id=event.parcel_id, to="here"))

    with depot.open(group):
        publish(depot, range(1), how="raises")
        publish(depot, range(1, 41), keys=8)
        depot.host(group)
        heard = seen.wait(42)
        (letter,) = depot.letters(FIRST, 1)
        assert (letter.reason, "RuntimeError: no such shelf" in letter.detail) == ("failed", True)
        for key in {each[0] for each in heard}:
            numbers = [number for other, number, _, _ in heard if other == key]
            assert numbers == sorted(numbers)
        tries = [each for each in heard if each[1] == 0]
        assert ([each[2] for each in tries], len({each[3] for each in tries})) == ([1, 2], 1)
        assert most[0] == 4
        sent = depot.records(depot.names.commands(PARCELS), 40)
        assert len({Headers(each.headers() or []).id for each in sent}) == 40
        eventually(lambda: depot.committed(FIRST, depot.events) == 41)


def test_an_asynchronous_job_that_does_not_end_is_left_to_the_next_worker(depot: Depot) -> None:
    group, seen, released = Job(LABELS, retries=0, backoff=BACKOFF), Seen(), threading.Event()

    @group.handles
    async def handle(command: PrintLabels, context: JobContext) -> None:
        seen.note(context.idempotency_key)
        while not released.is_set():
            await asyncio.sleep(0.01)
            if context.stopping:
                raise context.requeue()

    with depot.open(group):
        depot.client.send(PrintLabels(batch_id="b"), id="async").result(10)
        first = depot.host(group, "w1")
        seen.wait(1)
        depot.stop(first, leave=True)
        assert depot.committed(JOB, depot.commands) == 0
        depot.host(group, "w2")
        keys = seen.wait(2)
        released.set()
        eventually(lambda: depot.committed(JOB, depot.commands) == 1)
        assert len(set(keys)) == 1


def test_a_dead_letter_is_made_at_once_of_what_cannot_be_read(depot: Depot) -> None:
    seen = Seen()
    group = subscriber(lambda event, _: seen.note(event.number))
    with depot.open(group):
        depot.put(None, b"not Avro")
        depot.put(b"k", None)
        publish(depot, range(1))
        depot.host(group)
        letters = depot.letters(FIRST, 2)
        assert {(each.original.key, each.original.value) for each in letters} == {(None, b"not Avro"), (b"k", None)}
        assert {each.reason for each in letters} == {"undecodable"}
        assert seen.wait(1) == [0]


def test_a_record_too_large_for_its_topic_is_no_outage(depot: Depot) -> None:
    """A letter that is too large leaves a stub, a command that is too large is its handler's fault."""
    limits = {depot.names.dead_letters(depot.names.group(SECOND)): 20_000, depot.names.commands(PARCELS): 20_000}
    noise = "".join(uuid.uuid4().hex for _ in range(3000))

    def hear(event: ParcelArrived, context: SubscriberContext) -> None:
        if event.how == "sends":
            context.send(ShipParcel(parcel_id="p", to=noise))

    group = subscriber(hear, SECOND, scopes=("parcels:ship",), sends=[ShipParcel])
    with depot.open(group):
        for topic, size in limits.items():
            limit_records(depot.cluster.bootstrap, topic, size)
        try:
            depot.put(b"k", noise.encode())
            depot.client.publish(ParcelArrived(parcel_id="p", how="sends"))
            publish(depot, range(1))
            depot.host(group)
            stub, letter = sorted(depot.letters(SECOND, 2), key=lambda each: each.reason, reverse=True)
            assert (stub.reason, stub.is_stub, letter.is_stub) == ("undecodable", True, False)
            assert stub.detail.startswith("the record is too large for the dead letters, look for it at its place")
            assert "larger than the topic takes" in letter.detail
            eventually(lambda: depot.committed(SECOND, depot.events) == 3)
        finally:
            for topic in limits:
                limit_records(depot.cluster.bootstrap, topic, 1_048_588)


def test_ids_of_what_a_handler_sends_derive_from_its_cause(depot: Depot) -> None:
    keys = Seen()

    def hear(event: ParcelArrived, context: SubscriberContext) -> None:
        context.send(ShipParcel(parcel_id=event.parcel_id, to="here"))
        context.send(ShipParcel(parcel_id=event.parcel_id, to="there"))
        keys.note(context.idempotency_key)
        if context.attempt == 1:
            raise RuntimeError("after sending")

    group = subscriber(hear, scopes=("parcels:ship",), sends=[ShipParcel])
    with depot.open(group):
        depot.client.publish(ParcelArrived(parcel_id="p"), id="cause", correlation_id="flow").result(10)
        depot.host(group)
        headers = [Headers(each.headers()) for each in depot.records(depot.names.commands(PARCELS), 4)]
        ids = [each.id for each in headers]
        assert ids[:2] == ids[2:]
        assert len(set(ids)) == 2
        assert len(set(keys.wait(2))) == 1
        for each in headers:
            assert (each.actor, each.scopes) == (FIRST, ("parcels:ship",))
            assert (each.correlation_id, each.causation_id) == ("flow", "cause")


def test_a_message_that_is_returned_is_not_lost_in_silence(depot: Depot) -> None:
    group = Subscriber(FIRST, retries=0)

    @group.on  # type: ignore[type-var]
    def handle(event: ParcelArrived) -> ShipParcel:
        return ShipParcel(parcel_id=event.parcel_id, to="here")

    with depot.open(group):
        publish(depot, range(1))
        depot.host(group)
        (letter,) = depot.letters(FIRST, 1)
        assert "context.send" in letter.detail


def test_a_command_that_would_be_refused_is_not_sent_in_silence(depot: Depot) -> None:
    """Nobody hears of the outcome here."""
    group = subscriber(lambda event, context: context.send(PrintLabels(batch_id=event.parcel_id)), sends=[PrintLabels])
    with depot.open(group):
        publish(depot, range(1))
        depot.host(group)
        (letter,) = depot.letters(FIRST, 1)
        assert (
            f"requires labels:print: it would be refused every time. Add that to the scopes of {FIRST}" in letter.detail
        )


def test_an_undeclared_message_of_a_subscriber_is_not_sent(depot: Depot) -> None:
    """ACLs are made of what is declared: what is not would fail there, where nobody understands why."""
    group = subscriber(lambda event, context: context.publish(event))
    with depot.open(group):
        publish(depot, range(1))
        depot.host(group)
        (letter,) = depot.letters(FIRST, 1)
        assert f"{FIRST} publishes ParcelArrived, which its declaration does not say" in letter.detail
        assert "add publishes=[ParcelArrived]" in letter.detail


def test_a_job_does_what_its_sender_may_ask_in_time(depot: Depot) -> None:
    seen = Seen()
    group = job(lambda command, _: seen.note(command.batch_id))
    with depot.open(group):
        depot.send_as(PrintLabels(batch_id="late"), Principal("tester", SCOPES), ttl=0)
        depot.send_as(PrintLabels(batch_id="in time"), Principal("tester", SCOPES), ttl=600_000)
        depot.send_as(PrintLabels(batch_id="stranger"), Principal("stranger", ("parcels:ship",)))
        depot.send_as(PrintLabels(batch_id="x" * 201), Principal("tester", SCOPES), bounded=False)
        depot.client.send(PrintLabels(batch_id="no hurry"), id="right").result(10)
        depot.host(group)
        eventually(lambda: depot.committed(JOB, depot.commands) == 5)
        assert sorted(seen.wait(2)) == ["in time", "no hurry"]
        told = depot.metrics.exposition().decode()
        command, name = "office.labels.PrintLabels", depot.names.group(JOB)
        for code in ("forbidden", "out_of_bounds"):
            assert (
                f'verbwire_outcomes_total{{code="{code}",command="{command}",group="{name}",status="rejected"}} 1.0'
                in told
            )
        assert f'verbwire_outcomes_total{{code="",command="{command}",group="{name}",status="expired"}} 1.0' in told


def test_a_job_that_requires_grants_does_what_is_signed(depot: Depot, caplog: pytest.LogCaptureFixture) -> None:
    seen, depot.grants = Seen(), Grants("required", lambda: ["s" * 32])
    group = job(lambda command, _: seen.note(command.batch_id))
    signing = replace(depot.connection, grants=depot.grants)
    try:
        with depot.open(group), Client(signing) as client:
            depot.send_as(PrintLabels(batch_id="forged"), Principal("tester", SCOPES))
            client.send(PrintLabels(batch_id="signed"))
            depot.host(group)
            assert seen.wait(1) == ["signed"]
            eventually(lambda: depot.committed(JOB, depot.commands) == 2)
            assert seen.calls == ["signed"]
            assert "was refused: PrintLabels requires a grant, and has none" in caplog.text
    finally:
        depot.grants = Grants()


def test_a_job_that_is_stopped_is_begun_again_by_another_worker(depot: Depot) -> None:
    seen, released = Seen(), threading.Event()

    def labels(command: PrintLabels, context: JobContext) -> None:
        context.progress(1, 2, "half")
        seen.note(context.idempotency_key)
        while not released.wait(0.01):
            if context.stopping:
                raise context.requeue()

    group = job(labels)
    with depot.open(group):
        depot.client.send(PrintLabels(batch_id="b"), id="b").result(10)
        first = depot.host(group, "w1")
        seen.wait(1)
        (shown,) = depot.board.shown()
        assert (shown["group"], shown["id"], shown["progress"]["note"]) == (JOB, "b", "half")
        depot.stop(first, leave=True)
        assert depot.committed(JOB, depot.commands) == 0
        began = time.monotonic()
        depot.host(group, "w2")
        keys = seen.wait(2)
        assert time.monotonic() - began < 6, "the worker that left was waited for"
        released.set()
        eventually(lambda: depot.committed(JOB, depot.commands) == 1)
        assert len(set(keys)) == 1
        assert len(seen.calls) == 2


def test_rebalance_moves_partitions_to_a_worker_that_joins_and_back_when_it_leaves(depot: Depot) -> None:
    seen = Seen()
    group = subscriber(lambda event, _: seen.note(event.number))
    with depot.open(group):
        publish(depot, range(20))
        first = depot.host(group, "w1")
        seen.wait(20)
        second = depot.host(group, "w2")
        eventually(lambda: (len(first.running.owned()), len(second.running.owned())) == (1, 1))
        publish(depot, range(20, 40))
        seen.wait(40)
        depot.stop(second, leave=True)
        publish(depot, range(40, 60))
        assert Counter(seen.wait(60, 6)) == Counter(range(60))  # sooner than a session: it has left


def test_two_workers_of_one_name_do_not_both_go_on(depot: Depot) -> None:
    group = subscriber(lambda *_: None)
    with depot.open(group):
        first = depot.host(group, "w1")
        eventually(lambda: not first.not_ready())
        second = depot.host(group, "w1")
        why = eventually(lambda: first.live() or second.live(), 60)
        assert why is not None
        assert "give each worker a name of its own" in why
        other = second if first.live() else first
        eventually(lambda: not other.not_ready())
        assert other.live() is None


def test_a_worker_that_is_put_out_by_a_passing_repetition_of_itself_goes_on(depot: Depot) -> None:
    seen = Seen()
    group = subscriber(lambda event, _: seen.note(event.number))
    with depot.open(group):
        hosted = depot.host(group)
        publish(depot, range(1))
        assert seen.wait(1) == [0]
        depot.put_out(FIRST, "w1")
        publish(depot, range(1, 40))
        assert sorted({*seen.wait(40)}) == [*range(40)]
        assert hosted.live() is None


def test_a_record_may_take_longer_than_a_consumer_may_stay_away(slow: tuple[Seen, SubscriberGroupHost]) -> None:
    seen, hosted = slow
    assert seen.wait(10) == list(range(10))
    assert (hosted.live(), hosted.not_ready()) == (None, [])
