"""What a transaction, or a piece of restored log, did to a partition, as its copy takes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from verbwire.engine.state.parked import ParkedChanges, ParkedKey
from verbwire.queries.selection import Value


@dataclass(frozen=True, slots=True)
class DedupEntry:
    """The outcome that a partition keeps of a command id, for deduplication."""

    fingerprint: bytes  # empty where the same id may be tried again: it failed, or expired
    outcome: bytes  # the outcome log's record, framed
    at: int  # milliseconds since the epoch, the outcome log's clock


@dataclass(slots=True)
class StoreChanges:
    """What one committed transaction, or one piece of restored log, did to a partition."""

    rows: dict[bytes, tuple[Value, ...] | None] = field(default_factory=dict)  # value, columns, words; None deletes
    answers: dict[str, DedupEntry] = field(default_factory=dict)
    positions: dict[str, int] = field(default_factory=dict)  # log -> next offset to restore from
    inputs: dict[str, int] = field(default_factory=dict)  # input topic -> next offset to read
    time: int | None = None  # the newest event time, microseconds since the epoch, in a table of windows
    facts: dict[str, bytes] = field(default_factory=dict)  # about the partition, by the name of their header
    parked: ParkedChanges | None = None  # where records are parked, or no longer
    parked_keys: Mapping[bytes, ParkedKey] | None = None  # how it stands with keys then
    forgotten: list[str] = field(default_factory=list)  # input topics that are others by now: what was read of them
