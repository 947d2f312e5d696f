"""Read-only connections to local copies: kept open between questions, a bounded number of them in a process.

Each costs two descriptors (file and write-ahead log) and a cache of pages, and a process may have hundreds of copies
and dozens of threads that read. So they belong to nobody: whoever reads borrows one, and where there are too many the
one that has not been used for the longest time is closed.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

DESCRIPTORS = 2  # of one connection; the index of the log (-shm) is open once a file, however many read it
_BUSY_SECONDS = 5.0


class Readers:
    """A pool of connections, by file. From any thread; a connection is one borrower's at a time."""

    def __init__(self, limit: int = 64, cache_bytes: int = 2 * 1024 * 1024) -> None:
        self.limit = limit  # connections; one more for each thread that reads while all are borrowed
        self.cache_bytes = cache_bytes  # of pages, each
        self._lock = threading.Lock()
        self._idle: OrderedDict[str, list[sqlite3.Connection]] = OrderedDict()  # the one used last at the end
        self._open = 0
        self._closed: dict[str, int] = {}  # how often a file was closed: what was borrowed before is not taken back

    @contextmanager
    def reading(self, path: Path) -> Iterator[sqlite3.Connection]:
        """Lend a connection to a file that has a writer; sqlite3.Error where it cannot be opened, or read."""
        name = str(path)
        connection, turn = self._borrow(name, path)
        try:
            yield connection
        except BaseException:  # it may be in the midst of a statement
            self._drop([connection])
            raise
        self._give_back(name, turn, connection)

    def close(self, path: Path) -> None:
        """Close what is open of a file, before its writer goes or its name is another file's."""
        name = str(path)
        with self._lock:
            self._closed[name] = self._closed.get(name, 0) + 1
            idle = self._idle.pop(name, [])
        self._drop(idle)

    def count(self) -> int:
        """Return how many are open."""
        return self._open

    # -- inside

    def _borrow(self, name: str, path: Path) -> tuple[sqlite3.Connection, int]:
        with self._lock:
            turn = self._closed.get(name, 0)
            if idle := self._idle.get(name):
                connection = idle.pop()
                if not idle:
                    del self._idle[name]
                return connection, turn
            leaving = [self._longest_unused()] if self._open >= self.limit and self._idle else []
            self._open += 1
        self._drop(leaving)
        try:
            return self._connect(path), turn
        except BaseException:
            with self._lock:
                self._open -= 1
            raise

    def _connect(self, path: Path) -> sqlite3.Connection:
        where = f"{path.absolute().as_uri()}?mode=ro"
        connection = sqlite3.connect(
            where, uri=True, isolation_level=None, timeout=_BUSY_SECONDS, check_same_thread=False
        )
        try:
            connection.execute(f"pragma cache_size = -{self.cache_bytes // 1024}")
        except BaseException:
            connection.close()
            raise
        return connection

    def _give_back(self, name: str, turn: int, connection: sqlite3.Connection) -> None:
        with self._lock:
            kept = self._closed.get(name, 0) == turn and self._open <= self.limit
            if kept:
                self._idle.setdefault(name, []).append(connection)
                self._idle.move_to_end(name)
        if not kept:
            self._drop([connection])

    def _longest_unused(self) -> sqlite3.Connection:
        name = next(iter(self._idle))
        idle = self._idle[name]
        connection = idle.pop(0)
        if not idle:
            del self._idle[name]
        return connection

    def _drop(self, connections: list[sqlite3.Connection]) -> None:
        for connection in connections:
            connection.close()
        with self._lock:
            self._open -= len(connections)


READERS = Readers()
"""Those of this process: descriptors and memory are the process's, whatever reads in it."""
