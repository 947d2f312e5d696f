"""A deadline that is due, as a record: so it can be parked as one, in its place among those of its instance."""

from __future__ import annotations

from verbwire.engine.state.partition_cache import PartitionCache
from verbwire.kafka.record import ConsumedRecord, Record

_DEADLINE = "vw_deadline"


def due_record(group: str, cache: PartitionCache, key: bytes, name: str, at: int) -> ConsumedRecord:
    """Return a deadline of an instance; its offset is when it was due. It lies in no topic."""
    topic = f"{group} due {name}"
    return ConsumedRecord(topic, cache.partition, at, at, key, None, [(_DEADLINE, name.encode())])


def is_due_record(record: Record) -> bool:
    """Whether a parked record is a deadline."""
    return any(name == _DEADLINE for name, _ in record.headers)


def due_name(record: Record) -> str:
    """Return the deadline's name."""
    return next(value for name, value in record.headers if name == _DEADLINE).decode()
