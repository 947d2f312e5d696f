"""Reads and writes a subscriber's log of parked records."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from functools import cached_property
from typing import NamedTuple, Protocol

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from verbwire.client.base.connection import Connection
from verbwire.client.producing.producer import Producer
from verbwire.kafka.offsets import ClusterOffsets
from verbwire.kafka.readers import read_to_end, reader_properties
from verbwire.wire.topics import LARGEST_RECORD


class Logged(NamedTuple):
    """One record of the log; without a value: what had its key before is parked no more."""

    offset: int
    key: bytes
    value: bytes | None


class ParkedLog(Protocol):
    """The log of one group."""

    def read(self, partition: int, start: int | None = None) -> Iterator[Logged]:
        """Yield what a partition holds by now, everything that was acknowledged before, from an offset on."""
        ...

    def write(self, partition: int, key: bytes, value: bytes | None) -> int:
        """Write a record, and return its offset once the broker has it."""
        ...


class KafkaParkedLog:
    """The log as it is on Kafka; its reader has the group's name, and is no member of it."""

    def __init__(self, connection: Connection, group: str, topic: str, producer: Producer) -> None:
        self._kafka = connection.librdkafka
        self._group = group
        self._topic = topic
        self._producer = producer

    @cached_property
    def _cluster(self) -> ClusterOffsets:
        return ClusterOffsets(self._kafka, self._group)

    def exists(self) -> bool:
        """Whether its topic is there; :class:`NotAuthorizedError` where that may not be seen."""
        return bool(self._cluster.topic_identities([self._topic]))

    def read(self, partition: int, start: int | None = None) -> Iterator[Logged]:
        """Yield what is there; :class:`UnavailableError` where it cannot be read."""
        place = (self._topic, partition)
        ends = self._cluster.ends([place])
        if not ends[place]:
            return
        properties = reader_properties(
            self._kafka, self._group, fetch_wait_max_ms=50, fetch_message_max_bytes=LARGEST_RECORD
        )
        with closing(Consumer(properties)) as consumer:
            begin = TopicPartition(*place, OFFSET_BEGINNING if start is None else start)
            for message in read_to_end(consumer, [begin], ends=ends):
                yield Logged(message.offset() or 0, message.key() or b"", message.value())

    def write(self, partition: int, key: bytes, value: bytes | None) -> int:
        """Write a record; :class:`DeliveryError` where the broker does not have it."""
        return self._producer.produce(self._topic, key, value, [], "", partition).result().offset
