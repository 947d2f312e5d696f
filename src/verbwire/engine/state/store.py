"""The local copy of one partition: rows, what queries filter on, remembered ids, and how far it is.

One SQLite file. It is written only after Kafka has committed, in one local transaction with its positions:
the copy may lag the log, it never leads it. What is lost here is read again from the log.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from verbwire.engine.state.connections import READERS, connect
from verbwire.engine.state.sqlite_errors import is_damage, is_outage, outage
from verbwire.errors import UnavailableError
from verbwire.queries.selection import Value
from verbwire.security.private_files import private_file, private_folder

FORMAT = "3"
WORDS = "words"  # the column of the text that is searched
_CHUNK = 256  # rows a statement: sqlite3 gives up the GIL once a statement, and has to win it back each time
_LOOKUP = 500
_CHANGED = {
    "columns": "its index has changed",
    "search": "its search has changed",
    "format": "another version wrote it",
}
_SET = "insert or replace into meta values (?, ?)"
# Two logs may tell how far the inputs are, and the one that knows less may be restored last.
_ADVANCE = (
    "insert into meta values (?, ?) "
    "on conflict (name) do update set value = max(cast(value as integer), cast(excluded.value as integer))"
)
# The index holds no text of its own, it reads the rows'. SQLite before 3.43 cannot delete from one that has none to
# read; the triggers say what it has to forget.
_FULL_TEXT = """
    create virtual table if not exists search using
        fts5(words, content='rows', content_rowid='rowid', tokenize="unicode61 remove_diacritics 2");
    create trigger if not exists search_insert after insert on rows when new.words is not null begin
        insert into search (rowid, words) values (new.rowid, new.words);
    end;
    create trigger if not exists search_delete after delete on rows when old.words is not null begin
        insert into search (search, rowid, words) values ('delete', old.rowid, old.words);
    end;
    create trigger if not exists search_update after update of words on rows when old.words is not new.words begin
        insert into search (search, rowid, words)
            select 'delete', old.rowid, old.words where old.words is not null;
        insert into search (rowid, words) select new.rowid, new.words where new.words is not null;
    end;
