"""Subscribers and jobs on a real broker: who hears what, in which order, how often, and what is sent because of it."""

from __future__ import annotations

import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from confluent_kafka import Producer

from tests.cluster import Cluster, eventually, records
from tests.platform.effects_kit import CATALOG, LABELS, PARCELS, SCOPES, Depot, Seen, depot
from tests.platform.effects_samples.labels import PrintLabels
from tests.platform.effects_samples.parcels import ParcelArrived, ShipParcel
from verbwire import EffectContext, Job, JobContext, Subscriber
from verbwire.effects.plan import effect_plan
from verbwire.errors import ContractError
from verbwire.names import Names
from verbwire.sdk.connection import Identity
from verbwire.wire.codec import Codec
from verbwire.wire.headers import Headers
from verbwire.wire.registry import Registry
from verbwire.worker.effects import HostedEffects

pytestmark = pytest.mark.kafka

SLOW_SECONDS = 7.5
BACKOFF = timedelta(milliseconds=10)
Hear = Callable[[ParcelArrived, EffectContext], None]
Print = Callable[[PrintLabels, JobContext], None]


def subscriber(name: str, hear: Hear, retries: int = 2, scopes: tuple[str, ...] = ()) -> Subscriber:
    group = Subscriber(name, retries=retries, concurrency=4, backoff=BACKOFF, scopes=scopes)

    @group.on
    def handle(event: ParcelArrived, context: EffectContext) -> None:
        hear(event, context)

    return group


def job(labels: Print, retries: int = 2) -> Job:
    group = Job(LABELS, retries=retries, backoff=BACKOFF)

    @group.handles
    def handle(command: PrintLabels, context: JobContext) -> None:
        labels(command, context)

    return group


@pytest.fixture(scope="module", autouse=True)
def slow(cluster: Cluster) -> Iterator[tuple[Depot, Seen, HostedEffects]]:
    """A job that takes longer than a consumer may stay away from its broker; it runs while the other tests do."""
    seen, ended = Seen(), threading.Event()

    def labels(command: PrintLabels, context: JobContext) -> None:
        seen.note((command.batch_id, context.offset))
        ended.wait(SLOW_SECONDS if command.batch_id == "long" else 0)

    limits = {"session.timeout.ms": "6000", "max.poll.interval.ms": "6000"}
    group = job(labels)
    with depot(cluster, f"t{uuid.uuid4().hex[:10]}", group) as opened:
        for number in range(30):
            opened.client.send(PrintLabels(batch_id="short" if number else "long"), id=f"c{number}")
        opened.client.flush()
        yield opened, seen, opened.host(group, "w1", **limits)
        ended.set()


def publish(opened: Depot, numbers: range, keys: int = 4, how: str = "") -> None:
    for number in numbers:
        event = ParcelArrived(parcel_id=f"{number % keys}-box", number=number, how=how)
        opened.client.publish(event, id=f"e{number}{how}")
    opened.client.flush()


def test_each_group_hears_every_event(cluster: Cluster, unique: str) -> None:
    seen = {name: Seen() for name in ("depot.first", "depot.second")}

    def hearing(name: str) -> Subscriber:
        return subscriber(name, lambda event, context: seen[name].note((event.number, context.idempotency_key)))

    groups = [hearing(name) for name in seen]
    with depot(cluster, unique, *groups) as opened:
        publish(opened, range(6))
        hosted = [opened.host(group) for group in groups]
        heard = [dict(each.wait(6)) for each in seen.values()]
        assert [sorted(each) for each in heard] == [list(range(6))] * 2
        assert len({*heard[0].values(), *heard[1].values()}) == 12
        assert all(each.not_ready() == [] and each.live() is None for each in hosted)
        eventually(lambda: opened.committed("depot.first", opened.names.events(PARCELS)) == 6)
        opened.stop(hosted[0])
        opened.host(groups[0])  # of the same name: it goes on, and hears nothing twice
        publish(opened, range(6, 7))
        assert [number for number, _ in seen["depot.first"].wait(7)][6:] == [6]


def test_a_key_is_heard_in_order_and_others_at_the_same_time(cluster: Cluster, unique: str) -> None:
    seen, running, most = Seen(), Counter[str](), [0]

    def hear(event: ParcelArrived, context: EffectContext) -> None:
        running[event.parcel_id] += 1
        assert running[event.parcel_id] == 1
        most[0] = max(most[0], sum(running.values()))
        time.sleep(0.002)
        running[event.parcel_id] -= 1
        seen.note(event)

    group = subscriber("depot.slow", hear)
    with depot(cluster, unique, group) as opened:
        publish(opened, range(200), keys=8)
        opened.host(group)
        heard = seen.wait(200)
        for key in {event.parcel_id for event in heard}:
            numbers = [event.number for event in heard if event.parcel_id == key]
            assert numbers == sorted(numbers)
        assert most[0] == 4


