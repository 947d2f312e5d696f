"""Describes a consumed record by one set of fields, whether aiokafka or confluent-kafka consumed it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


class RecordPlace(Protocol):
    """Names one record: topic, partition and offset."""

    @property
    def topic(self) -> str: ...  # noqa: D102
    @property
    def partition(self) -> int: ...  # noqa: D102
    @property
    def offset(self) -> int: ...  # noqa: D102


class Record(RecordPlace, Protocol):
    """One record, read; what aiokafka's consumer gives is one, :class:`ConsumedRecord` is another. Milliseconds."""

    @property
    def timestamp(self) -> int: ...  # noqa: D102
    @property
    def key(self) -> bytes | None: ...  # noqa: D102
    @property
    def value(self) -> bytes | None: ...  # noqa: D102
    @property
    def headers(self) -> Sequence[tuple[str, bytes]]: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class ConsumedRecord:
    """Holds a record as it lay in its topic, or as a dead letter or a repartitioned record says that it lay."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]
    is_stamped: bool = True  # whether its timestamp is the broker's (LogAppendTime)


def is_stamped(record: Record) -> bool:
    """Whether the broker has written a record's timestamp (LogAppendTime), as far as aiokafka's record tells."""
    return getattr(record, "timestamp_type", 1) == 1


def place_of(at: RecordPlace | str) -> str:
    """Return the place for people, ``shop.orders.events/3/1204``; text is returned as it is."""
    return at if isinstance(at, str) else f"{at.topic}/{at.partition}/{at.offset}"