"""


@dataclass(frozen=True, slots=True)
class DedupEntry:
    """The outcome that a partition keeps of a command id, for deduplication."""

    fingerprint: bytes  # empty where the same id may be tried again: it failed, or expired
    outcome: bytes  # the outcome log's record, framed
    at: int  # milliseconds since the epoch, the outcome log's clock


@dataclass(slots=True)
class StoreChanges:
    """What one committed transaction, or one piece of restored log, did to a partition."""

    rows: dict[bytes, tuple[Value, ...] | None] = field(default_factory=dict)  # value, columns, words; None deletes
    answers: dict[str, DedupEntry] = field(default_factory=dict)
    positions: dict[str, int] = field(default_factory=dict)  # log -> next offset to restore from
    inputs: dict[str, int] = field(default_factory=dict)  # input topic -> next offset to read
    time: int | None = None  # the newest event time, microseconds since the epoch, in a table of windows
    facts: dict[str, bytes] = field(default_factory=dict)  # about the partition, by the name of their header
    forgotten: list[str] = field(default_factory=list)  # input topics that are others by now: what was read of them


class PartitionStore:
    """One partition's file. `columns` are indexed beside the row; `identity` says whose copy it is.

    Where fields are named under `search`, the last value of each row is their text, or None, for a full text index.

    A file that is damaged, of another identity, or not caught up for longer than `max_age` seconds (tombstones
    may be gone from the log by then) is thrown away and starts empty: the log restores it. Damage that shows only
    later raises UnavailableError: the next open finds it empty. So does a disk that is full,
    a file that cannot be opened or is locked, which is kept: a later open finds it as it was.
    """

    def __init__(
        self,
        path: Path,
        columns: Sequence[str] = (),
        identity: Mapping[str, str] | None = None,
        max_age: float | None = None,
        search: Sequence[str] = (),
    ) -> None:
        self.path = path
        self.columns = tuple(columns)
        self.search = tuple(search)
        self.rebuilt: str | None = None  # why the previous file was thrown away
        fields = {"columns": ",".join(columns), "search": ",".join(search)}
        self._identity = {"format": FORMAT, **fields, **(identity or {})}
        self._max_age = max_age
        self._connections: list[sqlite3.Connection] = []  # the writer; readers are borrowed (connections.py)
        try:
            private_folder(path.parent)
            self._open()
        except OSError as error:
            raise outage(path, error) from error
        except sqlite3.DatabaseError as error:
            if is_outage(error):
                raise outage(path, error) from error
            self.rebuild(f"{'damaged' if is_damage(error) else 'no store of ours'}: {error}")

    def close(self) -> None:
        """Close what is open of the file; nothing is lost, every write was one transaction."""
        READERS.close(self.path)
        for connection in self._connections:
            connection.close()

    def rebuild(self, why: str) -> None:
        """Throw the file away and start empty."""
        self.close()
        self._unlink()
        self._max_age = None
        with self._noticing_damage():
            self._open()
        self.rebuilt = why

    def position(self, log: str) -> int:
        """The offset in `log` from which the copy has to be brought up to date."""
        with self._noticing_damage():
            return int(self._meta("position " + log) or 0)

    def inputs(self) -> dict[str, int]:
        """For each input topic the next offset to read, as far as the logs tell."""
        return {topic: int(value) for topic, value in self._named("input ")}

    def time(self) -> int | None:
        """The newest event time, in microseconds since the epoch, where the table is one of windows."""
        with self._noticing_damage():
            found = self._meta("time")
        return None if found is None else int(found)

    def facts(self) -> dict[str, bytes]:
        """Return the facts about the partition as a whole, by the name of the header."""
        return {name: bytes(value) for name, value in self._named("fact ")}

    def forget_input(self, topic: str) -> None:
        """Forget the position of an input that is another topic by now."""
        with self._noticing_damage():
            self._writer.execute("delete from meta where name = ?", ("input " + topic,))

    def below(self, column: str, value: int, limit: int) -> list[bytes]:
        """The keys of up to `limit` rows whose column is less than `value`, the least of them first."""
        name = column_name(column)
        query = f"select key from rows where {name} < ? order by {name} limit ?"
        with self._reading() as reader:
            return [key for (key,) in reader.execute(query, (value, limit))]

    def get(self, keys: Iterable[bytes]) -> dict[bytes, bytes]:
        """The rows under these keys, as they stand in the changelog; absent keys are left out."""
        return self._lookup("select key, value from rows where key in", keys)

    def answers(self, ids: Iterable[str]) -> dict[str, DedupEntry]:
        """What is remembered of these command ids."""
        with self._reading() as reader:
            return self._answers(reader, ids)

    def recall(self, ids: Iterable[str]) -> dict[str, DedupEntry]:
        """The same for the committing thread, which has the writer's connection to itself."""
        with self._noticing_damage():
            return self._answers(self._writer, ids)

    def _answers(self, connection: sqlite3.Connection, ids: Iterable[str]) -> dict[str, DedupEntry]:
        found: dict[str, DedupEntry] = {}
        every = list(ids)
        for start in range(0, len(every), _LOOKUP):
            part = every[start : start + _LOOKUP]
            query = f"select id, fingerprint, outcome, at from answers where id in ({_marks(len(part))})"
            for name, fingerprint, outcome, at in connection.execute(query, part):
                found[name] = DedupEntry(fingerprint, outcome, at)
        return found

    def count(self) -> int:
        """How many rows there are."""
        with self._reading() as reader:
            return int(reader.execute("select count(*) from rows").fetchone()[0])

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """Every row, in the order of the keys."""
        with self._reading() as reader:
            rows = reader.execute("select key, value from rows order by key").fetchall()
        yield from rows

    def beginnings(self, size: int) -> list[bytes]:
        """The first `size` bytes of the rows, each once; reads all of them."""
        with self._reading() as reader:
            return [bytes(each) for (each,) in reader.execute("select distinct substr(value, 1, ?) from rows", (size,))]

    def apply(self, changes: StoreChanges) -> None:
        """Write all of it, or nothing."""
        with self._noticing_damage():
            self._writer.execute("begin immediate")
            try:
                self._write(changes)
                self._writer.execute("commit")
            except BaseException:
                if self._writer.in_transaction:  # SQLite has rolled back by itself where the disk is full or broken
                    self._writer.execute("rollback")
                raise

    def forget_answers(self, before: int) -> None:
        """Drop remembered ids older than `before` (milliseconds since the epoch)."""
        with self._noticing_damage():
            self._writer.execute("delete from answers where at < ?", (before,))

    # -- inside

    @contextmanager
    def _noticing_damage(self) -> Iterator[None]:
        """Let go of a file that turns out to be damaged; connections of other threads keep what they have open."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            if is_outage(error):
                raise outage(self.path, error) from error
            if not is_damage(error):
                raise
            self._unlink()
            raise UnavailableError(f"{self.path} is damaged ({error}): restoring it from the log") from error

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._noticing_damage(), READERS.reading(self.path) as connection:
            yield connection

    def _unlink(self) -> None:
        READERS.close(self.path)
        for suffix in ("", "-wal", "-shm"):
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)

    def _write(self, changes: StoreChanges) -> None:
        self._upsert([(key, *row) for key, row in changes.rows.items() if row is not None])
        self._delete([key for key, row in changes.rows.items() if row is None])
        self._remember(changes.answers)
        meta = [("position " + log, str(offset)) for log, offset in changes.positions.items()]
        meta.append(("touched", str(time.time())))
        self._writer.executemany(_SET, meta)
        self._writer.executemany(_SET, [("fact " + name, value) for name, value in changes.facts.items()])
        for topic in changes.forgotten:
            self.forget_input(topic)
        inputs = [("input " + topic, str(offset)) for topic, offset in changes.inputs.items()]
        self._writer.executemany(_ADVANCE, inputs)
        if changes.time is not None:
            self._writer.execute(_ADVANCE, ("time", str(changes.time)))

    def _open(self) -> None:
        """Connect, to what is there if it is a copy of ours; where that fails nothing stays open."""
        try:
            self._connect()
            self._look()
        except BaseException:
            self.close()
            raise

    def _look(self) -> None:
        if not self._writer.execute("select 1 from sqlite_master where name = 'meta'").fetchone():
            return self._create()
        known = {name: self._meta(name) for name in self._identity}
        if changed := sorted(name for name in known if known[name] != self._identity[name]):
            return self.rebuild(" and ".join(_CHANGED.get(name, f"another {name}") for name in changed))
        touched = float(self._meta("touched") or time.time())
        if self._max_age is not None and time.time() - touched > self._max_age:
            return self.rebuild(f"not caught up for {time.time() - touched:.0f} s, allowed are {self._max_age:.0f}")
        return None

    def _create(self) -> None:
        """Make the tables, and say what they are of, at once: columns that are there are the ones that are named."""
        tables = _tables(self._names()) + (_FULL_TEXT if self.search else "")
        self._writer.executescript("begin immediate;" + tables)
        self._writer.executemany(_SET, self._identity.items())
        self._writer.execute("commit")

    def _connect(self) -> None:
        if not self.path.exists():
            private_file(self.path)  # SQLite gives what it keeps beside it the same mode
        self._writer = connect(self.path)
        self._connections = [self._writer]
        self._writer.executescript(
            f"pragma journal_mode=wal; pragma synchronous=normal; pragma cache_size=-{READERS.cache_bytes // 1024}"
        )

    def _names(self) -> list[str]:
        return [*map(column_name, self.columns), *([WORDS] if self.search else [])]

    def _meta(self, name: str) -> str | None:
        found = self._writer.execute("select value from meta where name = ?", (name,)).fetchone()
        return None if found is None else str(found[0])

    def _named(self, prefix: str) -> list[tuple[str, Any]]:
        with self._reading() as reader:
            found = reader.execute("select name, value from meta where name like ?", (prefix + "%",)).fetchall()
        return [(name[len(prefix) :], value) for name, value in found]

    def _lookup(self, select: str, keys: Iterable[bytes]) -> dict[bytes, bytes]:
        found: dict[bytes, bytes] = {}
        every = list(keys)
        with self._reading() as reader:
            for start in range(0, len(every), _LOOKUP):
                part = every[start : start + _LOOKUP]
                found.update(reader.execute(f"{select} ({_marks(len(part))})", part).fetchall())
        return found

    def _upsert(self, rows: list[tuple[Value, ...]]) -> None:
        names = ("key", "value", *self._names())
        update = ", ".join(f"{name} = excluded.{name}" for name in names[1:])
        one = f"({_marks(len(names))})"
        self._chunks(
            rows,
            lambda n: (
                f"insert into rows ({', '.join(names)}) values {', '.join([one] * n)} "
                f"on conflict (key) do update set {update}"
            ),
        )

    def _delete(self, keys: list[bytes]) -> None:
        self._chunks([(key,) for key in keys], lambda n: f"delete from rows where key in ({_marks(n)})")

    def _remember(self, answers: Mapping[str, DedupEntry]) -> None:
        rows: list[tuple[Value, ...]] = [(name, a.at, a.fingerprint, a.outcome) for name, a in answers.items()]
        marks = ["(?, ?, ?, ?)"]
        self._chunks(rows, lambda n: "insert or replace into answers values " + ", ".join(marks * n))

    def _chunks(self, rows: Sequence[tuple[Value, ...]], statement: Callable[[int], str]) -> None:
        done = 0
        for size in (_CHUNK, 16, 1):
            text = statement(size) if len(rows) - done >= size else ""
            while len(rows) - done >= size:
                part = rows[done : done + size]
                self._writer.execute(text, [value for row in part for value in row])
                done += size


def column_name(field_name: str) -> str:
    """The column of a declared field; the prefix keeps it apart from ours."""
    return f"f_{field_name}"


def copy_bytes(path: Path) -> int:
    """Return the bytes of a copy on the disk, its write-ahead log included; 0 where it is gone."""
    found = 0
    for file in (path, path.with_name(path.name + "-wal")):
        with suppress(OSError):
            found += file.stat().st_size
    return found


def _marks(n: int) -> str:
    return ", ".join("?" * n)


def _tables(columns: Sequence[str]) -> str:
    own = "".join(f", {each}" for each in columns)
    indexes = "".join(
        f"create index if not exists by_{each} on rows ({each}, key);" for each in columns if each != WORDS
    )
    return f"""
        create table if not exists meta (name text primary key, value text);
        create table if not exists rows (key blob not null unique, value blob not null{own});
        create table if not exists answers (id text primary key, at integer, fingerprint blob, outcome blob);
        {indexes}"""
