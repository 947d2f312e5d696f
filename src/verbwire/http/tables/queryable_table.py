"""A table as HTTP serves it: one row by its key, or rows of some partitions in one order."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import msgspec

from verbwire.engine.restore.repartition_progress import RepartitionProgress
from verbwire.engine.state.connections import NotAtOnceError
from verbwire.engine.state.reader import StoreReader
from verbwire.errors import MessageError, UnavailableError, UndecodableError
from verbwire.http.avro_json import encode
from verbwire.http.base import limits, problem_types
from verbwire.http.base.limits import PageLimits
from verbwire.http.base.problem import HttpProblem, unavailable
from verbwire.http.forwarding.partial_list import PartialList
from verbwire.http.tables.log_ends import LogEndSource
from verbwire.http.tables.paging import PageWindow
from verbwire.http.tables.parked_rows import parked_problem, parked_summary
from verbwire.http.tables.table_switch import TableSwitch
from verbwire.http.tables.wanted_rows import WantedRows
from verbwire.messages import Message
from verbwire.observability.watch.throttle import Throttle
from verbwire.queries.plan import QueryableRow, row_key
from verbwire.queries.selection import EVERYTHING, Selection
from verbwire.wire.keys import key_text_parser, parse_key

_throttle = Throttle[tuple[str, int]]()
_log = logging.getLogger("verbwire.http")
_RESTORING_SECONDS = 1
_STOPPED_SECONDS = 30  # an operator has to decide first
_ATTEMPTS = 3  # a partition may leave between looking and reading


def _no(_: bytes) -> None:
    """It has to be decoded, by a schema that may not be known."""


class FoundRow(NamedTuple):
    """One row as it was found."""

    json: bytes | None  # None: there is none, or none to be seen
    behind: int | None  # how many records its partition is behind; None: none
    stale: bool = False  # later records of its key are parked


@dataclass(frozen=True)
class QueryableTable:
    """A table that HTTP shows. `decode` reads a row as it stands in the changelog, and may have to ask for its schema.

    `index` and `search` are those of its declaration, `repartition_progress` is there where events count under
    other keys than their own, `cluster` where Kafka can be asked for end offsets. `shown` returns the JSON of a row
    without decoding it, None where it has to be; `knows` tells whether that needs nobody to be asked. With a `switch`
    it stands for whichever generation of the table answers, and has no rows of its own. What reads the
    disk is called off the loop, but for :meth:`row_at_once`; `decode` and these two by several threads.
    """

    store_reader: StoreReader
    decode: Callable[[bytes], Message | None]
    index: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    repartition_progress: RepartitionProgress | None = None
    cluster: LogEndSource | None = None
    shown: Callable[[bytes], bytes | None] = _no
    knows: Callable[[bytes], bool | None] = _no
    switch: TableSwitch[QueryableTable] | None = None

    @property
    def name(self) -> str:
        """The full name."""
        return self.store_reader.name

    @cached_property
    def rows(self) -> QueryableRow:
        """What queries have to know of it."""
        return QueryableRow.of(self.name, self.store_reader.row, self.index, self.search)

    def key(self, text: str) -> bytes:
        """Return the key that a text is; 400 for what cannot be one."""
        row = self.store_reader.row
        try:
            key = self._key(text)
            if len(row.key) > 1:  # a time may have been written with more digits than the field keeps
                key = row_key(self.rows, dict(zip(row.key, parse_key(row, key), strict=True)))
            return self.checked(key)
        except MessageError as error:
            raise HttpProblem(problem_types.BAD_KEY, str(error)) from None

    @cached_property
    def _key(self) -> Callable[[str], bytes]:
        return key_text_parser(self.store_reader.row)

    def checked(self, key: bytes) -> bytes:
        """Return the key unless it is too long: 400."""
        if len(key) > limits.KEY:
            raise HttpProblem(problem_types.BAD_KEY, f"the key has {len(key)} bytes: at most {limits.KEY} are allowed")
        return key

    def partition_of(self, key: bytes) -> int:
        """Return the partition in which a row stands."""
        return self.store_reader.partition_of(key)

    def row(
        self, partition: int, key: bytes, see: Callable[[Message], bool] | None = None, stale: bool = False
    ) -> FoundRow:
        """Return one row as JSON, None where there is none, and by how many records its partition is behind.

        A row that is not to be seen is not there, and takes as long: then another row is read and looked at in its
        place. 503 when the partition is not here, or records of the key are parked, unless it may be `stale`.
        """
        return self._here(
            partition, key, stale, lambda: self._any(partition, key) if see is None else self._seen(key, see)
        )

    def row_at_once(self, partition: int, key: bytes, stale: bool = False) -> FoundRow:
        """Return the same without waiting for anything but the disk; :class:`NotAtOnceError` where that cannot be."""
        return self._here(partition, key, stale, lambda: self._any_at_once(partition, key))

    def _here(self, partition: int, key: bytes, stale: bool, read: Callable[[], bytes | None]) -> FoundRow:
        state = self.store_reader.states[partition]
        parked = state.parked.get(key)  # before the row: what is handled meanwhile may not be in it yet
        epoch, behind = state.epoch, state.behind()
        try:
            row = read()
        except UnavailableError:
            raise self.not_here(partition) from None
        if state.epoch != epoch:
            raise self.not_here(partition)
        if parked is not None and not stale and self._is_told(partition, key, row):
            raise parked_problem(self.name, parked)
        return FoundRow(row, behind, parked is not None)

    def _is_told(self, partition: int, key: bytes, row: bytes | None) -> bool:
        """Whether one is told that a key is parked: not where there is a row that is not to be seen."""
        return row is not None or self.store_reader.get_from(partition, key) is None

    def find(
        self,
        partitions: Sequence[int],
        selection: Selection,
        window: PageWindow,
        pages: PageLimits,
        *,
        whole: bool,
        patient: bool = True,
    ) -> PartialList:
        """Return what these partitions have of a list: as many rows as reach to the window's end, in order.

        With `whole` they are all there is, so that rows which the window skips are not read: their JSON is empty. Rows
        that are large end it early, with `more`.
        Partitions that are not here, or hold a row of the list that cannot be read, are named; 503 when they keep
        moving meanwhile. :class:`NotAtOnceError` where it is not `patient` and would have to wait.
        """
        left = [*partitions]
        while True:
            try:
                found = self._find(
                    left, selection, window, pages, patient, whole=whole and len(left) == len(partitions)
                )
            except _UnreadableRow as row:
                left.remove(row.partition)
            else:
                missing = sorted({*found.missing, *partitions} - found.positions.keys())
                return found if len(left) == len(partitions) else msgspec.structs.replace(found, missing=missing)

    def _find(
        self,
        partitions: Sequence[int],
        selection: Selection,
        window: PageWindow,
        pages: PageLimits,
        patient: bool,
        *,
        whole: bool,
    ) -> PartialList:
        for _ in range(_ATTEMPTS):
            ready = set(self.store_reader.ready())
            here = [partition for partition in partitions if partition in ready]
            # Before the rows: these are as new as what was applied by then, or newer.
            epochs = self._epochs(here)
            positions = {partition: dict(self.store_reader.states[partition].inputs) for partition in here}
            behind = self.store_reader.behind()
            parked = sum(len(self.store_reader.states[partition].parked) for partition in here)
            try:
                share = 1.0 if whole else len(partitions) / self.store_reader.partitions
                shown, more = self._shown(here, selection, window, pages, share, patient, whole=whole)
            except UnavailableError:
                continue
            if epochs != self._epochs(here):
                continue
            missing = [partition for partition in partitions if partition not in positions]
            late = {partition: behind[partition] for partition in here if partition in behind}
            return PartialList(shown, more, positions, missing, late, parked)
        raise unavailable(
            problem_types.NOT_READY, f"partitions of table {self.name} are moving: ask again", _RESTORING_SECONDS
        )

    def summary(self) -> dict[str, Any]:
        """What there is to know of the table without reading a row of it; ``rows`` counts those that are here."""
        ready, behind = self.store_reader.ready(), self.store_reader.behind()
        try:
            rows: int | None = self.store_reader.count()
        except UnavailableError:  # a partition left just now
            rows = None
        return {
            "name": self.name,
            "row": self.store_reader.row.name,
            "key": list(self.store_reader.row.key),
            "index": list(self.rows.columns),
            "search": list(self.search),
            "partitions": self.store_reader.partitions,
            "ready_partitions": ready,
            "missing_partitions": [partition for partition in self.store_reader.states if partition not in ready],
            "states": {str(partition): state for partition, state in self.store_reader.lifecycle().items()},
            "stopped": {str(partition): why for partition, why in self.store_reader.stopped().items()},
            "other_code": {str(partition): what for partition, what in self.store_reader.other_code().items()},
            "behind": {str(partition): behind[partition] for partition in ready if partition in behind},
            "complete": len(ready) == self.store_reader.partitions and not behind,
            "rows": rows,
            "dead_letters": self.store_reader.dead_letters(),
            "parked": {
                str(each): parked_summary(its.parked)
                for each, its in self.store_reader.states.items()
                if its.parked and its.path is not None
            },
        }

    @cached_property
    def json(self) -> Callable[[Message], bytes]:
        """What writes a row."""
        return encode.encoder(self.store_reader.row)

    def not_here(self, partition: int) -> HttpProblem:
        """Return 503: this worker cannot answer for a partition now."""
        stopped = self.store_reader.states[partition].stopped is not None
        why = "is stopped until an operator decides" if stopped else "is being restored, or another worker has it"
        detail = f"partition {partition} of table {self.name} {why}: ask again, or see GET /tables"
        return unavailable(problem_types.NOT_READY, detail, _STOPPED_SECONDS if stopped else _RESTORING_SECONDS)

    def _any(self, partition: int, key: bytes) -> bytes | None:
        value = self.store_reader.get_from(partition, key)
        return None if value is None else self._text(EVERYTHING, key, value)

    def _any_at_once(self, partition: int, key: bytes) -> bytes | None:
        value = self.store_reader.get_from(partition, key, patient=False)
        return None if value is None else self._text(EVERYTHING, key, value, patient=False)

    def _text(self, selection: Selection, place: bytes, value: bytes, patient: bool = True) -> bytes:
        """Return a row as JSON; NotAtOnceError where its schema has to be asked for, and that is not `patient`."""
        if (text := self.shown(value)) is not None:
            return text
        if not patient and not self.knows(value):
            raise NotAtOnceError
        return self.json(self._message(selection, place, value))

    def _seen(self, key: bytes, see: Callable[[Message], bool]) -> bytes | None:
        found = self.store_reader.nearest(key)
        if found is None:
            return None
        place, value = found
        try:
            row = self._message(EVERYTHING, place, value)
        except HttpProblem:
            if place == key:
                raise
            return None
        return self.json(row) if see(row) and place == key else None

    def _epochs(self, partitions: Iterable[int]) -> list[int]:
        """Tell, asked twice, whether one of them was started over in between: it may be behind again."""
        return [self.store_reader.states[partition].epoch for partition in partitions]

    def _shown(
        self,
        here: list[int],
        selection: Selection,
        window: PageWindow,
        pages: PageLimits,
        share: float,
        patient: bool,
        *,
        whole: bool,
    ) -> tuple[list[tuple[bytes, bytes]], bool]:
        """Return rows with their JSON, as many as are wanted and fit, and whether there are more."""
        shown: list[tuple[bytes, bytes]] = []
        stop, unread = window.skip + window.size, window.skip if whole else 0
        room = pages.page if whole else _part(window, share, pages)
        wanted = WantedRows(selection, window.after, stop + 1, pages.chunk)
        for place, value in wanted.of(self.store_reader, here, patient):
            if len(shown) == stop:
                return shown, True
            text = self._text(selection, place, value, patient) if len(shown) >= unread else b""
            if len(text) > room and len(shown) > unread:
                return shown, True
            room -= len(text)
            shown.append((place, text))
        return shown, False

    def _message(self, selection: Selection, place: bytes, value: bytes) -> Message:
        try:
            row = self.decode(value)
        except UnavailableError:
            detail = f"the schema of a row of {self.name} cannot be fetched from the registry: ask again"
            raise unavailable(problem_types.NO_SCHEMA, detail) from None
        except UndecodableError as error:
            _, key = selection.at(place)
            partition = self.partition_of(key)
            if _throttle.admit((self.name, partition)) is not None:
                _log.error(
                    "%s: the row of the key %r (partition %d) cannot be read: %s", self.name, key, partition, error
                )
            raise _UnreadableRow(self.name, partition) from None
        if row is None:
            raise TypeError(f"table {self.name} holds something that is no {self.store_reader.row.name}")
        return row


def _part(window: PageWindow, share: float, pages: PageLimits) -> int:
    """Return how many bytes those partitions may answer with which are this share of all.

    Of a page that skips rows it is not known yet in which part those are: all of them are sent.
    """
    return pages.deep_part if window.skip else max(pages.part, int(pages.page * share))


class _UnreadableRow(HttpProblem):
    """The 503 of a row that the code here cannot decode: its content stays unknown, that it exists is no secret."""

    def __init__(self, table: str, partition: int) -> None:
        detail = f"a row in partition {partition} of table {table} cannot be read: the worker's log has the cause"
        super().__init__(problem_types.UNREADABLE_ROW, detail, {"Retry-After": str(_STOPPED_SECONDS)})
        self.partition = partition
