"""The processor of a table: row and event in, row out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

from verbwire.declarations.context import Context
from verbwire.declarations.handlers import Handler
from verbwire.engine.processors.inputs import InputReader
from verbwire.engine.processors.repartition import Repartitioner
from verbwire.engine.state.partition_cache import PartitionCache
from verbwire.engine.topology import StopPartition
from verbwire.engine.transactions.dead_letters import dead_letter, legible
from verbwire.engine.transactions.transaction import Transaction
from verbwire.errors import UndecodableError
from verbwire.handling.record import Record
from verbwire.kafka.place import place_of
from verbwire.messages import Stored
from verbwire.observability.watch.handlers import EngineStep, HandlerWatch
from verbwire.observability.watch.tracebacks import summary


class Matched(NamedTuple):
    """What a record says to the handler of a row that is in this partition."""

    record: Record  # as it was read: a stop or a dead letter names its place
    source: Record  # as it was first written
    message: Any
    handler: Handler
    key: bytes
    context: Context | None  # where the handler wants one
    at: tuple[int, int] = (0, 0)  # in a table of windows: the event's time and its window's start, in microseconds


class ForeignKey(NamedTuple):
    """A record that counts in another partition."""

    key: bytes


class DeadLettered(NamedTuple):
    """A record that becomes a dead letter."""

    reason: str
    detail: str


class Skipped(NamedTuple):
    """A record that is counted under this name, and nothing more."""

    name: str


class Produced(NamedTuple):
    """A record that goes out with what changed."""

    topic: str
    partition: int
    key: bytes
    value: bytes
    headers: Sequence[tuple[str, bytes]]


SKIPPED = "skipped"
_KEYS = EngineStep("its @rekeys")
Taken: TypeAlias = (
    Matched | ForeignKey | DeadLettered | Skipped | StopPartition | None
)  # None: it says nothing to this group


@dataclass(kw_only=True)
class TableProcessor:
    """Folds messages into rows, each under the key it counts under; with a `repartition` that may be another's."""

    hearings: Mapping[str, InputReader]  # topic -> how its records are read
    row: type[Stored]
    encode: Callable[[bytes, Stored], object]  # raises where the row does not fit its contract or its key
    normal: Callable[[Stored], Stored]  # the row as it will be read back
    dead_letters: str
    repartition: Repartitioner | None = None
    skips: frozenset[tuple[str, int, int]] = field(default_factory=frozenset)  # (topic, partition, offset)
    watch: HandlerWatch = field(default_factory=lambda: HandlerWatch(""))

    def process(self, shard: PartitionCache, records: Sequence[Record], transaction: Transaction, careful: bool) -> int:
        """Fold these records, in order, and return how many there was time for."""
        try:
            return self._process(shard, records, transaction, careful)
        finally:
            self.watch.spot.at = None

    def _process(
        self, shard: PartitionCache, records: Sequence[Record], transaction: Transaction, careful: bool
    ) -> int:
        taken = self._take_all(records, transaction)
        shard.begin(each.key for each in taken if isinstance(each, Matched))
        for done, (record, each) in enumerate(zip(records, taken, strict=False)):
            if done and transaction.is_late():
                return done
            match each:
                case Matched():
                    self._fold(shard, each, transaction, careful)
                case ForeignKey(key) if self.repartition is not None:
                    self.repartition.forward(transaction, record, key)
                case DeadLettered():
                    self._refuse(transaction, record, each)
                case Skipped(name):
                    transaction.count(name)
                case StopPartition():
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
                taken.append(DeadLettered("undecodable", str(error)))
            except StopPartition as halt:
                if halt.__cause__ is not None:
                    self.watch.raised(_KEYS.where, record, halt.__cause__)
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
            return DeadLettered(SKIPPED, "the settings say to skip it")
        if repartition is not None:
            self.watch.spot.handler, self.watch.spot.at = _KEYS, record
        said = hearing.hear(source, handed_over)
        if said is None:
            return None
        message, handler, key = said
        if repartition is not None and not handed_over and repartition.partition_of(key) != record.partition:
            return ForeignKey(key)
        context = hearing.context(source) if handler.wants_context else None
        return Matched(record, source, message, handler, key, context)

    # -- what comes of it

    def _fold(self, shard: PartitionCache, heard: Matched, transaction: Transaction, careful: bool) -> None:
        before, handler, context = shard.get(heard.key), heard.handler, heard.context
        spot = self.watch.spot
        spot.handler, spot.at = handler, heard.record
        try:
            returned = handler.function(before, heard.message, *(() if context is None else (context,)))
            after, sent = self._read(heard, returned)
            if after is not None and after is not before:
                after = self.normal(after)
            if careful and after is not None:
                self.encode(heard.key, after)
        except BaseException as error:  # sys.exit(), too: the next worker would meet the record again, and end as well
            self.watch.raised(handler.where, heard.record, error)
            raise _to_blame(heard, error) from error
        for each in sent:
            transaction.produce(each.topic, each.partition, each.key, each.value, each.headers)
        if after is not before:
            shard.put(heard.key, after)

    def _refuse(self, transaction: Transaction, record: Record, refused: DeadLettered) -> None:
        if refused.reason == SKIPPED:
            self.watch.skipped(record)
        else:
            self.watch.buried(refused.reason, record, refused.detail)
        dead_letter(transaction, self.dead_letters, record, refused.reason, refused.detail)

    def _read(self, heard: Matched, returned: object) -> tuple[Stored | None, Sequence[Produced]]:  # noqa: ARG002 (see Lead)
        """Return the row, and what is sent besides: by a table, nothing."""
        if returned is not None and type(returned) is not self.row:
            raise TypeError(f"returned {type(returned).__name__}, the table's row is {self.row.__name__}")
        return returned, ()


def _to_blame(heard: Matched, error: BaseException) -> StopPartition:
    """Return the stop at a record whose handler failed."""
    record, source = heard.record, heard.source
    came = "" if source is record else f", with {place_of(source)}"
    kind, _, text = summary(error).partition(": ")
    return StopPartition(record, legible(f"{heard.handler.where} raised {kind}{came}: {text}"))
