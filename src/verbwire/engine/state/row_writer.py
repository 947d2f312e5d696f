"""Writes what one transaction, or one piece of restored log, did to a partition into its file."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from operator import itemgetter

from verbwire.engine.state.changes import DedupEntry, StoreChanges
from verbwire.engine.state.copy_meta import SET_ALL
from verbwire.engine.state.parked import write_parked
from verbwire.queries.selection import Value

# Two logs may tell how far the inputs are, and the one that knows less may be restored last.
_FURTHER = "on conflict (name) do update set value = max(cast(value as integer), cast(excluded.value as integer))"
_KEY = itemgetter(0)


class RowWriter:
    """Writes by one connection; `names` are the columns behind key and value.

    `chunk` is how many rows a statement writes at the most: sqlite3 gives up the GIL once a statement, or once a row of
    `executemany`, and has to win it back each time. So what is left over goes by halves of that.
    """

    def __init__(self, connection: sqlite3.Connection, names: Sequence[str], chunk: int = 256) -> None:
        self._connection = connection
        self._names = ("key", "value", *names)
        self._sizes = [1 << bit for bit in reversed(range(chunk.bit_length()))]

    def write(self, changes: StoreChanges) -> None:
        """Write all of it, or nothing."""
        with self._transaction():
            self._upsert([(key, *row) for key, row in changes.rows.items() if row is not None])
            self._delete([key for key, row in changes.rows.items() if row is None])
            self._remember(changes.answers)
            if changes.parked:
                write_parked(self._connection, changes.parked)
            self._note(changes)

    def forget_input(self, topic: str) -> None:
        """Forget the position of an input."""
        self._connection.execute("delete from meta where name = ?", ("input " + topic,))

    # -- inside

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("begin immediate")
        try:
            yield
            self._connection.execute("commit")
        except BaseException:
            if self._connection.in_transaction:  # SQLite has rolled back by itself where the disk is full or broken
                self._connection.execute("rollback")
            raise

    def _note(self, changes: StoreChanges) -> None:
        """Note how far the copy is, and facts."""
        meta: list[tuple[str, str | bytes]] = [("position " + log, str(at)) for log, at in changes.positions.items()]
        meta.append(("touched", str(time.time())))
        meta += [("fact " + name, value) for name, value in changes.facts.items()]
        self._connection.execute(SET_ALL + _places(len(meta), 2), _flat(meta))
        for topic in changes.forgotten:
            self.forget_input(topic)
        inputs = [("input " + topic, str(offset)) for topic, offset in changes.inputs.items()]
        if changes.time is not None:
            inputs.append(("time", str(changes.time)))
        if inputs:
            self._connection.execute(f"insert into meta values {_places(len(inputs), 2)} {_FURTHER}", _flat(inputs))

    def _upsert(self, rows: list[tuple[Value, ...]]) -> None:
        """Write rows in the order of their keys: neighbours stand on one page."""
        names = self._names
        update = ", ".join(f"{name} = excluded.{name}" for name in names[1:])
        rows.sort(key=_KEY)
        self._chunks(
            rows,
            lambda n: (
                f"insert into rows ({', '.join(names)}) values {_places(n, len(names))} "
                f"on conflict (key) do update set {update}"
            ),
        )

    def _delete(self, keys: list[bytes]) -> None:
        self._chunks([(key,) for key in keys], lambda n: f"delete from rows where key in ({marks(n)})")

    def _remember(self, answers: Mapping[str, DedupEntry]) -> None:
        rows: list[tuple[Value, ...]] = [(name, a.at, a.fingerprint, a.outcome) for name, a in answers.items()]
        self._chunks(rows, lambda n: "insert or replace into answers values " + _places(n, 4))

    def _chunks(self, rows: Sequence[tuple[Value, ...]], statement: Callable[[int], str]) -> None:
        done = 0
        for size in self._sizes:
            text = statement(size) if len(rows) - done >= size else ""
            while len(rows) - done >= size:
                part = rows[done : done + size]
                self._connection.execute(text, _flat(part))
                done += size


def _places(rows: int, columns: int) -> str:
    return ", ".join([f"({marks(columns)})"] * rows)


def _flat(rows: Sequence[tuple[Value, ...]]) -> list[Value]:
    return [value for row in rows for value in row]


def marks(n: int) -> str:
    """Return so many places for values."""
    return ", ".join("?" * n)
