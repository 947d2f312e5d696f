"""Topics in memory, and what writes them: for the engine in transactions, for clients record by record."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from verbwire.client.producing.ack import Ack, Failures
from verbwire.client.producing.producer import BY_KEY, Producer
from verbwire.engine.transactions.record_limits import MAX_RECORD
from verbwire.errors import UnencodableError
from verbwire.kafka.record import ConsumedRecord
from verbwire.testing.memory.clock import MemoryClock
from verbwire.wire.headers import RawHeaders
from verbwire.wire.partitioner import partition_of


@dataclass(frozen=True, slots=True)
class MemoryRecord(ConsumedRecord):
    """A record of a topic in memory; `number` is its place among the records of all topics."""

    number: int = 0


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """What a producer is told of a record that was written, as confluent-kafka's `Message` tells it."""

    record: MemoryRecord

    def topic(self) -> str:
        """Return its topic."""
        return self.record.topic

    def partition(self) -> int:
        """Return its partition."""
        return self.record.partition

    def offset(self) -> int:
        """Return its offset."""
        return self.record.offset

    def timestamp(self) -> tuple[int, int]:
        """Return its timestamp, behind what kind of timestamp that is (2: the broker's own)."""
        return 2, self.record.timestamp


class MemoryTopics:
    """The logs of all topics, each with the same number of partitions; stamped by the broker (LogAppendTime)."""

    def __init__(self, partitions: int, clock: MemoryClock) -> None:
        self.partitions = partitions
        self._clock = clock
        self._logs: dict[tuple[str, int], list[MemoryRecord]] = defaultdict(list)
        self._written = 0

    def append(
        self, topic: str, partition: int, key: bytes | None, value: bytes | None, headers: Sequence[tuple[str, bytes]]
    ) -> MemoryRecord:
        """Write a record."""
        log, self._written = self._logs[topic, partition], self._written + 1
        place = (topic, partition, len(log), self._clock.now_ms())
        log.append(MemoryRecord(*place, key, value, tuple(headers), number=self._written))
        return log[-1]

    def read(self, topic: str, partition: int, offset: int, limit: int) -> list[MemoryRecord]:
        """Return up to `limit` records from an offset on."""
        log = self._logs.get((topic, partition))
        return log[offset : offset + limit] if log else []

    def records(self, topic: str) -> list[MemoryRecord]:
        """Return all records of a topic, in the order in which they were written."""
        found = [record for (name, _), log in self._logs.items() if name == topic for record in log]
        return sorted(found, key=lambda record: record.number)


class MemoryTransactions:
    """Writes one transaction at a time, as librdkafka's transactional producer: nothing shows before it is flushed."""

    def __init__(self, topics: MemoryTopics) -> None:
        self._topics = topics
        self._pending: list[tuple[tuple[Any, ...], Callable[[Any, Any], None] | None]] = []

    def begin_transaction(self) -> None:
        """Begin one; what the one before left behind is dropped."""
        self._pending = []

    def produce(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None,
        partition: int,
        callback: Callable[[Any, Any], None] | None = None,
        _on_delivery: None = None,
        _timestamp: int = 0,
        headers: Sequence[tuple[str, bytes]] | None = None,
    ) -> None:
        """Add a record; parameters stand where librdkafka's have their places."""
        self._pending.append(((topic, partition, key, value, headers or ()), callback))

    def produce_batch(self, topic: str, messages: Sequence[Mapping[str, bytes | None]], partition: int) -> int:
        """Add records that have a key and a value, and return how many."""
        self._pending += [((topic, partition, each["key"], each["value"], ()), None) for each in messages]
        return len(messages)

    def flush(self) -> None:
        """Write what was added, and report it."""
        pending, self._pending = self._pending, []
        for record, report in pending:
            written = self._topics.append(*record)
            if report is not None:
                report(None, DeliveryReport(written))


class MemoryProducer(Producer):
    """Stands in for a client's producer; every record is acknowledged at once."""

    def __init__(self, topics: MemoryTopics, limit: int = MAX_RECORD) -> None:  # no connection: nothing is begun
        self._topics = topics
        self._limit = limit
        self._failures = Failures()

    def produce(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        headers: RawHeaders,
        id: str,
        partition: int = BY_KEY,
        patient: bool = True,  # noqa: ARG002 (there is always room)
    ) -> Ack:
        """Write a record. :class:`UnencodableError` where it is larger than a record may be."""
        if (size := len(key or b"") + len(value or b"")) > self._limit:
            raise UnencodableError(f"{topic}: the message is {size} bytes, a record may have {self._limit}: keep less")
        if partition == BY_KEY:
            partition = partition_of(key or b"", self._topics.partitions)
        ack = Ack(id, topic, self._failures)
        ack.settle(None, DeliveryReport(self._topics.append(topic, partition, key, value, headers)))
        return ack

    def require_topic(self, topic: str) -> int:  # noqa: ARG002 (each has the same number)
        """Accept any: topics are there as soon as something is written."""
        return self._topics.partitions

    def require_open(self) -> None:
        """Accept: it is never closed."""