def test_what_keeps_failing_goes_to_the_dead_letters_as_it_was(cluster: Cluster, unique: str) -> None:
    seen = Seen()

    def hear(event: ParcelArrived, context: EffectContext) -> None:
        seen.note((event.number, context.attempt))
        if event.how:
            raise RuntimeError("no such shelf \udce4")

    group = subscriber("depot.shelves", hear)
    with depot(cluster, unique, group) as opened:
        opened.client.publish(ParcelArrived(parcel_id="p0", number=0, how="raises"), id="bad", correlation_id="c")
        publish(opened, range(1, 4))
        opened.host(group)
        (letter,) = opened.letters("depot.shelves", 1)
        topic = opened.names.events(PARCELS)
        (sent,) = [each for each in records(cluster.bootstrap, topic, 4) if b"raises" in (each.value() or b"")]
        original = letter.original
        assert (original.topic, original.partition, original.offset) == (topic, sent.partition(), sent.offset())
        assert (original.key, original.value, original.timestamp) == (sent.key(), sent.value(), sent.timestamp()[1])
        assert list(original.headers) == sent.headers()
        assert letter.reason == "failed"
        assert "RuntimeError: no such shelf" in letter.detail
        heard = seen.wait(6)
        assert [attempt for number, attempt in heard if number == 0] == [1, 2, 3]
        assert {number for number, _ in heard} == {0, 1, 2, 3}
        eventually(lambda: opened.committed("depot.shelves", topic) == 4)


def test_what_cannot_be_read_goes_to_the_dead_letters_at_once(cluster: Cluster, unique: str) -> None:
    seen = Seen()
    group = subscriber("depot.reader", lambda event, _: seen.note(event.number))
    with depot(cluster, unique, group) as opened:
        producer = Producer({"bootstrap.servers": cluster.bootstrap})
        producer.produce(opened.names.events(PARCELS), b"not Avro", None, 1)
        producer.produce(opened.names.events(PARCELS), None, b"k", 1)
        producer.flush(10)
        publish(opened, range(1))
        opened.host(group)
        letters = opened.letters("depot.reader", 2)
        assert {(each.original.key, each.original.value) for each in letters} == {(None, b"not Avro"), (b"k", None)}
        assert {each.reason for each in letters} == {"undecodable"}
        assert seen.wait(1) == [0]


def test_what_a_handler_sends_has_ids_of_its_cause(cluster: Cluster, unique: str) -> None:
    keys = Seen()

    def hear(event: ParcelArrived, context: EffectContext) -> None:
        context.send(ShipParcel(parcel_id=event.parcel_id, to="here"))
        context.send(ShipParcel(parcel_id=event.parcel_id, to="there"))
        keys.note(context.idempotency_key)
        if context.attempt == 1:
            raise RuntimeError("after sending")

    group = subscriber("depot.shipping", hear, scopes=("parcels:ship",))
    with depot(cluster, unique, group) as opened:
        opened.client.publish(ParcelArrived(parcel_id="p"), id="cause", correlation_id="flow").result(10)
        opened.host(group)
        sent = records(cluster.bootstrap, opened.names.commands(PARCELS), 4)
        headers = [Headers(each.headers()) for each in sent]
        ids = [each.id for each in headers]
        assert ids[:2] == ids[2:]
        assert len(set(ids)) == 2
        assert len(set(keys.wait(2))) == 1
        for each in headers:
            assert (each.actor, each.scopes) == ("depot.shipping", ("parcels:ship",))
            assert (each.correlation_id, each.causation_id) == ("flow", "cause")
        assert opened.metrics.exposition().count(b'verbwire_retried_total{group="') == 1


def test_a_message_that_is_returned_is_not_lost_in_silence(cluster: Cluster, unique: str) -> None:
    group = Subscriber("depot.wrong", retries=0)

    @group.on  # type: ignore[arg-type]
    def handle(event: ParcelArrived) -> ShipParcel:
        return ShipParcel(parcel_id=event.parcel_id, to="here")

    with depot(cluster, unique, group) as opened:
        publish(opened, range(1))
        opened.host(group)
        (letter,) = opened.letters("depot.wrong", 1)
        assert "context.send" in letter.detail


