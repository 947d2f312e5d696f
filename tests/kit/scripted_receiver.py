"""A receiver played by the test: takes commands from their topic, and says what it is told to, where it is told to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka import Message as Record
from confluent_kafka.admin import AdminClient

from tests.kit.cluster import eventually
from tests.kit.offsets import ends
from verbwire.client.asking.poller import PollDelays
from verbwire.client.base.connection import Connection
from verbwire.client.client import Client
from verbwire.contracts.schema.tree import record_of
from verbwire.wire.avro.fingerprints import Fingerprints
from verbwire.wire.avro.messages import Encoder
from verbwire.wire.headers import Envelope, Headers, HeaderTemplate
from verbwire.wire.records.outcomes import OUTCOME, EventPosition, OutcomeRecord, OutcomeStatus
from verbwire.wire.registry.client import Registry

REPLY_SECONDS = 20.0  # seconds, for a reply to come


def by_replies_alone(client: Client) -> Client:
    """Let a client wait for replies alone: what it hears was heard, not looked up because the machine was slow."""
    client._asker._delays = PollDelays(reply=3600)
    return client


class ScriptedReceiver:
    """The one receiver of a context's commands."""

    def __init__(self, connection: Connection, namespace: str) -> None:
        self._kafka = kafka = {"bootstrap.servers": connection.bootstrap}
        names = connection.names
        self.ledger = names.outcomes(namespace)
        self.replies = names.replies()
        self._producer = Producer({**kafka, "linger.ms": 1})  # where records are replicated, one a request takes long
        self._consumer = Consumer({**kafka, "group.id": "unused", "enable.auto.commit": False, "fetch.wait.max.ms": 10})
        commands = names.commands(namespace)
        found = self._consumer.list_topics(commands, timeout=10).topics[commands].partitions
        admin, places = AdminClient(kafka), [TopicPartition(commands, number) for number in found]
        self._consumer.assign(eventually(lambda: ends(admin, places)))
        self._headers = HeaderTemplate(OUTCOME, "office")
        self._registry = registry = Registry(connection.registry)
        self.encode = Encoder(OUTCOME, registry.id_of(names.subject(OUTCOME.name), OUTCOME.text))

    def close(self) -> None:
        """Let go of the broker."""
        self.flush()
        self._consumer.close()
        self._registry.close()

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
        """What the outcome log says of a command; `fields` are what it says otherwise than that it was accepted."""
        headers = Headers(record.headers())
        said = {
            "command_id": headers.id,
            "command": headers.type,
            "fingerprint": self._fingerprint(record.value() or b""),
            "status": OutcomeStatus.ACCEPTED,
            "partition": record.partition(),
            "offset": record.offset(),
            "events": (EventPosition(topic="a.events", partition=record.partition() or 0, offset=7),),
        }
        return OutcomeRecord(**{**said, **fields})

    def _fingerprint(self, value: bytes) -> bytes:
        return Fingerprints(record_of(self._registry.schema(int.from_bytes(value[1:5], "big")))).of_value(value)

    def enter(self, record: Record, line: OutcomeRecord, timestamp: int = 0) -> None:
        """Write a record into the outcome log, as the engine does; its time is now, unless another is given."""
        self.send(self.ledger, line.partition, record.key() or b"", self.encode(line), self._cause(line), timestamp)

    def enter_and_abort(self, record: Record, line: OutcomeRecord) -> None:
        """Write a line in a transaction that comes to nothing."""
        producer = Producer({**self._kafka, "transactional.id": self.ledger})
        producer.init_transactions(10)
        producer.begin_transaction()
        producer.produce(self.ledger, self.encode(line), record.key(), line.partition, headers=self._cause(line))
        assert producer.flush(10) == 0
        producer.abort_transaction(10)

    def _cause(self, line: OutcomeRecord) -> Any:
        return self._headers.headers(f"{line.command_id}:outcome", Envelope(causation_id=line.command_id))

    def reply(self, record: Record, line: OutcomeRecord) -> None:
        """Tell the asker."""
        self.send_reply(record, line.command_id, self.encode(line))

    def send_reply(self, record: Record, id: str, value: bytes) -> None:
        """Tell the asker of that command anything about any id."""
        partition = Headers(record.headers()).reply_partition
        assert partition is not None
        self.send(self.replies, partition, id.encode(), value)

    def answer(self, records: Iterable[Record], **fields: Any) -> None:
        """Write the outcome and reply."""
        for record in records:
            line = self.line(record, **fields)
            self.enter(record, line)
            self.reply(record, line)
        self.flush()

    def send(
        self, topic: str, partition: int, key: bytes, value: bytes, headers: Any = None, timestamp: int = 0
    ) -> None:
        """Produce a record to that very partition."""
        self._producer.produce(topic, value, key, partition, timestamp=timestamp, headers=headers or [])

    def flush(self) -> None:
        """Wait until the broker has everything that was said."""
        assert self._producer.flush(30) == 0
