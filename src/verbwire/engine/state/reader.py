"""Reads a group's local stores from other threads: which partitions are here, how far they are, and their rows.

The engine writes the status, HTTP and Faust read it. A partition that is not running answers no query: a wrong row is
worse than none.
"""

from __future__ import annotations

import logging
import sqlite3
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from verbwire.contracts.schema.model import Contract
from verbwire.engine.state.changes import DedupEntry
from verbwire.engine.state.connections import READERS, Lending
from verbwire.engine.state.copy_schema import INSTANCE, column_name
from verbwire.engine.state.parked import ParkedKey
from verbwire.engine.state.partition_state import CLOSED, RETRYING, RUNNING, STOPPED, SUSPENDED, PartitionState
from verbwire.engine.state.recent_lists import STAMPS
from verbwire.engine.state.row_query import at_once, select
from verbwire.engine.state.scans import ScanResults
from verbwire.engine.state.store import copy_bytes
from verbwire.errors import UnavailableError
from verbwire.kafka.progress import InputProgress
from verbwire.queries.selection import EVERYTHING, Selection, Value
from verbwire.wire.keys import key_bytes, parse_key
from verbwire.wire.partitioner import partition_of

LAST_STEP = "last_step"
"""The column of a process's copy that has when an instance made its last step, in milliseconds since the epoch."""

log = logging.getLogger(__name__)
_LAST_STEP = column_name(LAST_STEP)
_NEAREST = """
    select key, value from rows where key = coalesce(
        (select key from rows where key >= ? order by key limit 1), (select key from rows order by key limit 1))"""


@dataclass
class EndOffsets:
    """The end offsets of a partition's inputs when it was restored: until it has read that far, its table is behind."""

    ends: dict[str, int] = field(default_factory=dict)  # input topic -> offset
    complete: bool = True  # whether that of the repartition topic is known, too


@dataclass
class PartitionStatus:
    """One partition of a table in this process. Plain attributes: written by the engine, read by any thread."""

    partition: int
    state: PartitionState = CLOSED  # written by `PartitionLifecycle` alone
    reason: str = ""  # for the state, where that is STOPPED or RETRYING
    path: Path | None = None  # the store's file, while this worker owns the partition
    epoch: int = 0  # counts up when the file may be another one: an answer read from the one before is dropped
    other_code: str | None = None  # which parts of the code that folded it were others before, and up to where
    inputs: dict[str, int] = field(default_factory=dict)  # input topic -> next offset to read, applied so far
    timestamps: dict[str, int] = field(default_factory=dict)  # input topic -> of the first record at work, or that was
    end_offsets: EndOffsets = field(default_factory=EndOffsets)  # replaced whenever it is restored
    parked: Mapping[bytes, ParkedKey] = field(default_factory=dict)  # replaced, never changed
    dead_letters: int = 0  # how many records of its past are dead letters

    @property
    def ready(self) -> bool:
        """Whether queries may read it, as long as the lease holds."""
        return self.state is RUNNING

    @property
    def stopped(self) -> str | None:
        """Why it processes nothing, where an operator or a disk is waited for."""
        return self.reason if self.state in (STOPPED, RETRYING) else None

    def lag(self, topics: Collection[str] | None = None) -> int:
        """The lag behind the end offsets: records, markers of transactions among them, that it has yet to read."""
        inputs, ends = self.inputs, self.end_offsets.ends
        return sum(max(0, ends.get(each, 0) - inputs.get(each, 0)) for each in (ends if topics is None else topics))

    def has_read(self, topics: Collection[str]) -> bool:
        """Whether it is here, stopped or not, and has read these topics to where they ended then."""
        return self.path is not None and not self.lag(topics)

    def progress(self, topics: Collection[str]) -> list[InputProgress]:
        """Return how far it is with these inputs; while it is being restored that is not known."""
        inputs = {} if self.path is None else self.inputs
        return [InputProgress(each, self.partition, inputs.get(each), self.timestamps.get(each)) for each in topics]

    def behind(self) -> int | None:
        """Return how many records it is behind its end offsets, as far as they are known; None once it is there."""
        complete, lag = self.end_offsets.complete, self.lag()
        return None if complete and not lag else lag


def _always() -> bool:
    return True


def _no_waiter(partition: int) -> None:
    """No request waits for it."""


def _no_observer() -> None:
    """Nobody is told."""


