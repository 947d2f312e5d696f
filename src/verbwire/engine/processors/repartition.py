"""Repartitions records that count under another key here than in their topic, through a topic of the group's own.

They are forwarded unchanged, in the transaction that reads them, into the partition of their new key, and consumed
there like any input. So each is forwarded once, and counts once. Their first place and time go with them: a handler's
context is the same, whichever way a record came, and on every replay.
"""

from __future__ import annotations

from dataclasses import dataclass

from verbwire.engine.topology import StopPartition
from verbwire.engine.transactions.transaction import Transaction
from verbwire.errors import UndecodableError
from verbwire.kafka.record import ConsumedRecord, Record
from verbwire.wire.partitioner import partition_of

SOURCE_HEADER = "vw_source"
"""The last header of a forwarded record: its first place and time, ``topic/partition/offset/timestamp``."""


@dataclass(frozen=True)
class Repartitioner:
    """The topic through which a group forwards records to itself."""

    topic: str
    partitions: int

    def partition_of(self, key: bytes) -> int:
        """Return the partition in which everything of this key counts."""
        return partition_of(key, self.partitions)

    def forward(self, transaction: Transaction, record: Record, key: bytes) -> None:
        """Forward a record of a source to the partition of its new key."""
        place = f"{record.topic}/{record.partition}/{record.offset}/{record.timestamp}"
        headers = [*record.headers, (SOURCE_HEADER, place.encode())]
        if not transaction.limits.fits(self.topic, key, record.value, headers):
            limit = transaction.limits.of(self.topic)
            raise StopPartition(
                record, f"{self.topic} takes {limit} bytes, not the record: raise its max.message.bytes"
            )
        transaction.produce(self.topic, self.partition_of(key), key, record.value, headers)

    def source_of(self, record: Record) -> ConsumedRecord:
        """Return the record that this one forwards; UndecodableError where it was not written by this group."""
        name, value = record.headers[-1] if record.headers else ("", b"")
        parts = value.rsplit(b"/", 3) if name == SOURCE_HEADER and value else []
        if len(parts) != 4 or not record.key:
            raise UndecodableError(f"{self.topic}: not forwarded by this group, it has no key or no {SOURCE_HEADER}")
        try:
            topic, partition, offset, timestamp = parts[0].decode(), int(parts[1]), int(parts[2]), int(parts[3])
        except ValueError as error:
            raise UndecodableError(f"{self.topic}: header {SOURCE_HEADER} names no place: {value!r}") from error
        return ConsumedRecord(topic, partition, offset, timestamp, record.key, record.value, record.headers[:-1])
