"""Records of a transaction on their way to the producer: in their order, none twice, none lost, and none too early."""

from __future__ import annotations

import threading
import uuid
from datetime import UTC, datetime
from typing import Any

import pytest
from confluent_kafka import KafkaException, Producer

from tests.kit.bank import Bank
from verbwire.engine.transactions.group_metadata import GroupMetadata
from verbwire.engine.transactions.record_limits import RecordLimits
from verbwire.engine.transactions.sending import RowMessage, send
from verbwire.engine.transactions.transaction import Transaction
from verbwire.testing.memory.clock import MemoryClock
from verbwire.testing.memory.topics import MemoryTopics, MemoryTransactions


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


@pytest.mark.kafka
def test_sending_tells_of_a_record_that_the_producer_refuses(bank: Bank) -> None:
    producer = Producer({**bank.kafka, "message.max.bytes": 2000})
    large: RowMessage = {"key": b"k", "value": b"x" * 5000}
    with pytest.raises(KafkaException, match="MSG_SIZE_TOO_LARGE"):
        send(producer, [("t", 0, [*rows(1), large, *rows(2)])])
    producer.purge()
    producer.flush(5)
