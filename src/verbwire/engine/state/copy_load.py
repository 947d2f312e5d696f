"""Loads a copy from the first record of its logs: quickly, and so that half a copy never passes for a whole one.

The file stands beside the copy under another name, without indexes, and nothing of it is written through to the disk.
Once all is in it the indexes are built, in their order; then it is written through, and only then takes its place.
Whatever ends the process before that leaves a file of that name, which nobody reads: the next load throws it away. One
that is told to stop before (:meth:`CopyLoad.close`) writes through what there is and names it a third way; the next
load goes on with it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

from verbwire.engine.state.changes import StoreChanges
from verbwire.engine.state.connections import connect
from verbwire.engine.state.copy_meta import SET, adopt, facts_of, is_empty, misfit, position_of
from verbwire.engine.state.copy_schema import indexes, tables
from verbwire.engine.state.durable import write_through
from verbwire.engine.state.row_writer import RowWriter
from verbwire.engine.state.sqlite_errors import is_damage, is_outage, outage
from verbwire.engine.state.store import PartitionStore
from verbwire.errors import UnavailableError
from verbwire.security.private_files import private_file

LOADING, PAUSED = ".loading", ".paused"
_CHUNK = 2048  # rows a statement: while it works, others have the GIL, and it is long until it wants that again


class CopyLoad:
    """Loads the copy of one partition in the place of `store`, which is empty. From any thread, one at a time.

    It goes on with one that was stopped before, unless that has read further than the `ends` of the logs; without them
    it begins anew. :class:`UnavailableError` where the disk cannot take it just now; after any error it begins anew the
    next time.
    """

    def __init__(self, store: PartitionStore, ends: Mapping[str, int] | None, cache_bytes: int) -> None:
        self._store = store
        self._ends = ends
        self._cache_bytes = cache_bytes
        self._file = store.path.with_name(store.path.name + LOADING)
        self._paused = store.path.with_name(store.path.name + PAUSED)
        self._is_sound = False
        with self._noticing():
            self._connection = self._open()
        self._rows = RowWriter(self._connection, store.names, _CHUNK)
        self._is_sound = True

    def position(self, log: str) -> int:
        """The offset in `log` from which the load goes on."""
        return position_of(self._connection, log)

    def facts(self) -> dict[str, bytes]:
        """Return the facts about the partition as a whole."""
        return facts_of(self._connection)

    def apply(self, changes: StoreChanges) -> None:
        """Write all of it."""
        with self._noticing():
            self._rows.write(changes)

    def finish(self) -> None:
        """Build the indexes, and let the file be the copy, which is open again then."""
        with self._noticing():
            self._connection.executescript(indexes(self._store.names, full=True))
            self._is_sound = False  # from here on it is the copy's
            self._connection.close()
            write_through(self._file)
            self._store.replace_by(self._file)

    def close(self) -> None:
        """Stop where it is; what is sound will not be loaded again."""
        self._connection.close()
        if not self._is_sound:
            return
        self._is_sound = False
        with suppress(OSError):  # it stays under the name of what is thrown away
            write_through(self._file)
            self._file.rename(self._paused)

    # -- inside

    def _open(self) -> sqlite3.Connection:
        self._file.unlink(missing_ok=True)
        if self._paused.exists():
            self._paused.rename(self._file)
            connection = self._connect()
            if self._goes_on(connection):
                adopt(connection, self._store.identity)
                return connection
            connection.close()
            self._file.unlink()
        connection = self._connect()
        connection.executescript("begin;" + tables(self._store.names))
        connection.executemany(SET, self._store.identity.items())
        connection.execute("commit")
        return connection

    def _goes_on(self, connection: sqlite3.Connection) -> bool:
        """Whether a load that was stopped is of use."""
        try:
            return (
                self._ends is not None
                and not is_empty(connection)
                and misfit(connection, self._store.identity, self._store.max_age) is None
                and all(position_of(connection, log) <= end for log, end in self._ends.items())
            )
        except sqlite3.DatabaseError as error:
            if is_outage(error):
                raise
            return False

    def _connect(self) -> sqlite3.Connection:
        private_file(self._file)
        connection = connect(self._file)
        connection.executescript(
            "pragma journal_mode = off; pragma synchronous = off; pragma locking_mode = exclusive;"
            f"pragma cache_size = -{self._cache_bytes // 1024}"
        )
        return connection

    @contextmanager
    def _noticing(self) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            self._is_sound = False
            if isinstance(error, OSError) or (isinstance(error, sqlite3.Error) and is_outage(error)):
                raise outage(self._file, error) from error
            if isinstance(error, sqlite3.Error) and is_damage(error):
                raise UnavailableError(f"{self._file} is damaged ({error}): loading it anew") from error
            raise
