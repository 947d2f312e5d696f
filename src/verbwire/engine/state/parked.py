"""The parked records of one partition: by key and number, kept in the local copy, their keys in memory as well.

A key's records have numbers without gaps: new ones come at the end, the first is done first.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, TypeAlias

PARKED_FACT = "vw_parked"
"""A fact: how many records of the partition are parked."""


class ParkedRow(NamedTuple):
    """A parked record as the copy keeps it."""

    since: int  # milliseconds
    reason: str  # why it cannot be handled; empty: it waits behind one that cannot
    value: bytes  # as it stands in the log


class ParkedKey(NamedTuple):
    """A key whose records are parked, from number `first` to before `next`; since when, and why the first is."""

    first: int
    next: int
    since: int
    reason: str

    @property
    def records(self) -> int:
        """How many there are."""
        return self.next - self.first


ParkedChanges: TypeAlias = dict[tuple[bytes, int], ParkedRow | None]
"""What a transaction does to parked records, by key and number; None: it is parked no more."""

PARKED_TABLE = """
    create table if not exists parked (
        key blob not null, number integer not null, since integer not null, reason text not null, value blob not null,
        primary key (key, number)) without rowid;"""
_KEYS = """
    select parked.key, span.first, span.next, parked.since, parked.reason from parked join (
        select key, min(number) as first, max(number) + 1 as next from parked group by key) as span
    on parked.key = span.key and parked.number = span.first"""


class ParkedKeys:
    """The keys of one partition that are parked, and what transactions under way have changed. The engine's thread's.

    A mapping for whoever reads it: `standing` is replaced, never changed.
    """

    def __init__(self, keys: Mapping[bytes, ParkedKey]) -> None:
        self.standing: Mapping[bytes, ParkedKey] = keys
        self._under_way: list[tuple[threading.Event, ParkedChanges]] = []

    def __bool__(self) -> bool:
        return bool(self.standing)

    def __contains__(self, key: bytes) -> bool:
        return key in self.standing

    @property
    def records(self) -> int:
        """How many there are of all keys."""
        return sum(each.records for each in self.standing.values())

    def set(self, key: bytes, parked: ParkedKey | None) -> None:
        """Note how it stands with a key from now on; None: it is parked no more."""
        standing = {each: its for each, its in self.standing.items() if each != key}
        self.standing = standing if parked is None else {**standing, key: parked}

    def follow(self, written: threading.Event, changes: ParkedChanges) -> None:
        """Look into these changes, too, until the store has them."""
        if all(changes is not each for _, each in self._under_way):
            self._under_way = [each for each in self._under_way if not each[0].is_set()]
            self._under_way.append((written, changes))

    def ahead(self, found: Mapping[int, ParkedRow], key: bytes, numbers: Iterable[int]) -> Iterator[tuple[int, bytes]]:
        """Yield what stands under these numbers: as the store has `found` it, or a transaction has left it since."""
        for number in numbers:
            row = found.get(number)
            for _, changes in self._under_way:
                row = changes.get((key, number), row)
            if row is not None:
                yield number, row.value


def make_table(connection: sqlite3.Connection) -> None:
    """Make the table where there is none: copies of earlier releases have none."""
    connection.execute(PARKED_TABLE)


def parked_keys(connection: sqlite3.Connection) -> dict[bytes, ParkedKey]:
    """Return the keys that are parked."""
    return {bytes(key): ParkedKey(*rest) for key, *rest in connection.execute(_KEYS)}


def parked_rows(connection: sqlite3.Connection, key: bytes, first: int, limit: int) -> dict[int, ParkedRow]:
    """Return up to `limit` records of a key by their numbers, from `first` on."""
    query = "select number, since, reason, value from parked where key = ? and number >= ? order by number limit ?"
    return {number: ParkedRow(*rest) for number, *rest in connection.execute(query, (key, first, limit))}


def write_parked(connection: sqlite3.Connection, changes: ParkedChanges) -> None:
    """Write changes, within a transaction of the caller's."""
    gone = [place for place, row in changes.items() if row is None]
    kept = [(*place, *row) for place, row in changes.items() if row is not None]
    connection.executemany("delete from parked where key = ? and number = ?", gone)
    connection.executemany("insert or replace into parked values (?, ?, ?, ?, ?)", kept)
