"""Read-only connections to local copies: kept open between queries, a bounded number of them in a process.

Each costs descriptors and a cache of pages, and a process may have hundreds of copies and dozens of threads that read.
So they are pooled: each read borrows one, and where there are too many the one that has not been used for the
longest time is closed.

While a copy has a writer, SQLite keeps the descriptor of a reader that was closed for the next one, since closing it
would undo the writer's lock (POSIX: fcntl(2)). So what counts of a file is how many have ever read it at once; only the
descriptor of its write-ahead log is given back.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from pathlib import Path

from verbwire.errors import UnavailableError
from verbwire.idle import make_known

VFS = "unix-excl"
"""SQLite's way to open files that only this process uses: the index of the log is in memory, and is no file."""
COPY_FILES = 3  # descriptors of a copy that has been read: the writer's file and log, the first reader's file
DEFAULT_BYTES = 4 * 1024 * 1024
_BUSY_SECONDS = 5.0


def connect(path: Path, mode: str = "rwc", cached_statements: int = 64) -> sqlite3.Connection:
    """Open a copy; a connection belongs to one thread at a time, and need not be closed by the one that opened it."""
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}&vfs={VFS}",
        uri=True,
        isolation_level=None,
        timeout=_BUSY_SECONDS,
        check_same_thread=False,
        cached_statements=cached_statements,
    )


class NotAtOnceError(Exception):
    """Something would have to be waited for: a connection that others have, or a long read."""


@dataclass(eq=False)
class _File:
    idle: list[sqlite3.Connection] = field(default_factory=list)
    lent: int = 0
    used_at: float = 0.0
    most: int = 0  # that were lent at once


class ReaderPool:
    """A pool of connections, by file. From any thread; a connection is one borrower's at a time."""

    def __init__(self, limit: int = 64, cache_bytes: int = DEFAULT_BYTES) -> None:
        self.limit = limit  # descriptors, besides the first reader's of each file; a file may always be read by one
        self.cache_bytes = cache_bytes  # of pages, each
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._waiting = 0  # that wait for a connection
        self._files: OrderedDict[str, _File] = OrderedDict()  # the one read last at the end
        self._used = 0  # descriptors
        make_known(self)

    def reading(self, path: Path, patient: bool = True) -> Lending:
        """Lend a connection to a file that has a writer, for a ``with`` block.

        sqlite3.Error where it cannot be opened, or read; UnavailableError when all stay lent for too long,
        NotAtOnceError where all are lent and the caller is not patient.
        """
        return Lending(self, path, patient)

    def close(self, path: Path) -> None:
        """Close what is open of a file, before its writer goes or its name is another file's."""
        with self._lock:
            file = self._files.pop(str(path), _File())
            self._used -= max(0, file.most - 1) + len(file.idle)
            leaving, file.idle = file.idle, []
        for connection in leaving:
            connection.close()

    def let_go(self, idle_seconds: float) -> None:
        """Close what is open of files that nobody has read for as long."""
        leaving: list[sqlite3.Connection] = []
        with self._lock:
            now = time.monotonic()
            for file in self._files.values():
                if file.idle and now - file.used_at > idle_seconds:
                    self._used -= len(file.idle)
                    leaving += file.idle
                    file.idle = []
        for connection in leaving:
            connection.close()

    def forget(self, path: Path) -> None:
        """Count the descriptors of a file no more that SQLite kept for its writer, which is closed by now."""
        with self._lock:
            file = self._files.get(str(path))
            if file is not None and not file.lent and not file.idle:
                del self._files[str(path)]
                self._used -= max(0, file.most - 1)

    def used(self) -> int:
        """Return how many descriptors they have, besides the first one of each file."""
        return self._used

    # -- for `Lending`

    def borrow(self, name: str, path: Path, patient: bool) -> tuple[_File, sqlite3.Connection]:
        """Lend a connection; :meth:`give_back` takes it."""
        with self._lock:
            file = self._files.get(name)
            if file is None or not (file.idle or file.lent == 0):
                file = self._room(name, patient)
            self._files.move_to_end(name)
            file.lent += 1
            if file.idle:
                return file, file.idle.pop()
            self._used += 1 + (1 if file.lent > max(1, file.most) else 0)
            file.most = max(file.most, file.lent)
        connection = None
        try:
            connection = connect(path, "ro")
            connection.execute(f"pragma cache_size = -{self.cache_bytes // 1024}")
        except BaseException:
            self.give_back(name, file, connection, False)
            raise
        return file, connection

    def _room(self, name: str, patient: bool) -> _File:
        """Wait until one more may be lent of this file."""
        until = time.monotonic() + _BUSY_SECONDS
        while True:
            file = self._files.setdefault(name, _File())
            if file.idle or file.lent == 0 or self._make_room(1 if file.lent < file.most else 2):
                return file
            if not patient:
                raise NotAtOnceError(name)
            if not self._wait(until - time.monotonic()):
                raise UnavailableError(
                    f"{name} is being read by as many as may read it at once for want of open files: ask again, or "
                    "allow more of them (ulimit -n)"
                )

    def _wait(self, seconds: float) -> bool:
        self._waiting += 1
        try:
            return self._changed.wait(seconds)
        finally:
            self._waiting -= 1

    def _make_room(self, wanted: int) -> bool:
        for file in self._files.values():
            while file.idle and self._used + wanted > self.limit:
                file.idle.pop(0).close()
                self._used -= 1
        return self._used + wanted <= self.limit

    def give_back(self, name: str, file: _File, connection: sqlite3.Connection | None, healthy: bool) -> None:
        """Take a connection back, and close it unless it is healthy."""
        with self._lock:
            file.lent -= 1
            file.used_at = time.monotonic()
            if healthy and connection is not None and self._used <= self.limit and self._files.get(name) is file:
                file.idle.append(connection)
                connection = None
            else:
                self._used -= 1
            if self._waiting:
                self._changed.notify()
        if connection is not None:
            connection.close()


class Lending:
    """A connection that is lent for a block; no generator, which would take as long as a row."""

    __slots__ = ("_file", "_lent", "_name", "_path", "_patient", "_pool")

    def __init__(self, pool: ReaderPool, path: Path, patient: bool) -> None:
        self._pool = pool
        self._path = path
        self._patient = patient

    def __enter__(self) -> sqlite3.Connection:
        self._name = str(self._path)
        self._file, self._lent = self._pool.borrow(self._name, self._path, self._patient)
        return self._lent

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        # After an error it may be in the midst of a statement.
        self._pool.give_back(self._name, self._file, self._lent, kind in (None, NotAtOnceError))


READERS = ReaderPool()
"""Those of this process: descriptors and memory are the process's, whatever reads in it."""
