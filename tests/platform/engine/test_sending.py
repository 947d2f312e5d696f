"""Records of a transaction on their way to the producer: in their order, none twice, none lost, and none too early."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from confluent_kafka import KafkaException, Producer

from tests.kit.bank import Bank
from verbwire.engine.transactions import sending
from verbwire.engine.transactions.group_metadata import GroupMetadata
from verbwire.engine.transactions.record_limits import RecordLimits
from verbwire.engine.transactions.sending import RowMessage, send
from verbwire.engine.transactions.transaction import Transaction
from verbwire.testing.memory.clock import MemoryClock
from verbwire.testing.memory.topics import MemoryTopics, MemoryTransactions

NUMBERS = [b"%d" % number for number in range(50)]


def rows(*numbers: int) -> list[RowMessage]:
    return [{"key": b"k", "value": b"%d" % number} for number in numbers]


@pytest.fixture
def topics() -> MemoryTopics:
    return MemoryTopics(2, MemoryClock(datetime(2026, 1, 1, tzinfo=UTC)))


def begun(topics: MemoryTopics, before: threading.Event) -> tuple[MemoryTransactions, Transaction]:
    producer: Any = MemoryTransactions(topics)
    return producer, Transaction(producer, 0, GroupMetadata("g", 1, "m"), "w", before, RecordLimits())


def values(topics: MemoryTopics, topic: str = "t") -> list[bytes | None]:
    return [record.value for record in topics.read(topic, 0, 0, 10_000)]


def test_sending_waits_for_the_transaction_before_and_building_does_not(topics: MemoryTopics) -> None:
    before = threading.Event()
    producer, transaction = begun(topics, before)
    for number in range(1000):
        transaction.produce("t", 0, b"k", b"%d" % number, [("h", b"v")])
    transaction.produce_rows("t", 0, rows(1000, 1001))
    sending = threading.Thread(target=transaction.send)
    sending.start()
    producer.flush()
    assert values(topics) == []
    before.set()
    sending.join()
    producer.flush()
    assert values(topics) == [b"%d" % number for number in range(1002)]
    assert transaction.waited > 0


def test_sending_begins_while_more_is_built_and_keeps_the_order(topics: MemoryTopics) -> None:
    before = threading.Event()
    before.set()
    producer, transaction = begun(topics, before)
    for number in range(300):
        transaction.produce("t", 0, b"k", b"%d" % number)
    producer.flush()
    assert 0 < len(values(topics)) < 300
    transaction.produce_rows("t", 0, rows(300, 301))
    transaction.produce("t", 0, b"k", b"302")
    transaction.send()
    transaction.send()
    producer.flush()
    assert values(topics) == [b"%d" % number for number in range(303)]


@pytest.mark.kafka
def test_sending_more_than_the_producer_holds_waits_for_room(bank: Bank) -> None:
    topic = f"sending-{uuid.uuid4().hex[:8]}"
    bank.create(topic, 1)
    settings = {**bank.kafka, "queue.buffering.max.messages": 7, "linger.ms": 1, "enable.idempotence": True}
    producer = Producer(settings)
    send(producer, [(topic, 0, rows(*range(50))), (topic, 0, b"k", b"50", (), None), (topic, 0, rows(*range(51, 90)))])
    assert producer.flush(10) == 0
    assert [record.value for record in bank.read(topic, 0)] == [b"%d" % number for number in range(90)]


class Outcomes:
    """Records that can be made once it is known where the events of their transaction are."""

    def __init__(self, transaction: Transaction, topic: str, events: int, values: Sequence[bytes]) -> None:
        self.transaction = transaction
        self.topic = topic
        self.values = values
        self.written = 0
        self._awaited = events

    @property
    def is_placed(self) -> bool:
        return not self._awaited

    def delivered(self, error: Any, message: Any) -> None:
        assert error is None, message
        self._awaited -= 1
        if self.is_placed:
            self.transaction.places_known(self)

    def write(self) -> None:
        if not self.written:
            self.written += 1
            for value in self.values:
                self.transaction.produce(self.topic, 0, b"k", value)


@pytest.fixture
def topic(bank: Bank) -> str:
    return bank.create(f"sending-{uuid.uuid4().hex[:8]}", 2)


def deciding(bank: Bank, topic: str, *values: bytes, **settings: Any) -> tuple[Producer, Transaction, Outcomes]:
    """A transaction with three events, and outcomes that name them."""
    before = threading.Event()
    before.set()
    producer = Producer({**bank.kafka, "enable.idempotence": True, **settings})
    transaction = Transaction(producer, 0, GroupMetadata("g", 1, "m"), "w", before, RecordLimits())
    outcomes = Outcomes(transaction, topic, 3, values)
    transaction.placed.append(outcomes)
    for each in (b"a", b"b", b"c"):
        transaction.produce(topic, 1, b"k", each, on_delivery=outcomes.delivered)
    transaction.send()
    return producer, transaction, outcomes


@pytest.mark.kafka
def test_outcomes_go_with_the_flush_that_tells_where_their_events_are(bank: Bank, topic: str) -> None:
    producer, transaction, _ = deciding(bank, topic, b"0", b"1")
    transaction.begin_commit()
    assert producer.flush(10) == 0
    assert [record.value for record in bank.read(topic, 0)] == [b"0", b"1"]
    transaction.finish()
    assert producer.flush(10) == 0
    assert [record.value for record in bank.read(topic, 0)] == [b"0", b"1"]


@pytest.mark.kafka
def test_outcomes_whose_events_are_there_before_all_are_built_wait_for_the_commit(bank: Bank, topic: str) -> None:
    producer, transaction, outcomes = deciding(bank, topic, b"0", b"1")
    assert producer.flush(10) == 0
    assert (outcomes.is_placed, outcomes.written) == (True, 0)
    transaction.begin_commit()
    assert producer.flush(10) == 0
    assert [record.value for record in bank.read(topic, 0)] == [b"0", b"1"]


@pytest.mark.kafka
def test_outcomes_for_which_the_producer_has_no_room_follow_in_their_order(bank: Bank, topic: str) -> None:
    producer, transaction, _ = deciding(bank, topic, *NUMBERS, **{"queue.buffering.max.messages": 7})
    transaction.begin_commit()
    producer.flush(10)
    transaction.finish()
    assert producer.flush(10) == 0
    assert [record.value for record in bank.read(topic, 0)] == NUMBERS


@pytest.mark.kafka
def test_nothing_waits_for_room_in_the_midst_of_a_flush(
    bank: Bank, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = [b"%d" % number for number in range(700)]  # more than are handed over at once
    producer, transaction, _ = deciding(bank, topic, *many, **{"queue.buffering.max.messages": 7})
    waited, make_room = list[Producer](), sending._make_room

    def waits(full: Producer) -> None:
        waited.append(full)
        make_room(full)

    with monkeypatch.context() as patch:
        patch.setattr(sending, "_make_room", waits)
        transaction.begin_commit()
        producer.flush(10)
    assert waited == []
    transaction.finish()
    assert producer.flush(10) == 0
    assert [record.value for record in bank.read(topic, 0)] == many


@pytest.mark.kafka
def test_outcomes_of_what_is_given_up_are_not_written(bank: Bank, topic: str) -> None:
    producer, transaction, outcomes = deciding(bank, topic, b"0", b"1")
    transaction.begin_commit()
    transaction.give_up()
    assert producer.flush(10) == 0
    assert (outcomes.is_placed, outcomes.written) == (True, 0)


@pytest.mark.kafka
def test_an_outcome_that_is_refused_fails_its_transaction(bank: Bank, topic: str) -> None:
    producer, transaction, _ = deciding(bank, topic, b"0", b"x" * 5000, b"2", **{"message.max.bytes": 2000})
    transaction.begin_commit()
    assert producer.flush(10) == 0
    with pytest.raises(KafkaException, match="MSG_SIZE_TOO_LARGE"):
        transaction.finish()


@pytest.mark.kafka
def test_sending_tells_of_a_record_that_the_producer_refuses(bank: Bank) -> None:
    producer = Producer({**bank.kafka, "message.max.bytes": 2000})
    large: RowMessage = {"key": b"k", "value": b"x" * 5000}
    with pytest.raises(KafkaException, match="MSG_SIZE_TOO_LARGE"):
        send(producer, [("t", 0, [*rows(1), large, *rows(2)])])
    producer.purge()
    producer.flush(5)
