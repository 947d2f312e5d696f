"""Encodes the rows of one table, checks them against their keys, and decodes them from the changelog."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import TypeVar

from verbwire.contracts.schema.model import Contract
from verbwire.engine.state.changes import StoreChanges
from verbwire.engine.topology import ROWS, EncodedRows, Log
from verbwire.engine.transactions.record_limits import RecordLimits
from verbwire.errors import ContractError, MessageError, UndecodableError, UnencodableError
from verbwire.kafka.record import Record
from verbwire.messages import KEPT, Kind, Message, Stored
from verbwire.queries.columns import RowValues, table_columns
from verbwire.queries.selection import Value
from verbwire.wire.codec.topics import Codec, TopicDecoder
from verbwire.wire.codec.versions import Versions
from verbwire.wire.keys import key_of, keys_of

R = TypeVar("R", bound=Stored)


class RowCodec:
    """Encodes and decodes the rows of one table."""

    def __init__(
        self,
        codec: Codec,
        changelog: str,
        row: type[Stored],
        index: Sequence[str] | None = None,
        search: Sequence[str] = (),
        limits: RecordLimits | None = None,
    ) -> None:
        self._limits = limits or RecordLimits()
        self.changelog = changelog
        self.contract = of_kind(codec, row, *KEPT)
        self._what = f"a row of {self.contract.name}"
        self._encoder = codec.encoder(self.contract)
        self._decoder = codec.topic_decoder(changelog, self.contract.namespace, {row.__contract__: row})
        self.versions = Versions(codec, self.contract)
        columns = table_columns(self.contract, index) if index is not None else {}
        self.columns = tuple(columns)
        self._values = RowValues(columns.values(), search)
        # How each column is read, where all of them hold what the fields do.
        as_they_are = not search and all(column.write is None for column in columns.values())
        self._fields = [attrgetter(name) for name in columns] if as_they_are else None

    def encode_all(self, rows: Mapping[bytes, Stored | None]) -> EncodedRows:
        """Return rows as they are kept, in their order; raises like :meth:`encode`, for the first that it would."""
        kept = {key: row for key, row in rows.items() if row is not None}
        try:
            encoded = self._encoded(kept)
        except (MessageError, ArithmeticError, ValueError):  # told of the row that it is
            encoded = {key: self._kept(key, row) for key, row in kept.items()}
        return encoded if len(kept) == len(rows) else {key: encoded.get(key) for key in rows}

    def _encoded(self, rows: Mapping[bytes, Stored]) -> dict[bytes, tuple[Value, ...]]:
        """Return these rows as they are kept, made one step for all of them after the other."""
        keys, every = [*rows], [*rows.values()]
        if keys_of(self.contract, every) != keys:
            raise UnencodableError("a row lies about its key")
        values = self._encoder.all(every)
        if not self._limits.surely(keys, values):
            raise UnencodableError("a row may be too large")
        if self._fields is None:
            return {key: (value, *self._values.of(row)) for key, value, row in zip(keys, values, every, strict=True)}
        columns = [map(field, every) for field in self._fields]
        return dict(zip(keys, zip(values, *columns, strict=True), strict=True))

    def _kept(self, key: bytes, row: Stored) -> tuple[Value, ...]:
        value, columns = self.encode(key, row)
        return (value, *columns)

    def encode(self, key: bytes, row: Stored) -> tuple[bytes, Sequence[Value]]:
        """Return the value and the columns; UnencodableError where the row lies about its key, or is too large."""
        if key_of(self.contract, row) != key:
            raise UnencodableError(
                f"the row's {', '.join(self.contract.key)} is not the event's key: a row stands under its events' key"
            )
        return self._limits.row(self.changelog, key, self._encoder(row), self._what), self._values.of(row)

    def normal(self, row: R) -> R:
        """Return the row as it will be read back; UnencodableError where it cannot be."""
        return self._encoder.normal(row)

    def decode(self, value: bytes) -> Stored:
        """Return the row of a changelog's value, to be rewritten; NewerSchemaError where that would lose fields."""
        self.versions.require_not_newer(value)
        return _a_row(self._decoder, value)

    def log(self) -> Log:
        """Return how the changelog restores a store."""
        return Log(ROWS, self.changelog, self._absorb)

    def _absorb(self, changes: StoreChanges, record: Record) -> None:
        """Take a row into the copy; none that is newer than the code, whose columns would be what older code reads."""
        key, value = record.key or b"", record.value
        if value is None:
            changes.rows[key] = None
        else:
            self.versions.require_not_newer(value)
            changes.rows[key] = (value, *self._columns(value)) if self._values.fields else (value,)

    def _columns(self, value: bytes) -> Sequence[Value]:
        fields = self._decoder.fields(value, self._values.fields)
        if fields is None:
            raise _no_row()
        try:
            return self._values.made(fields)
        except (ArithmeticError, ValueError) as error:
            raise UndecodableError(f"the indexed values of the row cannot be computed: {error}") from error


def _a_row(decoder: TopicDecoder, value: bytes) -> Stored:
    row = decoder.decode(value)
    if not isinstance(row, Stored):
        raise _no_row()
    return row


def _no_row() -> UndecodableError:
    return UndecodableError("the changelog holds a record that is not a row of its table")


def of_kind(codec: Codec, cls: type[Message], *kinds: Kind) -> Contract:
    """Return the contract of a class; ContractError where it is of another kind."""
    contract = codec.catalog.of(cls)
    if contract.kind not in kinds:
        raise ContractError(f"{contract.name} is a {contract.kind}, a {' or '.join(kinds)} is wanted here")
    return contract
