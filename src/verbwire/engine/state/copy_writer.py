"""The connection by which one copy is written: open while it is used, let go of while the partition is at rest.

A copy that is open has two descriptors, and a worker may have hundreds of copies of which few change at a time. Nothing
is lost by closing: each write was one transaction, and the last connection moves the write-ahead log into the file.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeAlias

from verbwire.engine.state.connections import READERS, connect
from verbwire.engine.state.memory import KIB
from verbwire.errors import UnavailableError
from verbwire.idle import make_known

FileState: TypeAlias = tuple[tuple[int, int, int] | None, ...]


def file_state(path: Path) -> FileState:
    """Return what tells whether anybody has written a copy: of its file and its log number, size and time of change."""
    return tuple(_state_of(each) for each in (path, path.with_name(path.name + "-wal")))


def last_change(state: FileState) -> float:
    """Return when it was written last, in seconds since the epoch."""
    return max((each[2] for each in state if each is not None), default=0) / 1e9


def _state_of(path: Path) -> tuple[int, int, int] | None:
    """Return it; an empty log, which a reader makes, is none."""
    with suppress(FileNotFoundError):
        found = path.stat()
        return (found.st_ino, found.st_size, found.st_mtime_ns) if found.st_size else None
    return None


class CopyWriter:
    """Lends the writing connection of one file, to one thread at a time.

    The file is created where there is none. Opened again later it has to be the very file that was let go of, as it was
    then: UnavailableError where it is gone, or was changed by others. sqlite3.Error where it cannot be opened, or is
    closed for good.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.RLock()  # whoever has the connection may ask for it again
        self._used_at = time.monotonic()
        self._left: FileState | None = None  # as it was when it was let go of
        self._closed = False
        self._connection: sqlite3.Connection | None = self._open()
        make_known(self)

    @contextmanager
    def lend(self) -> Iterator[sqlite3.Connection]:
        """Lend the connection for a block."""
        with self._lock:
            if self._connection is None:
                self._connection = self._open_again()
            try:
                yield self._connection
            finally:
                self._used_at = time.monotonic()

    def let_go(self, idle_seconds: float) -> None:
        """Close the connection where nobody has used it for as long; not while it is lent."""
        if not self._lock.acquire(blocking=False):
            return
        try:
            if self._connection is not None and time.monotonic() - self._used_at > idle_seconds:
                self._close()
                self._left = file_state(self._path)
                READERS.forget(self._path)
        finally:
            self._lock.release()

    def close(self) -> None:
        """Close it for good: what is written later would go into a copy that is another's by then."""
        with self._lock:
            self._closed = True
            self._close()

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _open(self, mode: str = "rwc") -> sqlite3.Connection:
        connection = connect(self._path, mode)
        try:
            connection.executescript(
                f"pragma journal_mode=wal; pragma synchronous=normal; pragma cache_size=-{READERS.cache_bytes // KIB}"
            )
        except BaseException:
            connection.close()
            raise
        return connection

    def _open_again(self) -> sqlite3.Connection:
        if self._closed:
            raise sqlite3.ProgrammingError(f"{self._path} is closed")
        if self._left is not None and (now := file_state(self._path)) != self._left:
            raise UnavailableError(
                f"{self._path} is not as this worker has left it ({self._left}, now {now}): restoring the partition. "
                "Nothing else may change or remove local copies while their worker runs"
            )
        return self._open("rw")
