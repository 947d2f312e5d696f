"""Processes the events of a table: row and event in, row out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import msgspec

from verbwire.declarations.context import Context
from verbwire.declarations.handlers import Handler
from verbwire.declarations.parking import PARKS_NO_MORE
from verbwire.engine.processors.inputs import UNREAD, InputReader
from verbwire.engine.processors.parking import RecordParking
from verbwire.engine.processors.repartition import Repartitioner
from verbwire.engine.processors.requests import OperatorRequests
from verbwire.engine.processors.skips import SKIPS_FACT, Skips
from verbwire.engine.state.partition_cache import PartitionCache
from verbwire.engine.topology import StopPartition
from verbwire.engine.transactions.dead_letters import dead_letter, legible
from verbwire.engine.transactions.transaction import Transaction
from verbwire.errors import UndecodableError
from verbwire.kafka.record import Record, place_of
from verbwire.messages import Stored
from verbwire.observability.watch.handlers import EngineStep, HandlerWatch
from verbwire.observability.watch.tracebacks import summary


class Matched(msgspec.Struct, gc=False):
    """A message, its handler, and the key of a row that is in this partition."""

    record: Record  # as it was read: a stop or a dead letter names its place
    source: Record  # as it was first written
    message: Any
    handler: Handler
    key: bytes
    context: Context | None  # where the handler wants one
    traceparent: str | None = None  # of the span that it is handled in, where there is one
    at: tuple[int, int] = (0, 0)  # in a table of windows: the event's time and its window's start, in microseconds


class ForeignKey(NamedTuple):
    """A record whose key belongs to another partition."""

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
Decoded: TypeAlias = (
    Matched | ForeignKey | DeadLettered | Skipped | StopPartition | None
)  # None: this group has no handler for it

Apply: TypeAlias = Callable[[PartitionCache, Matched, Transaction], None]
Around: TypeAlias = Callable[[Apply, PartitionCache, Matched, Transaction], None]


@dataclass(kw_only=True)
class TableProcessor:
    """Folds messages into rows, each under the key it counts under; with a `repartition` that may be another's."""

    input_readers: Mapping[str, InputReader]  # topic -> how its records are read
    row: type[Stored]
    encode: Callable[[bytes, Stored], object]  # raises where the row does not fit its contract or its key
    normal: Callable[[Stored], Stored]  # the row as it will be read back
    dead_letters: str
    repartition: Repartitioner | None = None
    skips: Skips = field(default_factory=Skips)
    requests: OperatorRequests | None = None
    parking: RecordParking | None = None  # None: the partition stops at a record that cannot be handled
    watch: HandlerWatch = field(default_factory=lambda: HandlerWatch(""))
    around: Around | None = None  # applies a message by way of the function that it is given: where traces are kept

    def process(self, cache: PartitionCache, records: Sequence[Record], transaction: Transaction) -> int:
        """Fold these records, in order, and return how many there was time for."""
        self.watch.enter()
        if SKIPS_FACT in cache.facts:
            self.skips.learn(cache)
        if self.requests is not None and records[0].topic == self.requests.topic:
            return self.requests.process(cache, records, transaction)
        try:
            return self._process(cache, records, transaction)
        finally:
            self.watch.spot.at = None

    def _process(self, cache: PartitionCache, records: Sequence[Record], transaction: Transaction) -> int:
        decoded = self._decode_all(records, transaction)
        cache.begin([each.key for each in decoded if type(each) is Matched])
        apply = self._apply if self.around is None else partial(self.around, self._apply)
        parked = cache.parked
        for done, (record, each) in enumerate(zip(records, decoded, strict=False)):
            if done and transaction.is_late():
                return done
            match each:
                case Matched():
                    if parked.standing and each.key in parked.standing:
                        self._hold(cache, each, transaction)
                        continue
                    try:
                        apply(cache, each, transaction)
                    except StopPartition as stop:
                        if self.parking is None:
                            raise
                        self.parking.park(cache, each.key, stop, transaction)
                case ForeignKey(key) if self.repartition is not None:
                    self.repartition.forward(transaction, record, key)
                case DeadLettered():
                    self._dead_letter(transaction, record, each)
                    if each.reason == SKIPPED:
                        self.skips.done(cache, record)
                case Skipped(name):
                    transaction.count(name)
                case StopPartition():
                    raise each
        return len(decoded)

    def match(self, record: Record) -> Decoded:
        """Return what a record is to this group, and deal with nothing; UndecodableError for no message.

        For those who ask which row a record counts in.
        """
        return self._decode(record)

    # -- decoding

    def _decode_all(self, records: Sequence[Record], transaction: Transaction) -> list[Decoded]:
        """Decode records up to the transaction's time limit or the first one that must stop the partition."""
        decoded: list[Decoded] = []
        for record, message in zip(records, self._messages(records), strict=True):
            if self.repartition and decoded and transaction.is_late():  # the key comes from a function of the user's
                break
            try:
                decoded.append(self._decode(record, message))
            except UndecodableError as error:
                decoded.append(DeadLettered("undecodable", str(error)))
            except StopPartition as stop:
                if stop.__cause__ is not None:
                    self.watch.raised(_KEYS.where, record, stop.__cause__)
                decoded.append(stop)
                break
        return decoded

    def _messages(self, records: Sequence[Record]) -> Iterable[Any]:
        """Return what the records hold, where one reader has them all: they are of one topic."""
        topic = records[0].topic
        one_by_one = self.skips or (self.repartition and topic == self.repartition.topic)  # a skipped one is not read
        reader = None if one_by_one else self.input_readers.get(topic)
        return [UNREAD] * len(records) if reader is None else reader.decode_all(records)

    def _decode(self, record: Record, message: Any = UNREAD) -> Decoded:
        repartition, source, is_repartitioned = self.repartition, record, False
        if repartition is not None and record.topic == repartition.topic:
            source, is_repartitioned = repartition.source_of(record), True
        reader = self.input_readers.get(source.topic)
        if reader is None:
            raise UndecodableError(f"this group does not read {source.topic}")
        if self.skips and (why := self.skips.why(record)):
            return DeadLettered(SKIPPED, why)
        if repartition is not None:
            self.watch.spot.handler, self.watch.spot.at = _KEYS, record
        decoded = reader.read(source, is_repartitioned, message)
        if decoded is None:
            return None
        message, handler, key = decoded
        if repartition is not None and not is_repartitioned and repartition.partition_of(key) != record.partition:
            return ForeignKey(key)
        context = reader.context(source) if handler.wants_context else None
        return Matched(record, source, message, handler, key, context)

    # -- applying

    def _apply(self, cache: PartitionCache, matched: Matched, transaction: Transaction) -> None:
        before, handler, context = cache.get(matched.key), matched.handler, matched.context
        spot = self.watch.spot
        spot.handler, spot.at = handler, matched.record
        try:
            message, function = matched.message, handler.function
            returned = function(before, message) if context is None else function(before, message, context)
            after = self._row(returned)
            if after is not None and after is not before:
                after = self.normal(after)
            if transaction.checks_rows(cache.partition) and after is not None:
                self.encode(matched.key, after)
        except BaseException as error:  # sys.exit(), too: the next worker would meet the record again, and end as well
            traceback = self.watch.raised(handler.where, matched.record, error)
            raise to_blame(matched, error, handler, traceback) from error
        if after is not before:
            cache.put(matched.key, after)

    def _hold(self, cache: PartitionCache, matched: Matched, transaction: Transaction) -> None:
        """Let a record wait behind those of its key that are parked."""
        if self.parking is None:
            raise StopPartition(matched.record, f"its key is {PARKS_NO_MORE}")
        self.parking.hold(cache, matched.key, matched.record, transaction)

    def again(self, cache: PartitionCache, key: bytes, record: Record, transaction: Transaction) -> None:
        """Fold a record that was parked under this key; StopPartition where it cannot be handled yet."""
        match decoded := self._decode(record):
            case Matched() if decoded.key in cache.parked.standing and decoded.key != key:
                self._hold(cache, decoded, transaction)  # the code that says under which key it counts was mended, too
            case Matched():
                cache.load([decoded.key])
                apply = self._apply_parked if self.around is None else partial(self.around, self._apply_parked)
                apply(cache, decoded, transaction)
            case ForeignKey(key) if self.repartition is not None:
                self.repartition.forward(transaction, record, key)
            case DeadLettered():
                self._dead_letter(transaction, record, decoded)
            case Skipped(name):
                transaction.count(name)
            case StopPartition():
                raise decoded

    def _apply_parked(self, cache: PartitionCache, matched: Matched, transaction: Transaction) -> None:
        """Apply a message that has waited."""
        self._apply(cache, matched, transaction)

    def _dead_letter(self, transaction: Transaction, record: Record, refused: DeadLettered) -> None:
        if refused.reason == SKIPPED:
            self.watch.skipped(record, refused.detail)
        else:
            self.watch.dead_lettered(refused.reason, record, refused.detail)
        dead_letter(transaction, self.dead_letters, record, refused.reason, refused.detail)

    def _row(self, returned: object) -> Stored | None:
        if returned is not None and type(returned) is not self.row:
            raise TypeError(f"returned {type(returned).__name__}, the table's row is {self.row.__name__}")
        return returned


def to_blame(matched: Matched, error: BaseException, handler: Handler, traceback: str = "") -> StopPartition:
    """Return the stop at a record whose handler failed."""
    record, source = matched.record, matched.source
    came = "" if source is record else f", with {place_of(source)}"
    kind, _, text = summary(error).partition(": ")
    return StopPartition(record, legible(f"{handler.where} raised {kind}{came}: {text}"), legible(traceback))
