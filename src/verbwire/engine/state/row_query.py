"""Reading a selection of one partition's rows, by the indexes of its store."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TypeVar

from verbwire.engine.state.connections import NotAtOnceError
from verbwire.engine.state.copy_schema import column_name
from verbwire.queries.selection import KEY, Selection, Value

T = TypeVar("T")

_STEPS = 20_000  # of SQLite's virtual machine, about a millisecond
# The words first, then the rows that have them: a quarter less than `rowid in (select ...)`.
_SEARCHED = "search cross join rows on rows.rowid = search.rowid"
_MATCHES = "search match ?"


def select(
    connection: sqlite3.Connection, selection: Selection, after: bytes, limit: int, size: int = sys.maxsize
) -> list[tuple[bytes, bytes]]:
    """Return up to `limit` rows from behind the place `after`, each as its place and its value, in their order.

    They end with the row whose value brings them to `size` bytes.
    """
    ranges = list(_stretches(selection, after))
    if len(ranges) == 1:
        return _read(connection, selection, ranges[0], limit, size)
    found: list[tuple[bytes, bytes]] = []
    connection.execute("begin")  # one state of the partition, whatever is written between two statements
    try:
        for record_range in ranges:
            found += _read(connection, selection, record_range, limit - len(found), size - size_of(found))
    finally:
        connection.execute("rollback")
    return found


def at_once(connection: sqlite3.Connection, read: Callable[[], T]) -> T:
    """Return what is read; NotAtOnceError where that takes SQLite more than some thousand steps.

    No index may fit what is asked for, and what a step costs is known: as much as a few microseconds.
    """
    # SQLite counts the steps of a statement from when it was prepared, and it is used again and again: the first call
    # may come at any step of it, the second comes so many later.
    spared = iter([False])
    connection.set_progress_handler(lambda: next(spared, True), _STEPS)
    try:
        return read()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
            raise
        raise NotAtOnceError from None
    finally:
        connection.set_progress_handler(None, 0)


def size_of(rows: Sequence[tuple[bytes, bytes]]) -> int:
    """Return how many bytes their values have."""
    return sum(len(value) for _, value in rows)


@dataclass(frozen=True, slots=True)
class _Stretch:
    """A part of the order that one index walks through: rows without a value to sort by stand apart."""

    order: str
    where: str = "true"
    bound: tuple[Value, ...] = ()


def _stretches(selection: Selection, after: bytes) -> Iterator[_Stretch]:
    if selection.sort is None:
        yield _Stretch("key", "key > ?", (after,))
        return
    column, way = column_name(selection.sort), "desc" if selection.descending else "asc"
    behind = "<" if selection.descending else ">"
    empty = _Stretch(f"key {way}", f"{column} is null")
    full = _Stretch(f"{column} {way}, key {way}", f"{column} is not null")
    value, key = selection.at(after) if after else (None, None)
    if key is None:
        yield from (full, empty) if selection.descending else (empty, full)
    elif value is None:
        yield _Stretch(empty.order, f"{empty.where} and key {behind} ?", (key,))
        yield from () if selection.descending else (full,)
    else:
        yield _Stretch(full.order, f"({column}, key) {behind} (?, ?)", (value, key))
        yield from (empty,) if selection.descending else ()


def _read(
    connection: sqlite3.Connection, selection: Selection, record_range: _Stretch, limit: int, size: int
) -> list[tuple[bytes, bytes]]:
    if limit <= 0 or size <= 0:
        return []
    sort = column_name(selection.sort) if selection.sort is not None else "null"
    tests = [
        f"{'key' if each.column == KEY else column_name(each.column)} {each.operator} ?"
        for each in selection.conditions
    ]
    bound: list[Value] = [each.value for each in selection.conditions]
    source = "rows"
    if selection.search is not None:
        source = _SEARCHED
        tests.append(_MATCHES)
        bound.append(selection.search)
    sql = (
        f"select key, {sort}, value from {source} where {' and '.join([*tests, record_range.where])} "
        f"order by {record_range.order} limit ?"
    )
    found: list[tuple[bytes, bytes]] = []
    with closing(connection.execute(sql, (*bound, *record_range.bound, limit))) as rows:
        for key, value, row in rows:
            found.append((key if sort == "null" else selection.place(value, key), row))
            size -= len(row)
            if size <= 0:
                break
    return found
