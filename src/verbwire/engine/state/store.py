"""The local copy of one partition: rows, what queries filter on, remembered ids, and how far it is.

One SQLite file. It is written only after Kafka has committed, in one local transaction with its positions:
the copy may lag the log, it never leads it. What is lost here is read again from the log.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from verbwire.engine.state.changes import DedupEntry, StoreChanges
from verbwire.engine.state.connections import READERS
from verbwire.engine.state.copy_meta import SET, adopt, facts_of, is_empty, misfit, position_of, value_of, values_of
from verbwire.engine.state.copy_schema import FORMAT, column_name, column_names, indexes, tables
from verbwire.engine.state.copy_writer import CopyWriter
from verbwire.engine.state.durable import write_through
from verbwire.engine.state.memory import KIB, MEMORY
from verbwire.engine.state.parked import ParkedKey, ParkedRow, parked_keys, parked_rows
from verbwire.engine.state.recent_lists import STAMPS
from verbwire.engine.state.row_writer import RowWriter, marks
from verbwire.engine.state.sqlite_errors import is_damage, is_outage, outage
from verbwire.errors import UnavailableError
from verbwire.queries.selection import Value
from verbwire.security.private_files import private_file, private_folder

_LOOKUP = 500
_MANY = 256  # rows of a transaction
_LEAST_LOG, _MOST_LOG = 1000, 16_000  # pages of a write-ahead log, until they are moved into the file


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
        self.identity = {"format": FORMAT, **fields, **(identity or {})}
        self.names = column_names(self.columns, self.search)
        self.max_age = max_age
        self._writing: CopyWriter | None = None  # readers are borrowed (connections.py)
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
        STAMPS.closed(self.path)
        READERS.close(self.path)
        if self._writing is not None:
            self._writing.close()

    def rebuild(self, why: str) -> None:
        """Throw the file away and start empty."""
        self.close()
        self._unlink()
        with self._noticing_damage():
            self._open()
        self.rebuilt = why

    def replace_by(self, file: Path) -> None:
        """Take a whole copy of the same identity in the place of this one; `file` is closed and written through."""
        self.close()
        self._unlink()
        file.rename(self.path)
        write_through(self.path.parent)
        with self._noticing_damage():
            self._open()

    def position(self, log: str) -> int:
        """The offset in `log` from which the copy has to be brought up to date."""
        with self._writer() as writer:
            return position_of(writer, log)

    def inputs(self) -> dict[str, int]:
        """For each input topic the next offset to read, as far as the logs tell."""
        with self._reading() as reader:
            return {topic: int(value) for topic, value in values_of(reader, "input ")}

    def time(self) -> int | None:
        """The newest event time, in microseconds since the epoch, where the table is one of windows."""
        with self._writer() as writer:
            found = value_of(writer, "time")
        return None if found is None else int(found)

    def facts(self) -> dict[str, bytes]:
        """Return the facts about the partition as a whole, by the name of the header."""
        with self._reading() as reader:
            return facts_of(reader)

    def forget_input(self, topic: str) -> None:
        """Forget the position of an input that is another topic by now."""
        with self._writer() as writer:
            RowWriter(writer, self.names).forget_input(topic)

    def below(self, column: str, value: Value, limit: int) -> list[tuple[bytes, Any]]:
        """Up to `limit` rows whose column is less than `value`, the least of them first: their keys, and the column."""
        name = column_name(column)
        query = f"select key, {name} from rows where {name} < ? order by {name}, key limit ?"
        with self._reading() as reader:
            return reader.execute(query, (value, limit)).fetchall()

    def equal(self, column: str, value: Value) -> list[bytes]:
        """The keys of the rows whose column has this value."""
        with self._reading() as reader:
            query = f"select key from rows where {column_name(column)} = ? order by key"
            return [key for (key,) in reader.execute(query, (value,))]

    def least(self, column: str, above: Value) -> Any:
        """The least value of a column that is more than `above`, None where there is none."""
        name = column_name(column)
        query = f"select {name} from rows where {name} > ? order by {name} limit 1"
        with self._reading() as reader:
            found = reader.execute(query, (above,)).fetchone()
        return None if found is None else found[0]

    def get(self, keys: Iterable[bytes]) -> dict[bytes, bytes]:
        """The rows under these keys, as they stand in the changelog; absent keys are left out."""
        return self._lookup("select key, value from rows where key in", keys)

    def get_beside(self, keys: Iterable[bytes], column: str) -> dict[bytes, tuple[bytes, bytes | None]]:
        """The same, and with each of them what one column has."""
        found = self._looked_up(f"select key, value, {column_name(column)} from rows where key in", keys)
        return {key: (value, beside) for key, value, beside in found}

    def answers(self, ids: Iterable[str]) -> dict[str, DedupEntry]:
        """What is remembered of these command ids."""
        with self._reading() as reader:
            return self._answers(reader, ids)

    def recall(self, ids: Iterable[str]) -> dict[str, DedupEntry]:
        """The same for the committing thread, which has the writer's connection to itself."""
        with self._writer() as writer:
            return self._answers(writer, ids)

    def _answers(self, connection: sqlite3.Connection, ids: Iterable[str]) -> dict[str, DedupEntry]:
        found: dict[str, DedupEntry] = {}
        every = list(ids)
        for start in range(0, len(every), _LOOKUP):
            part = every[start : start + _LOOKUP]
            query = f"select id, fingerprint, outcome, at from answers where id in ({marks(len(part))})"
            for name, fingerprint, outcome, at in connection.execute(query, part):
                found[name] = DedupEntry(fingerprint, outcome, at)
        return found

    def parked_keys(self) -> dict[bytes, ParkedKey]:
        """The keys whose records are parked."""
        with self._reading() as reader:
            return parked_keys(reader)

    def parked(self, key: bytes, first: int, limit: int) -> dict[int, ParkedRow]:
        """Up to `limit` parked records of a key by their numbers, from `first` on."""
        with self._reading() as reader:
            return parked_rows(reader, key, first, limit)

    def count(self) -> int:
        """How many rows there are."""
        with self._reading() as reader:
            return int(reader.execute("select count(*) from rows").fetchone()[0])

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """Every row, in the order of the keys."""
        with self._reading() as reader:
            rows = reader.execute("select key, value from rows order by key").fetchall()
        yield from rows

    def page(self, after: bytes, limit: int) -> list[tuple[bytes, bytes]]:
        """Up to so many rows behind a key, in the order of the keys."""
        query = "select key, value from rows where key > ? order by key limit ?"
        with self._reading() as reader:
            return reader.execute(query, (after, limit)).fetchall()

    def beginnings(self, size: int) -> list[bytes]:
        """The first `size` bytes of the rows, each once; reads all of them."""
        with self._reading() as reader:
            return [bytes(each) for (each,) in reader.execute("select distinct substr(value, 1, ?) from rows", (size,))]

    def apply(self, changes: StoreChanges) -> None:
        """Write all of it, or nothing."""
        try:
            with self._writer() as writer, _room_for(writer, len(changes.rows)):
                RowWriter(writer, self.names).write(changes)
        finally:
            STAMPS.written(self.path)

    def forget_answers(self, before: int) -> None:
        """Drop remembered ids older than `before` (milliseconds since the epoch)."""
        with self._writer() as writer:
            writer.execute("delete from answers where at < ?", (before,))

    # -- inside

    @contextmanager
    def _writer(self) -> Iterator[sqlite3.Connection]:
        assert self._writing is not None  # noqa: S101 (made when it was opened)
        with self._noticing_damage(), self._writing.lend() as connection:
            yield connection

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
        STAMPS.closed(self.path)
        READERS.close(self.path)
        for suffix in ("", "-wal", "-shm"):
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)

    def _open(self) -> None:
        """Connect, to what is there if it is a copy of ours; where that fails nothing stays open."""
        try:
            self._connect()
            self._look()
            STAMPS.written(self.path)
        except BaseException:
            self.close()
            raise

    def _look(self) -> None:
        with self._writer() as writer:
            if is_empty(writer):
                self._create(writer)
                return
            why = misfit(writer, self.identity, self.max_age)
            if why is None:
                adopt(writer, self.identity)
        if why is not None:
            self.rebuild(why)

    def _create(self, writer: sqlite3.Connection) -> None:
        """Make the tables, and say what they are of, at once: columns that are there are the ones that are named."""
        writer.executescript("begin immediate;" + tables(self.names) + indexes(self.names))
        writer.executemany(SET, self.identity.items())
        writer.execute("commit")

    def _connect(self) -> None:
        if not self.path.exists():
            private_file(self.path)  # SQLite gives what it keeps beside it the same mode
        self._writing = CopyWriter(self.path)

    def _lookup(self, select: str, keys: Iterable[bytes]) -> dict[bytes, bytes]:
        return dict(self._looked_up(select, keys))

    def _looked_up(self, select: str, keys: Iterable[bytes]) -> list[Any]:
        found: list[Any] = []
        every = list(keys)
        with self._reading() as reader:
            for start in range(0, len(every), _LOOKUP):
                part = every[start : start + _LOOKUP]
                found += reader.execute(f"{select} ({marks(len(part))})", part).fetchall()
        return found


@contextmanager
def _room_for(writer: sqlite3.Connection, rows: int) -> Iterator[None]:
    """Lend the memory of all pages to the copy that many rows are written into: each may be on a page of its own.

    A page that does not fit is written more than once. And the larger the copy is, the longer its write-ahead log
    may grow: what is changed again and again in it goes into the file once.
    """
    if rows < _MANY:
        yield
        return
    (pages,) = writer.execute("pragma page_count").fetchone()
    writer.execute(f"pragma wal_autocheckpoint = {max(_LEAST_LOG, min(_MOST_LOG, pages // 2))}")
    writer.execute(f"pragma cache_size = -{max(MEMORY.pages, READERS.cache_bytes) // KIB}")
    try:
        yield
    finally:
        writer.execute(f"pragma cache_size = -{READERS.cache_bytes // KIB}")


def copy_bytes(path: Path) -> int:
    """Return the bytes of a copy on the disk, its write-ahead log included; 0 where it is gone."""
    found = 0
    for file in (path, path.with_name(path.name + "-wal")):
        with suppress(OSError):
            found += file.stat().st_size
    return found