class StoreReader:
    """Reads one table as this worker has it, from any thread; each answer is one consistent state of a partition.

    `lease` says whether what is here is known to be this worker's alone. It is asked before a read and after it: a
    process may be stopped in between, and go on when others have long been ahead of it.
    """

    def __init__(self, name: str, row: Contract, partitions: int) -> None:
        self.name = name  # the group's name; HTTP also knows it by any unique end of it
        self.row = row
        self.partitions = partitions
        self.states = {partition: PartitionStatus(partition) for partition in range(partitions)}
        self._scans = ScanResults()  # of who counts
        self.lease: Callable[[], bool] = _always
        self.moved: Callable[[int], None] = _no_waiter  # called by the engine when a partition got further, or is gone
        self.changed: Callable[[], None] = _no_observer  # called when partitions are in another state

    def ready(self) -> list[int]:
        """The partitions that this worker can answer for now, by their state and the lease."""
        return [partition for partition, state in self.states.items() if state.ready] if self.lease() else []

    def has(self, partition: int) -> bool:
        """Whether it can answer for that one."""
        return self.states[partition].ready and self.lease()

    def behind(self) -> dict[int, int]:
        """Of the partitions that this worker can answer for those that have not caught up, and by how many records."""
        found = {partition: self.states[partition].behind() for partition in self.ready()}
        return {partition: behind for partition, behind in found.items() if behind is not None}

    def stopped(self) -> dict[int, str]:
        """The partitions that are stopped or retrying here, and why."""
        return {partition: state.stopped for partition, state in self.states.items() if state.stopped is not None}

    def lifecycle(self) -> dict[int, PartitionState]:
        """Return the state of each partition that this worker has. Without a lease none is RUNNING to others."""
        held = self.lease()
        found = {partition: status.state for partition, status in self.states.items() if status.state is not CLOSED}
        return found if held else {each: SUSPENDED if state is RUNNING else state for each, state in found.items()}

    def other_code(self) -> dict[int, str]:
        """The partitions here that were folded by other code before: in which parts of it, and since when no more."""
        states = self.states.values()
        return {each.partition: each.other_code for each in states if each.path is not None and each.other_code}

    def dead_letters(self) -> int:
        """How many records of the past of the partitions that are here are dead letters, the stopped ones included."""
        if not self.lease():
            return 0
        return sum(state.dead_letters for state in self.states.values() if state.ready or state.stopped is not None)

    def parked(self) -> tuple[int, int, float]:
        """How many keys and records are parked in the partitions that are here, and for how many seconds."""
        states = [each for each in self.states.values() if each.path is not None] if self.lease() else []
        every = [its for each in states for its in each.parked.values()]
        oldest = min((its.since for its in every), default=None)
        waited = 0.0 if oldest is None else max(0.0, time.time() - oldest / 1000)
        return len(every), sum(its.records for its in every), waited

    def missing(self) -> list[int]:
        """The partitions that it cannot answer for."""
        ready = set(self.ready())
        return [partition for partition in self.states if partition not in ready]

    def partition_of(self, key: bytes) -> int:
        """Return the partition of a row: its key's, in a table of windows that of its key's first field."""
        first = key_bytes(parse_key(self.row, key)[0]) if len(self.row.key) > 1 else key
        return partition_of(first, self.partitions)

    def get(self, key: bytes) -> bytes | None:
        """Return the row under `key` as it stands in the changelog, or None; UnavailableError when it is not here."""
        return self.get_from(self.partition_of(key), key)

    def get_from(self, partition: int, key: bytes, patient: bool = True) -> bytes | None:
        """Do the same where a key's partition is known.

        Where others read all that may be read at once, it waits for them; NotAtOnceError where it is not `patient`.
        """
        with self._reading(partition, patient) as connection:
            found = connection.execute("select value from rows where key = ?", (key,)).fetchone()
        return None if found is None else bytes(found[0])

    def nearest(self, key: bytes) -> tuple[bytes, bytes] | None:
        """Return the row under `key` with its key; where there is none, another one, in the same time.

        That is the next in order, or the first of all; None where the partition has no rows.
        """
        with self._reading(self.partition_of(key)) as connection:
            found = connection.execute(_NEAREST, (key,)).fetchone()
        return None if found is None else (bytes(found[0]), bytes(found[1]))

    def stamp(self, partition: int) -> int | None:
        """Return what tells whether anything has been written to a partition's copy since, as it is and is ours now.

        None where that is not known; UnavailableError when it is not here.
        """
        state = self.states[partition]
        path = state.path
        self.require(state, path is not None)
        return None if path is None else STAMPS.of(path)

    def page(
        self,
        partition: int,
        after: bytes | None,
        limit: int,
        selection: Selection = EVERYTHING,
        size: int = sys.maxsize,
        patient: bool = True,
    ) -> list[tuple[bytes, bytes]]:
        """Return up to `limit` rows of a partition from behind the place `after`, each with its place, in order.

        They end with the one that brings their values to `size` bytes. In a selection that is not sorted otherwise a
        row's place is its key. NotAtOnceError where it is not `patient` and they take more than a moment to find.
        """
        with self._reading(partition, patient) as connection:
            if patient:
                return select(connection, selection, after or b"", limit, size)
            return at_once(connection, lambda: select(connection, selection, after or b"", limit, size))

    def answer(self, partition: int, command_id: str) -> DedupEntry | None:
        """Return what an aggregate's partition remembers of a command; UnavailableError when it is not here."""
        with self._reading(partition) as connection:
            found = connection.execute(
                "select fingerprint, outcome, at from answers where id = ?", (command_id,)
            ).fetchone()
        return None if found is None else DedupEntry(*found)

    def stands_beside(self, partition: int, mark: bytes) -> bool:
        """Whether what is kept beside the state of any open instance of a process holds these bytes: looks at all.

        UnavailableError when the partition is not here.
        """
        query = f"select 1 from rows where instr({column_name(INSTANCE)}, ?) limit 1"  # noqa: S608 (our own column)
        with self._reading(partition) as connection:
            return connection.execute(query, (mark,)).fetchone() is not None

    def count(self) -> int:
        """How many rows are here, in the partitions that are ready."""
        return sum(self._count(partition) for partition in self.ready())

    def count_of(self, column: str, value: Value) -> int:
        """How many rows are here whose column has a value, in the partitions that are ready."""
        return sum(self._count_of(partition, column, value) for partition in self.ready())

    def oldest_step(self) -> int | None:
        """When the instance of a process that has made no step for longest made its last, in milliseconds.

        None where no instance is open in the partitions that are ready here.
        """
        return min(filter(None, map(self._oldest_step, self.ready())), default=None)

    def size(self) -> int:
        """How many bytes the copies of the partitions take that are ready here."""
        paths = [path for partition in self.ready() if (path := self.states[partition].path) is not None]
        return sum(map(copy_bytes, paths))

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """Every row that is here, partition by partition."""
        for partition in self.ready():
            state, after = self.states[partition], b""
            while state.ready and (rows := self.page(partition, after, 1000)):
                yield from rows
                after = rows[-1][0]

    def _oldest_step(self, partition: int) -> int | None:
        found: int | None = self._looked_up(partition, f"select min({_LAST_STEP}) from rows")  # noqa: S608
        return found

    def _count(self, partition: int) -> int:
        return int(self._looked_up(partition, "select count(*) from rows"))

    def _looked_up(self, partition: int, query: str) -> Any:
        """Return the one value that a query over all rows finds."""

        def scan() -> Any:
            with self._reading(partition) as connection:
                return connection.execute(query).fetchone()[0]

        state = self.states[partition]
        path = state.path
        self.require(state, path is not None)
        return scan() if path is None else self._scans.get(path, query, scan)

    def _count_of(self, partition: int, column: str, value: Value) -> int:
        query = f"select count(*) from rows where {column_name(column)} = ?"  # noqa: S608 (our own column)
        with self._reading(partition) as connection:
            return int(connection.execute(query, (value,)).fetchone()[0])

    def _reading(self, partition: int, patient: bool = True) -> _Reading:
        """A connection to the file that is the partition's copy now, for a ``with`` block."""
        return _Reading(self, self.states[partition], patient)

    def require(self, state: PartitionStatus, same: bool) -> None:
        """Raise UnavailableError unless it is the `same` copy, running, and this worker's."""
        if not (same and state.ready and self.lease()):
            why = state.stopped or "it is being restored, or another worker owns it"
            raise UnavailableError(
                f"partition {state.partition} of table {self.name} is not ready here: {why}; ask again"
            )


class _Reading(Lending):
    """One read: what it reads is the partition's copy at its beginning, and still so at its end."""

    __slots__ = ("_epoch", "_reader", "_state")

    def __init__(self, reader: StoreReader, state: PartitionStatus, patient: bool) -> None:
        self._reader = reader
        self._state = state
        self._epoch, path = state.epoch, state.path  # looked at once: the engine may let go of it at any time
        reader.require(state, path is not None)
        super().__init__(READERS, path or Path(), patient)

    def __enter__(self) -> sqlite3.Connection:
        try:
            return super().__enter__()
        except sqlite3.Error as error:
            raise self._unreadable(error) from error

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        super().__exit__(kind, error, trace)
        if error is None:
            self._reader.require(self._state, self._state.epoch == self._epoch)
        elif isinstance(error, sqlite3.Error):
            raise self._unreadable(error) from error

    def _unreadable(self, error: sqlite3.Error) -> UnavailableError:
        name, partition = self._reader.name, self._state.partition
        log.warning("%s: reading partition %d failed: %s", name, partition, error)
        return UnavailableError(f"partition {partition} of table {name} cannot be read here ({error}); ask again")
