"""The parking of one subscriber in memory: its log, and what tests are told of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from verbwire.declarations.subscriber import Subscriber
from verbwire.engine.topology import StopPartition
from verbwire.kafka.record import place_of
from verbwire.parking.key_text import SubscriberKeys
from verbwire.subscribers.key_queues import QueuedRecord
from verbwire.subscribers.parked_log import Logged
from verbwire.subscribers.parking import SubscriberParking
from verbwire.subscribers.plan import SubscriberPlan
from verbwire.subscribers.results import Raised
from verbwire.testing.memory.parked_key import ParkedInMemory
from verbwire.testing.memory.topics import MemoryTopics
from verbwire.wire.codec.topics import Codec
from verbwire.wire.keys import key_bytes, parse_key
from verbwire.wire.partitioner import partition_of
from verbwire.wire.records.parked import read_subscriber_key, subscriber_key

_MANY = 1_000_000


class MemoryParkedLog:
    """The log of parked records, in a topic in memory."""

    def __init__(self, topics: MemoryTopics, topic: str) -> None:
        self._topics = topics
        self._topic = topic

    def read(self, partition: int, start: int | None = None) -> Iterator[Logged]:
        """Yield what a partition holds by now."""
        for each in self._topics.read(self._topic, partition, start or 0, _MANY):
            yield Logged(each.offset, each.key or b"", each.value)

    def write(self, partition: int, key: bytes, value: bytes | None) -> int:
        """Write a record, and return its offset."""
        return self._topics.append(self._topic, partition, key, value, ()).offset


class MemorySubscriberParking:
    """What is parked of a subscriber; it takes the keys of its events, or ``namespace:key`` of several namespaces."""

    def __init__(self, declared: Subscriber, plan: SubscriberPlan, topics: MemoryTopics, codec: Codec) -> None:
        assert plan.parking is not None  # noqa: S101 (else there is none)
        self.parking = SubscriberParking(plan, plan.parking, codec, MemoryParkedLog(topics, plan.parked))
        self.parking.told = self._note
        self._partitions = topics.partitions
        self._texts = SubscriberKeys(declared, codec.catalog)
        self._told: StopPartition | None = None
        self.restart()

    def restart(self) -> None:
        """Forget which keys are parked, as another worker would not know: it reads the log."""
        self.parking.assign(range(self._partitions))

    def keys(self) -> dict[bytes, ParkedInMemory]:
        """Return the keys that are parked."""
        return {
            key: ParkedInMemory(len(its.of(key)), self._reason(partition, key))
            for partition in range(self._partitions)
            for its in [self.parking.keys(partition)]
            for key in its
        }

    def key_of(self, key: tuple[Any, ...]) -> tuple[int, bytes]:
        """Return partition and bytes of a key."""
        if len(self._texts.contracts) > 1:
            found = self._texts.read(key[0])
        else:
            found = subscriber_key(next(iter(self._texts.contracts)), key_bytes(key if len(key) > 1 else key[0]))
        return partition_of(read_subscriber_key(found)[1], self._partitions), found

    def shown(self, key: bytes) -> Any:
        """Return a key as it was in its event."""
        if len(self._texts.contracts) > 1:
            return self._texts.shown(key)
        namespace, its = read_subscriber_key(key)
        parts = parse_key(self._texts.contracts[namespace], its)
        return tuple(parts) if len(parts) > 1 else parts[0]

    def first(self, partition: int, key: bytes) -> list[str]:
        """Return the place of the first parked record of a key; none where none is parked."""
        return [place_of(each.original) for _, each in self.parking.records(partition, key)][:1]

    def take(self) -> StopPartition | None:
        """Return the record that could not be handled since this was asked last, None where there was none."""
        found, self._told = self._told, None
        return found

    def _reason(self, partition: int, key: bytes) -> str:
        return next((each.reason for _, each in self.parking.records(partition, key)), "")

    def _note(self, task: QueuedRecord, raised: Raised) -> None:
        stop = StopPartition(task.record, raised.detail)
        stop.__cause__ = raised.error
        self._told = self._told or stop
