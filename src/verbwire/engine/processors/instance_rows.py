"""The states of process instances, each with when its last step was: what tells how long the oldest one has waited."""

from __future__ import annotations

import time
from collections.abc import Mapping

from verbwire.engine.processors.rows import RowCodec
from verbwire.engine.state.changes import StoreChanges
from verbwire.engine.state.reader import LAST_STEP
from verbwire.engine.topology import EncodedRows
from verbwire.engine.transactions.record_limits import RecordLimits
from verbwire.kafka.record import Record
from verbwire.messages import Stored
from verbwire.wire.codec.topics import Codec


class InstanceRows(RowCodec):
    """Encodes and decodes them. The time, in milliseconds, is a column of the copy alone.

    It is the changelog record's timestamp, so a copy that is restored knows it as well as the one before.
    """

    def __init__(self, codec: Codec, changelog: str, state: type[Stored], limits: RecordLimits) -> None:
        super().__init__(codec, changelog, state, limits=limits)
        self.columns = (LAST_STEP,)

    def encode_all(self, rows: Mapping[bytes, Stored | None]) -> EncodedRows:
        """Return the states as they are kept: this is their last step."""
        now = time.time_ns() // 1_000_000
        encoded = super().encode_all(rows)
        return {key: None if row is None else (*row, now) for key, row in encoded.items()}

    def _absorb(self, changes: StoreChanges, record: Record) -> None:
        super()._absorb(changes, record)
        key = record.key or b""
        if (row := changes.rows[key]) is not None:
            changes.rows[key] = (*row, record.timestamp)
