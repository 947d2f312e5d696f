"""What aiokafka's consumers make of the bytes that they fetch: records whose headers are read when they are asked for.

A record of a table has nine headers that nobody looks at; taken apart they cost more than all the rest of it. The
compiled reader passes over them. Without it, and for batches of Kafka's formats before version 2, aiokafka's own does
the work, and what it makes of a record costs a quarter of its own `ConsumerRecord`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import aiokafka.consumer.fetcher as fetcher
import msgspec
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import _MemoryRecordsPy

from verbwire.extensions import require_names
from verbwire.wire.headers import EXPECTED_HEADERS

if TYPE_CHECKING:
    from verbwire.engine.faust import _records
elif os.environ.get("VERBWIRE_CODEC") != "fastavro":
    try:
        from verbwire.engine.faust import _records
    except ImportError:
        _records = None
else:
    _records = None

NEEDED = ("LazyRecord.header_values", "expect", "read_records")
"""What the code uses of the compiled reader."""
require_names(_records, NEEDED)
AVAILABLE: bool = _records is not None
"""Whether the compiled reader works here; ``VERBWIRE_CODEC=fastavro`` leaves out whatever is compiled."""

_V2 = 2


class FetchedRecord(msgspec.Struct, frozen=True, gc=False):
    """Has the fields of aiokafka's `ConsumerRecord`, in their order; times are milliseconds."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    timestamp_type: int
    key: bytes | None
    value: bytes | None
    checksum: int | None
    serialized_key_size: int
    serialized_value_size: int
    headers: Sequence[tuple[str, bytes]]


class FetchedBatch(_DefaultRecordBatchPy):  # type: ignore[misc]  # of a library without types
    """A batch of version 2: aiokafka reads its head, checks its sum and expands it; ours reads the records."""

    def __iter__(self) -> Iterator[Any]:
        """Return its records; CorruptRecordException, as aiokafka has it, behind the last that is whole."""
        self._maybe_uncompress()
        stamped = self.max_timestamp if self.timestamp_type == self.LOG_APPEND_TIME else None
        head = (self._num_records, self.base_offset, self.first_timestamp, stamped)
        records, damage = _records.read_records(bytes(self._buffer), self._pos, *head)
        return iter(records) if damage is None else _until(records, damage)


def _until(records: list[_records.LazyRecord], damage: ValueError) -> Iterator[_records.LazyRecord]:
    yield from records
    if isinstance(damage, UnicodeDecodeError):  # a header's name; aiokafka lets it through
        raise damage
    raise CorruptRecordException(f"Found invalid record structure: {damage}") from damage


class FetchedBatches(_MemoryRecordsPy):  # type: ignore[misc]  # of a library without types
    """The batches of a fetch of one partition."""

    def next_batch(self, *least: int) -> Any:
        """Return the next one, None behind the last."""
        found = self._next_slice
        if found is None or len(found) < self.MIN_SLICE or found[self.MAGIC_OFFSET] < _V2:
            return super().next_batch(*least)
        self._cache_next()
        return FetchedBatch(found)


_of_aiokafka = fetcher.PartitionRecords._consumer_record


def _placed(self: Any, tp: Any, record: Any) -> Any:
    """Return a record with its place; of others than ours what aiokafka makes of them."""
    if type(record) is not _records.LazyRecord:
        return _of_aiokafka(self, tp, record)
    record.topic, record.partition = tp
    return record


def use_fetched_records() -> None:
    """Let aiokafka's consumers in this process make them."""
    fetcher.ConsumerRecord = FetchedRecord  # of the same fields
    if AVAILABLE:
        _records.expect(EXPECTED_HEADERS)
        fetcher.MemoryRecords = FetchedBatches
        fetcher.PartitionRecords._consumer_record = _placed
