"""Records that count under another key here than in their topic: handed over through a topic of the group's own.

They travel unchanged, in the transaction that reads them, into the partition of their new key; what was read there is
committed with what comes of it. So each is handed over once, and counts once. Their first place and time go with
them: what a handler is told of a record is the same, whichever way it came, and on every replay.
"""

from __future__ import annotations

from dataclasses import dataclass

from verbwire.engine.topology import StopPartition
from verbwire.engine.transactions.transaction import Transaction
from verbwire.errors import UndecodableError
from verbwire.kafka.record import ConsumedRecord, Record
from verbwire.wire.partitioner import partition_of

SOURCE_HEADER = "vw_source"
"""The last header of a record handed over: its first place and time, ``topic/partition/offset/timestamp``."""


@dataclass(frozen=True)
class Repartitioner:
    """The topic through which a group hands records to itself."""

    topic: str
    partitions: int

    def partition_of(self, key: bytes) -> int:
        """Return the partition in which everything of this key counts."""
        return partition_of(key, self.partitions)

    def forward(self, transaction: Transaction, record: Record, key: bytes) -> None:
        """Give a record of a source to whoever has the partition of its new key."""
        place = f"{record.topic}/{record.partition}/{record.offset}/{record.timestamp}"
        headers = [*record.headers, (SOURCE_HEADER, place.encode())]
        if not transaction.limits.fits(self.topic, key, record.value, headers):
            limit = transaction.limits.of(self.topic)
            raise StopPartition(
                record, f"{self.topic} takes {limit} bytes, not the record: raise its max.message.bytes"
            )
        transaction.produce(self.topic, self.partition_of(key), key, record.value, headers)

    def source_of(self, record: Record) -> ConsumedRecord:
        """Return what was handed over by this record; UndecodableError where it was nothing of ours."""
        name, value = record.headers[-1] if record.headers else ("", b"")
        parts = value.rsplit(b"/", 3) if name == SOURCE_HEADER and value else []
        if len(parts) != 4 or not record.key:
            raise UndecodableError(f"{self.topic}: not handed over by this group, it has no key or no {SOURCE_HEADER}")
        try:
            topic, partition, offset, timestamp = parts[0].decode(), int(parts[1]), int(parts[2]), int(parts[3])
        except ValueError as error:
            raise UndecodableError(f"{self.topic}: header {SOURCE_HEADER} names no place: {value!r}") from error
        return ConsumedRecord(topic, partition, offset, timestamp, record.key, record.value, record.headers[:-1])
