"""The processor of a table: row and event in, row out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from verbwire.declarations.context import Context
from verbwire.declarations.handlers import Handler
from verbwire.engine.contexts import context_of
from verbwire.engine.dead_letters import dead_letter, legible
from verbwire.engine.plan import Halt
from verbwire.engine.records import Record
from verbwire.engine.shard import Shard
from verbwire.engine.transaction import Transaction
from verbwire.errors import UndecodableError
from verbwire.messages import Message, Row
from verbwire.wire.codec import TopicDecoder


@dataclass
class Fold:
    """Folds events into rows under the events' own keys."""

    decoders: Mapping[str, TopicDecoder]  # topic -> decoder
    handlers: Mapping[Any, Handler]  # class of event -> handler
    row: type[Row]
    encode: Callable[[bytes, Row], object]  # raises where the row does not fit its contract or its key
    dead_letters: str
    skips: frozenset[tuple[str, int, int]] = field(default_factory=frozenset)  # (topic, partition, offset)

    def process(self, shard: Shard, records: Sequence[Record], transaction: Transaction, careful: bool) -> int:
        """Fold these events, in order, and return how many there was time for."""
        shard.begin(record.key for record in records if record.key)
        decode = self.decoders[records[0].topic].decode
        for done, record in enumerate(records):
            if done and transaction.is_late():
                return done
            try:
                event = decode(record.value) if record.key else _no_key()
                context = self._context(event, record)
            except UndecodableError as error:
                dead_letter(transaction, self.dead_letters, record, "undecodable", str(error))
                continue
            if event is None:
                continue
            if self.skips and (record.topic, record.partition, record.offset) in self.skips:
                dead_letter(transaction, self.dead_letters, record, "skipped", "the settings say to skip it")
                continue
            self._fold(shard, record, event, context, careful)
        return len(records)

    def _context(self, event: Message | None, record: Record) -> Context | None:
        return context_of(record) if event is not None and self.handlers[type(event)].wants_context else None

    def _fold(self, shard: Shard, record: Record, event: Message, context: Context | None, careful: bool) -> None:
        handler, key = self.handlers[type(event)], record.key or b""
        before = shard.get(key)
        try:
            after = handler.function(before, event, *(() if context is None else (context,)))
            if after is not None and type(after) is not self.row:
                raise TypeError(f"returned {type(after).__name__}, the table's row is {self.row.__name__}")
            if careful and after is not None:
                self.encode(key, after)
        except Exception as error:
            raise Halt(record, legible(f"{handler.where} raised {type(error).__name__}: {error}")) from error
        if after is not before:
            shard.put(key, after)


def _no_key() -> Message:
    raise UndecodableError("the record has no key")
