"""Folds the events of an aggregate into its states anew, as the aggregate has: what it would not have done stops it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from verbwire.engine.processors.inputs import UNREAD
from verbwire.engine.processors.table import Decoded, Matched, TableProcessor
from verbwire.engine.state.partition_cache import PartitionCache
from verbwire.engine.topology import StopPartition
from verbwire.engine.transactions.transaction import Transaction
from verbwire.errors import UndecodableError
from verbwire.kafka.record import Record
from verbwire.messages import Stored

_SOURCE = "ce_source"


@dataclass(kw_only=True)
class FoldProcessor(TableProcessor):
    """Folds what the aggregate `source` has written; StopPartition at an event of another's, or that nothing applies.

    `only_kept`: a state that is not there already is not begun. It belongs to the states that an exchange has replaced.
    """

    source: str
    only_kept: bool = False

    def _decode(self, record: Record, message: Any = UNREAD) -> Decoded:
        found = [value for name, value in record.headers if name == _SOURCE]
        if found[-1:] != [self.source.encode()]:
            who = found[-1].decode(errors="replace") if found else "somebody"
            raise StopPartition(
                record, f"it was written by {who}, not by {self.source}, whose state knows nothing of it"
            )
        try:
            decoded = super()._decode(record, message)
        except UndecodableError as error:
            raise StopPartition(record, f"the event cannot be read: {error}") from None
        if decoded is None:
            raise StopPartition(record, "nothing applies this event: add a function with @applies for it")
        return decoded

    def _apply(self, cache: PartitionCache, matched: Matched, transaction: Transaction) -> None:
        if self.only_kept and cache.get(matched.key) is None:
            return
        super()._apply(cache, matched, transaction)

    def _row(self, returned: object) -> Stored | None:
        if type(returned) is not self.row:
            raise TypeError(f"returned {type(returned).__name__}, the state is {self.row.__name__}")
        return returned
