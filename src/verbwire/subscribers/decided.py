"""The memory of a job: which ids have an outcome, as the outcome log says it.

A partition's part is read when the first of its commands comes after an assignment, up to where the log ends by then:
what the owner before us may still have written lies below (`outcome_writer` says why).
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from verbwire.engine.processors.outcomes import dedup_entry_of
from verbwire.errors import UndecodableError
from verbwire.subscribers.partition_state import PartitionInFlight
from verbwire.wire.codec.topics import TopicDecoder
from verbwire.wire.records.outcomes import OutcomeRecord
from verbwire.wire.topics import OUTCOME_RETENTION_MS

log = logging.getLogger(__name__)

_FORGET_EVERY = 1000  # lines
_TABLE = """
CREATE TABLE decided (
    part INTEGER, id TEXT, place INTEGER, fingerprint BLOB, line BLOB, at INTEGER, PRIMARY KEY (part, id)
)"""
_SET = "INSERT OR REPLACE INTO decided VALUES (?, ?, ?, ?, ?, ?)"


class KnownOutcome(NamedTuple):
    """What is known of an id: the newest line of the outcome log about it."""

    place: int  # the offset of the command that it is the outcome of
    fingerprint: bytes  # of that command; empty where the same id may be tried again
    line: bytes  # framed


class DecidedCommands:
    """Remembers the outcomes of one job for as long as aggregates do. Safe to call from any thread.

    Kept in a temporary file of SQLite's own, which is gone with the process: in memory as long as it is small.
    `lines` gives the lines of a partition with their timestamps, by :class:`UnavailableError` where it cannot yet.
    """

    def __init__(
        self, lines: Callable[[int], Iterable[tuple[bytes, int]]], decoder: TopicDecoder, now_ms: Callable[[], int]
    ) -> None:
        self._lines = lines
        self._decoder = decoder
        self._now_ms = now_ms
        self._lock = threading.Lock()
        self._kept = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._kept.execute(_TABLE)
        self._noted = 0

    def of(self, in_flight: PartitionInFlight, partition: int, id: str) -> KnownOutcome | None:
        """Return what is known of an id; None where that is nothing. UnavailableError where the log cannot be read."""
        with self._lock:
            if partition not in in_flight.recalled:
                self._recall(partition)
                in_flight.recalled.add(partition)
            wanted = "SELECT place, fingerprint, line FROM decided WHERE part = ? AND id = ?"
            found = self._kept.execute(wanted, (partition, id)).fetchone()
        return None if found is None else KnownOutcome(*found)

    def note(self, line: OutcomeRecord, value: bytes) -> None:
        """Note an outcome that is in the log."""
        now = self._now_ms()
        with self._lock:
            self._kept.execute(_SET, _row(line, value, now))
            self._noted += 1
            if self._noted % _FORGET_EVERY == 0:
                self._kept.execute("DELETE FROM decided WHERE at < ?", (now - OUTCOME_RETENTION_MS,))

    def close(self) -> None:
        """Forget everything."""
        with self._lock:
            self._kept.close()

    def _recall(self, partition: int) -> None:
        self._kept.execute("BEGIN")
        try:
            self._kept.execute("DELETE FROM decided WHERE part = ?", (partition,))
            self._kept.executemany(_SET, self._rows(partition))
            self._kept.execute("COMMIT")
        except BaseException:
            self._kept.execute("ROLLBACK")
            raise

    def _rows(self, partition: int) -> Iterator[tuple[object, ...]]:
        for value, at in self._lines(partition):
            try:
                line = self._decoder.decode(value)
            except UndecodableError as error:
                log.warning("a record of an outcome log is passed over: %s", error)
                continue
            if isinstance(line, OutcomeRecord):
                yield _row(line, value, at)


def _row(line: OutcomeRecord, value: bytes, at: int) -> tuple[object, ...]:
    known = dedup_entry_of(line, value, at)
    return line.partition, line.command_id, line.offset, known.fingerprint, value, at
