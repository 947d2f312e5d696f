"""A receiver played by the test: takes commands from their topic, and says what it is told to, where it is told to."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import Any

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka import Message as Record

from tests.cluster import eventually
from verbwire.engine.cluster_offsets import ClusterOffsets
from verbwire.sdk.connection import Connection
from verbwire.wire.avro import Encoder
from verbwire.wire.headers import Headers, HeaderTemplate
from verbwire.wire.outcomes import OUTCOME, EventPosition, OutcomeRecord, OutcomeStatus, fingerprint_of
from verbwire.wire.registry import Registry


class PlayedReceiver:
    """The one receiver of a context's commands."""

    def __init__(self, connection: Connection, namespace: str) -> None:
        kafka = {"bootstrap.servers": connection.bootstrap}
        names = connection.names
        self.ledger = names.outcomes(namespace)
        self.replies = names.replies()
        self._producer = Producer({**kafka, "linger.ms": 0})
        self._consumer = Consumer({**kafka, "group.id": "unused", "enable.auto.commit": False, "fetch.wait.max.ms": 10})
        commands = names.commands(namespace)
        found = self._consumer.list_topics(commands, timeout=10).topics[commands].partitions
        ends = ClusterOffsets(kafka, "unused").ends((commands, number) for number in found)
        self._consumer.assign([TopicPartition(*place, offset) for place, offset in ends.items()])
        self._headers = HeaderTemplate(OUTCOME, "office")
        with closing(Registry(connection.registry)) as registry:
            self._encode = Encoder(OUTCOME, registry.id_of(names.subject(OUTCOME.name), OUTCOME.text))

    def close(self) -> None:
        self._producer.flush(10)
        self._consumer.close()

    def take(self, count: int = 1) -> list[Record]:
        """The next commands, as soon as there are so many."""
        found: list[Record] = []

        def complete() -> bool:
            found.extend(self._consumer.consume(1000, 0.01))
            return len(found) >= count

        eventually(complete, every=0)
        assert len(found) == count
        return found

    def line(self, record: Record, **fields: Any) -> OutcomeRecord:
        """What the ledger says of a command; `fields` are what it says otherwise than that it was accepted."""
        headers = Headers(record.headers())
        said = {
            "command_id": headers.id,
            "command": headers.type,
            "fingerprint": fingerprint_of(record.value() or b""),
            "status": OutcomeStatus.ACCEPTED,
            "partition": record.partition(),
            "offset": record.offset(),
            "events": (
                EventPosition(topic="t.events", partition=record.partition() or 0, offset=record.offset() or 0),
            ),
        }
        return OutcomeRecord(**{**said, **fields})

    def enter(self, record: Record, line: OutcomeRecord) -> None:
        """Write a line into the ledger, as the engine does."""
        headers: Any = self._headers.headers(f"{line.command_id}:outcome", causation_id=line.command_id)
        self._send(self.ledger, line.partition, record.key(), line, headers)

    def hint(self, record: Record, line: OutcomeRecord) -> None:
        """Tell the asker."""
        partition = Headers(record.headers()).reply_partition
        assert partition is not None
        self._send(self.replies, partition, line.command_id.encode(), line)

    def answer(self, records: Sequence[Record], **fields: Any) -> None:
        """Enter and hint."""
        for record in records:
            line = self.line(record, **fields)
            self.enter(record, line)
            self.hint(record, line)

    def _send(self, topic: str, partition: int, key: Any, line: OutcomeRecord, headers: Any = None) -> None:
        self._producer.produce(topic, self._encode(line), key, partition, headers=headers or [])
        assert self._producer.flush(10) == 0