def test_a_job_does_what_its_sender_may_ask_in_time(cluster: Cluster, unique: str) -> None:
    seen = Seen()

    def labels(command: PrintLabels, context: JobContext) -> None:
        context.progress(1, command.pages, "first page")
        seen.note(command.batch_id)

    group = job(labels)
    with depot(cluster, unique, group) as opened:
        opened.send_as(PrintLabels(batch_id="late"), Identity("tester", SCOPES), ttl=0)
        opened.send_as(PrintLabels(batch_id="in time"), Identity("tester", SCOPES), ttl=600_000)
        opened.send_as(PrintLabels(batch_id="stranger"), Identity("stranger", ("parcels:ship",)))
        opened.client.send(PrintLabels(batch_id="no hurry"), id="right").result(10)
        opened.host(group)
        topic = opened.names.commands(LABELS)
        eventually(lambda: opened.committed(group.group, topic) == 4)
        assert sorted(seen.wait(2)) == ["in time", "no hurry"]
        told = opened.metrics.exposition().decode()
        command, name = "depot.labels.PrintLabels", opened.names.group(group.group)
        assert f'verbwire_rejected_total{{code="forbidden",command="{command}",group="{name}"}} 1.0' in told
        assert f'verbwire_expired_total{{command="{command}",group="{name}"}} 1.0' in told


def test_a_job_that_is_stopped_is_begun_again_by_another_worker(cluster: Cluster, unique: str) -> None:
    seen, released = Seen(), threading.Event()

    def labels(command: PrintLabels, context: JobContext) -> None:
        context.progress(1, 2, "half")
        seen.note(context.idempotency_key)
        while not released.wait(0.01):
            if context.stopping:
                raise context.handed_back()

    group = job(labels)
    with depot(cluster, unique, group) as opened:
        opened.client.send(PrintLabels(batch_id="b"), id="b").result(10)
        first = opened.host(group, "w1")
        seen.wait(1)
        (shown,) = opened.board.shown()
        assert (shown["group"], shown["id"], shown["progress"]["note"]) == (group.group, "b", "half")
        opened.stop(first, leave=True)
        assert opened.committed(group.group, opened.names.commands(LABELS)) == 0
        began = time.monotonic()
        opened.host(group, "w2")
        keys = seen.wait(2)
        assert time.monotonic() - began < 5, "the worker that left was waited for"
        released.set()
        eventually(lambda: opened.committed(group.group, opened.names.commands(LABELS)) == 1)
        assert len(set(keys)) == 1
        assert len(seen.calls) == 2


def test_a_record_may_take_longer_than_a_consumer_may_stay_away(slow: tuple[Depot, Seen, HostedEffects]) -> None:
    opened, seen, hosted = slow
    topic = opened.names.commands(LABELS)
    eventually(lambda: opened.committed(LABELS + ".job", topic) == 30)
    assert sorted(seen.calls) == sorted(set(seen.calls)), "some were handled twice"
    assert len(seen.calls) == 30
    assert (hosted.live(), hosted.not_ready()) == (None, [])


def test_partitions_move_to_a_worker_that_joins_and_back_when_it_leaves(cluster: Cluster, unique: str) -> None:
    seen = Seen()
    group = subscriber("depot.moving", lambda event, context: seen.note((event.number, context.partition)))
    with depot(cluster, unique, group) as opened:
        publish(opened, range(20))
        first = opened.host(group, "w1")
        seen.wait(20)
        second = opened.host(group, "w2")
        eventually(lambda: len(first.running.owned()) + len(second.running.owned()) == 2 and second.running.owned())
        publish(opened, range(20, 40))
        seen.wait(40)
        opened.stop(second, leave=True)
        publish(opened, range(40, 60))
        heard = Counter(number for number, _ in seen.wait(60, 6))  # less than a session: it has left
        assert heard == Counter(range(60))


def test_two_workers_of_one_name_do_not_both_go_on(cluster: Cluster, unique: str) -> None:
    group = subscriber("depot.twins", lambda *_: None)
    with depot(cluster, unique, group) as opened:
        first = opened.host(group, "w1")
        eventually(lambda: not first.not_ready())
        second = opened.host(group, "w1")
        eventually(lambda: not second.not_ready())
        why = eventually(first.live)
        assert why is not None
        assert "give each worker a name of its own" in why
        assert second.live() is None


def test_a_job_cannot_promise_an_outcome() -> None:
    group = Job(PARCELS)

    @group.handles
    def handle(command: ShipParcel) -> None: ...

    codec = Codec(CATALOG, Registry("http://127.0.0.1:1"), Names("depot"))
    with pytest.raises(ContractError, match='answers nobody: write "response": "none"'):
        effect_plan(group, codec)
