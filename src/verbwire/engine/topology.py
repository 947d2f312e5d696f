"""Describes one group: which topics it reads, which logs restore it, and what processes its records."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import Protocol, TypeAlias

from verbwire.declarations.window import Window
from verbwire.engine.code.facts import CurrentCode
from verbwire.engine.state.beside import Beside
from verbwire.engine.state.changes import StoreChanges
from verbwire.engine.state.partition_cache import PartitionCache
from verbwire.engine.transactions.record_limits import RecordLimits
from verbwire.engine.transactions.transaction import Transaction
from verbwire.kafka.broker_clock import BrokerClock
from verbwire.kafka.record import Record
from verbwire.messages import Stored
from verbwire.observability.watch.handlers import HandlerWatch
from verbwire.queries.selection import Value
from verbwire.wire.records.rebuilds import RowExchange

ROWS = "rows"
ANSWERS = "answers"
PARKED = "parked"
EncodedRows: TypeAlias = Mapping[bytes, tuple[Value, ...] | None]
"""Rows by their keys as the changelog and the local copy keep them: the value, columns, words; None is deleted."""


@dataclass(frozen=True)
class Log:
    """A topic that a group writes in its transactions, and from which its store is restored."""

    name: str
    topic: str
    absorb: Callable[[StoreChanges, Record], None]  # applies one of its records to the store
    may_be_empty: bool = False  # though its group has been at work


class Processor(Protocol):
    """Turns records into the contents of a transaction. Runs on the engine's thread, calls the user's functions."""

    @property
    def watch(self) -> HandlerWatch:
        """Knows what those functions raise, and which of them is running."""
        ...

    def process(self, cache: PartitionCache, records: Sequence[Record], transaction: Transaction) -> int:
        """Process the records of one partition and topic, in order, until the transaction is late; return how many.

        Raises :class:`StopPartition` for a record that must not be skipped; what came before it is dealt with.
        """


class Requests(Protocol):
    """What operators ask of a group, as far as the engine has to know of it."""

    @property
    def topic(self) -> str:
        """The topic of their requests, an input."""
        ...

    def unblock(self, records: Sequence[Record]) -> bool:
        """Whether one of these lets a partition go on that is stopped."""
        ...

    def skips_place(self, place: str) -> bool:
        """Whether the record at this place is to be skipped."""
        ...


class StopPartition(Exception):  # noqa: N818 (a signal, not an error: the partition stops here)
    """Stops the partition at `record` until an operator fixes the handler or skips the record."""

    def __init__(self, record: Record, reason: str, traceback: str = "") -> None:
        super().__init__(reason)
        self.record = record
        self.reason = reason
        self.traceback = traceback  # of what its handler raised


class StopDue(Exception):  # noqa: N818 (a signal, not an error: the partition stops here)
    """Stops the partition at what is due for one key; `done` of the keys before it are dealt with."""

    def __init__(self, done: int, key: bytes, reason: str) -> None:
        super().__init__(reason)
        self.done = done
        self.key = key
        self.reason = reason


Fire: TypeAlias = Callable[[PartitionCache, Sequence[bytes], int, Transaction], int]
Begin: TypeAlias = Callable[[PartitionCache, int], None]


@dataclass(frozen=True)
class Due:
    """What falls due in a group: rows with a time, kept in one of its `own_columns` (`due_order.py` has its form).

    Once the broker's clock is there, `fire` is given a partition, the keys of rows that are due, in order of time, and
    the time in milliseconds; the rows are loaded. It changes or deletes each of them, produces what comes of it, stops
    when the transaction is late, and returns how many it was. None is fired twice, and none that was changed or
    deleted before. StopDue where one must not be passed over.

    `begin`, where it is there, is called before, once a partition has been restored: it loads what rows it likes, and
    changes them.
    """

    column: str
    clock: BrokerClock
    fire: Fire
    begin: Begin | None = None


@dataclass(frozen=True, slots=True)
class ExchangePlaces:
    """Where an exchange of an aggregate's states has what it needs.

    `group` has folded them from the `events`, to the changelog `rows`; what they replace goes to the changelog `kept`.
    """

    group: str
    events: str
    rows: str
    kept: str


@dataclass(frozen=True)
class Topology:
    """One group."""

    group: str
    table: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]  # what it writes besides its logs, in partitions of the same number
    partitions: int
    logs: tuple[Log, ...]
    columns: tuple[str, ...]
    encode: Callable[[Mapping[bytes, Stored | None]], EncodedRows]
    decode: Callable[[bytes], Stored]
    processor: Processor
    code: CurrentCode
    search: tuple[str, ...] = ()  # fields whose text stands behind the columns
    own_columns: tuple[str, ...] = ()  # behind them, of no field: no query sees them
    beside: Beside | None = None  # what its changelog keeps with each row
    repartition: str | None = None  # the topic, an input too, by which it hands records to itself under other keys
    requests: Requests | None = None  # of operators: their topic is an input, too
    limits: RecordLimits = field(default_factory=RecordLimits)  # of the topics that it writes
    targets: Mapping[str, int] = field(default_factory=dict)  # topics of others that it sends to, and their partitions
    commands: Mapping[str, Sequence[str]] = field(
        default_factory=dict
    )  # that it receives: full name -> rejection codes
    in_time_order: timedelta | None = None  # its sources are read in the order of their records' time, to within this
    window: Window | None = None  # that its rows are of: the newest event time goes with its inputs' positions
    due: Due | None = None  # where rows fall due
    exchanges: Callable[[RowExchange], ExchangePlaces] | None = None  # where its rows may be exchanged for others

    @property
    def kept_columns(self) -> tuple[str, ...]:
        """What the copy keeps beside its rows, by name."""
        return (*self.columns, *self.own_columns)

    @property
    def sources(self) -> tuple[str, ...]:
        """The inputs that others write; what operators ask for is none of them."""
        own = (self.repartition, self.requests.topic if self.requests else None)
        return tuple(topic for topic in self.inputs if topic not in own)

    @property
    def writes_progress(self) -> bool:
        """Whether each transaction is to say in the changelog how far it is, though it changed no row.

        Of others it does not matter: reading again what changed no row changes none.
        """
        return self.repartition is not None or self.window is not None

    @property
    def writes_may_wait(self) -> bool:
        """Whether what is committed may reach the copies later: nobody but the cache looks for rows in them.

        Commands are answered once their rows are there; windows and what is due is looked for there. What is parked is
        too, behind what the cache knows of what is under way, and a transaction that parks is written at once.
        """
        return not self.commands and self.window is None and self.due is None

    @property
    def written(self) -> tuple[str, ...]:
        """All topics that it writes."""
        return (*self.outputs, *(log.topic for log in self.logs), *self.targets)

    @cached_property
    def changelog(self) -> str:
        """The topic of the rows."""
        return next(log.topic for log in self.logs if log.name == ROWS)
