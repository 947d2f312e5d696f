"""The processor of a table: row and event in, row out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

from verbwire.declarations.context import Context
from verbwire.declarations.handlers import Handler
from verbwire.engine.dead_letters import dead_letter, legible
from verbwire.engine.hearing import Hearing
from verbwire.engine.plan import Halt
from verbwire.engine.records import Record
from verbwire.engine.rekeying import Repartition
from verbwire.engine.shard import Shard
from verbwire.engine.transaction import Transaction
from verbwire.errors import UndecodableError
from verbwire.messages import Row


class Heard(NamedTuple):
    """What a record says to the handler of a row that is in this partition."""

    record: Record  # as it was read: a stop or a dead letter names its place
    source: Record  # as it was first written
    message: Any
    handler: Handler
    key: bytes
    context: Context | None  # where the handler wants one
    at: tuple[int, int] = (0, 0)  # in a table of windows: the event's time and its window's start, in microseconds


class Elsewhere(NamedTuple):
    """A record that counts in another partition."""

    key: bytes


class Refused(NamedTuple):
    """A record that becomes a dead letter."""

    reason: str
    detail: str


class LeftOut(NamedTuple):
    """A record that is counted under this name, and nothing more."""

    name: str


class Sent(NamedTuple):
    """A record that goes out with what changed."""

    topic: str
    partition: int
    key: bytes
    value: bytes
    headers: Sequence[tuple[str, bytes]]


Taken: TypeAlias = Heard | Elsewhere | Refused | LeftOut | Halt | None  # None: it says nothing to this group


@dataclass(kw_only=True)
class Fold:
    """Folds messages into rows, each under the key it counts under; with a `repartition` that may be another's."""

    hearings: Mapping[str, Hearing]  # topic -> how its records are read
    row: type[Row]
    encode: Callable[[bytes, Row], object]  # raises where the row does not fit its contract or its key
    normal: Callable[[Row], Row]  # the row as it will be read back
    dead_letters: str
    repartition: Repartition | None = None
    skips: frozenset[tuple[str, int, int]] = field(default_factory=frozenset)  # (topic, partition, offset)

    def process(self, shard: Shard, records: Sequence[Record], transaction: Transaction, careful: bool) -> int:
        """Fold these records, in order, and return how many there was time for."""
        taken = self._take_all(records, transaction)
        shard.begin(each.key for each in taken if isinstance(each, Heard))
        for done, (record, each) in enumerate(zip(records, taken, strict=False)):
            if done and transaction.is_late():
                return done
            match each:
                case Heard():
                    self._fold(shard, each, transaction, careful)
                case Elsewhere(key) if self.repartition is not None:
                    self.repartition.hand_over(transaction, record, key)
                case Refused(reason, detail):
                    dead_letter(transaction, self.dead_letters, record, reason, detail)
                case LeftOut(name):
                    transaction.count(name)
                case Halt():
                    raise each
        return len(taken)

    # -- what the records say

    def _take_all(self, records: Sequence[Record], transaction: Transaction) -> list[Taken]:
        """Read the records until the transaction is late, or one must not be passed; the rows' keys are known then."""
        taken: list[Taken] = []
        for record in records:
            if self.repartition and taken and transaction.is_late():  # where a function of the user's tells the key
                break
            try:
                taken.append(self._take(record))
            except UndecodableError as error:
                taken.append(Refused("undecodable", str(error)))
            except Halt as halt:
                taken.append(halt)
                break
        return taken

    def _take(self, record: Record) -> Taken:
        repartition, source, handed_over = self.repartition, record, False
        if repartition is not None and record.topic == repartition.topic:
            source, handed_over = repartition.source_of(record), True
        hearing = self.hearings.get(source.topic)
        if hearing is None:
            raise UndecodableError(f"{source.topic} is not heard here")
        if self.skips and (record.topic, record.partition, record.offset) in self.skips:
            return Refused("skipped", "the settings say to skip it")
        said = hearing.hear(source, handed_over)
        if said is None:
            return None
        message, handler, key = said
        if repartition is not None and not handed_over and repartition.partition_of(key) != record.partition:
            return Elsewhere(key)
        context = hearing.context(source) if handler.wants_context else None
        return Heard(record, source, message, handler, key, context)

    # -- what comes of it

    def _fold(self, shard: Shard, heard: Heard, transaction: Transaction, careful: bool) -> None:
        before, handler, context = shard.get(heard.key), heard.handler, heard.context
        try:
            returned = handler.function(before, heard.message, *(() if context is None else (context,)))
            after, sent = self._read(heard, returned)
            if after is not None and after is not before:
                after = self.normal(after)
            if careful and after is not None:
                self.encode(heard.key, after)
        except Exception as error:
            raise _to_blame(heard, error) from error
        for each in sent:
            transaction.produce(each.topic, each.partition, each.key, each.value, each.headers)
        if after is not before:
            shard.put(heard.key, after)

    def _read(self, heard: Heard, returned: object) -> tuple[Row | None, Sequence[Sent]]:  # noqa: ARG002 (see Lead)
        """Return the row, and what is sent besides: by a table, nothing."""
        if returned is not None and type(returned) is not self.row:
            raise TypeError(f"returned {type(returned).__name__}, the table's row is {self.row.__name__}")
        return returned, ()


def _to_blame(heard: Heard, error: Exception) -> Halt:
    """Return the stop at a record whose handler failed."""
    record, source = heard.record, heard.source
    came = "" if source is record else f", with {source.topic}/{source.partition}/{source.offset}"
    return Halt(record, legible(f"{heard.handler.where} raised {type(error).__name__}{came}: {error}"))
