"""Encodes and decodes what a scheduler keeps; when something is to be done about a row is a column of the copy."""

from __future__ import annotations

from collections.abc import Mapping

from verbwire.engine.state.changes import StoreChanges
from verbwire.engine.state.due_order import due_order
from verbwire.engine.topology import ROWS, EncodedRows, Log
from verbwire.engine.transactions.record_limits import RecordLimits
from verbwire.errors import UndecodableError
from verbwire.kafka.record import Record
from verbwire.messages import Stored
from verbwire.queries.columns import RowValues, table_columns
from verbwire.queries.selection import Value
from verbwire.wire.codec.topics import Codec
from verbwire.wire.codec.versions import Versions
from verbwire.wire.records.scheduled import SCHEDULED, ScheduledRecord, ScheduledStatus
from verbwire.wire.topics import OUTCOME_RETENTION_MS

INDEX = ("due", "command", "status")
STATUS = "status"
ORDER = "due_order"


class ScheduledRows:
    """Encodes and decodes the rows of one scheduler."""

    def __init__(self, codec: Codec, changelog: str, limits: RecordLimits) -> None:
        self._changelog = changelog
        self._limits = limits
        self._encoder = codec.encoder(SCHEDULED)
        self._decoder = codec.topic_decoder(changelog, SCHEDULED.namespace, {SCHEDULED.name: ScheduledRecord})
        columns = table_columns(SCHEDULED, INDEX)
        self.columns = tuple(columns)
        self._values = RowValues(columns.values(), ())
        self.versions = Versions(codec, SCHEDULED)

    def encode_all(self, rows: Mapping[bytes, Stored | None]) -> EncodedRows:
        """Return rows as they are kept, in their order; UnencodableError for one that is too large."""
        return {key: None if row is None else self.encode(key, a_row(row)) for key, row in rows.items()}

    def encode(self, key: bytes, row: ScheduledRecord) -> tuple[Value, ...]:
        """Return a row as it is kept; UnencodableError where it is too large."""
        value = self._limits.row(self._changelog, key, self._encoder(row), f"a row of {SCHEDULED.name}")
        return self._kept(value, row)

    def decode(self, value: bytes) -> Stored:
        """Return the row of a changelog's value, to be rewritten; NewerSchemaError where that would lose fields."""
        self.versions.require_not_newer(value)
        return a_row(self._decoder.decode(value))

    def log(self) -> Log:
        """Return how the changelog restores a store."""
        return Log(ROWS, self._changelog, self._absorb)

    def _absorb(self, changes: StoreChanges, record: Record) -> None:
        key, value = record.key or b"", record.value
        changes.rows[key] = None if value is None else self._kept(value, a_row(self.decode(value)))

    def _kept(self, value: bytes, row: ScheduledRecord) -> tuple[Value, ...]:
        return (value, *self._values.of(row), order_of(row))


def order_of(row: ScheduledRecord) -> bytes:
    """Return when something is to be done about a row, and before which others that fall due with it.

    One that was delivered or cancelled is forgotten with its id.
    """
    if row.status in (ScheduledStatus.PENDING, ScheduledStatus.SCHEDULE):
        return due_order(max(row.due, row.again), row.place)
    return due_order(row.changed + OUTCOME_RETENTION_MS)


def a_row(row: object) -> ScheduledRecord:
    """Return what is a row of a scheduler; UndecodableError for anything else."""
    if not isinstance(row, ScheduledRecord):
        raise UndecodableError("the changelog of a scheduler holds a record that is none of its rows")
    return row
