"""Writes the outcomes of a job's commands, each in a transaction that the group's membership fences.

A job runs at least once, and a worker that has lost a partition may not know it yet: its handler goes on while the new
owner begins the same command again. Both would say what has become of it. So an outcome goes to the log in a
transaction with the offset of its partition, which the broker takes from a member of the present generation alone
(KIP-447).

What makes it exactly one: the record is with the broker *before* the offsets are sent. Where these were taken, the
partition had no other owner yet, so whoever gets it next finds the record below the end of the log, and waits until it
is decided (`KafkaOutcomes.lines`); where they were not, the transaction is aborted.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import cached_property
from typing import Protocol

from confluent_kafka import Consumer, KafkaException, TopicPartition

from verbwire.engine.transactions.failpoints import hit
from verbwire.engine.transactions.producers import PRODUCER_FENCE, ProducerPair, fatal_errors
from verbwire.engine.transactions.record_limits import RecordLimits
from verbwire.errors import FencedError, UnavailableError
from verbwire.kafka import denials
from verbwire.kafka.offsets import ClusterOffsets
from verbwire.kafka.readers import read_to_end, reader_properties
from verbwire.names import RESTORE_READER, Names
from verbwire.subscribers.partition_state import PartitionInFlight
from verbwire.wire.headers import RawHeaders

_SECONDS = 10.0
_SLOT = 0


class OutcomeWriter(Protocol):
    """Where the outcome log of a job is written, and read back."""

    def write(
        self, in_flight: PartitionInFlight, offset: int, partition: int, line: tuple[bytes | None, bytes, RawHeaders]
    ) -> None:
        """Write a line, if the record at `offset` of `in_flight` is still ours; UnavailableError where it is not sure.

        Then it may be in the log, or not: that has to be read again.
        """
        ...

    def lines(self, partition: int) -> Iterator[tuple[bytes, int]]:
        """Yield all lines of a partition with their timestamps; UnavailableError while not all are decided."""
        ...


class KafkaOutcomes:
    """Writes and reads the outcome log of one job. Safe to call from any thread; one transaction at a time."""

    def __init__(self, kafka: dict[str, str], names: Names, group: str, worker: str, topic: str) -> None:
        self._kafka = kafka
        self._group = group
        self._topic = topic
        self._names = names
        self._worker = worker
        self._offsets = ClusterOffsets(kafka, group)
        self.limits = RecordLimits()
        self._lock = threading.Lock()

    @cached_property
    def _producers(self) -> ProducerPair:
        """Made once the limits are known: its batches keep to them."""
        return ProducerPair(self._kafka, self._names, self._group, self._worker, self.limits)

    def connect(self) -> int:
        """Be ready to write, which ends what a killed predecessor left open; return how many partitions there are."""
        partitions = self._offsets.topics([self._topic])[self._topic].partitions
        settings = self._offsets.settings([self._topic])
        self.limits.learn({name: int(its["max.message.bytes"]) for name, its in settings.items()})
        with self._lock:
            self._producers.get(_SLOT)
        return partitions

    def write(
        self, in_flight: PartitionInFlight, offset: int, partition: int, line: tuple[bytes | None, bytes, RawHeaders]
    ) -> None:
        """Write a line in a transaction of its own."""
        with self._lock:
            try:
                self._write(in_flight, offset, partition, line)
            except KafkaException as error:
                fenced = error.args[0].code() in PRODUCER_FENCE
                self._producers.give_up(_SLOT, fenced)  # a new one aborts what this one has begun
                raise denials.unavailable(
                    *(error.args[0], "WRITE", f"TOPIC {self._topic}"), f"no outcome written: {error.args[0].str()}"
                ) from error
            except FencedError as error:
                raise UnavailableError(f"no outcome written: {error}") from error

    def _write(
        self, in_flight: PartitionInFlight, offset: int, partition: int, line: tuple[bytes | None, bytes, RawHeaders]
    ) -> None:
        membership = in_flight.membership()
        if not membership:
            raise FencedError(f"no member of {self._group}")
        if in_flight.abandoned:  # looked at behind the membership: see there
            raise FencedError(f"{in_flight.topic}/{in_flight.partition} is another worker's by now")
        key, value, headers = line
        producer = self._producers.begin(_SLOT)
        producer.produce(self._topic, value, key, partition, headers=headers)
        hit("after-produce")
        with fatal_errors():
            left = producer.flush(_SECONDS)
        if left:
            self._producers.give_up(_SLOT)
            raise UnavailableError(f"the broker did not take an outcome within {_SECONDS:.0f} s")
        hit("after-flush")
        place = TopicPartition(in_flight.topic, in_flight.partition, in_flight.committable_without(offset))
        producer.send_offsets_to_transaction([place], membership, _SECONDS)
        hit("after-offsets")
        hit("during-commit")
        producer.commit_transaction(_SECONDS)
        in_flight.committed = None  # the consumer may have committed more meanwhile: it does so once more
        hit("after-commit")

    def lines(self, partition: int) -> Iterator[tuple[bytes, int]]:
        """Yield all lines; UnavailableError while a transaction is open that may have written some of them."""
        place = (self._topic, partition)
        with self._lock:
            self._producers.get(_SLOT)  # one that was given up has left something open
        ends = self._offsets.ends([place])
        if self._offsets.stable_ends([place])[place] < ends[place]:
            raise UnavailableError(f"{self._topic}/{partition} has an open transaction: its outcome is waited for")
        consumer = Consumer(reader_properties(self._kafka, RESTORE_READER))
        try:
            start = TopicPartition(*place, self._offsets.starts([place])[place])
            for message in read_to_end(consumer, [start], ends=ends):
                yield message.value() or b"", message.timestamp()[1]
        finally:
            consumer.close()
