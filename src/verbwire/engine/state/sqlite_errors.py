"""What an error of SQLite means for a copy: its file is damaged, or the machine has no room for it just now."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from verbwire.errors import UnavailableError

_DAMAGE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
# The disk, the process or a neighbour: none of the file's fault, so it is kept. Among them what SQLite makes of
# EMFILE and ENFILE (CANTOPEN), ENOSPC (FULL, IOERR), EROFS (READONLY) and EACCES (CANTOPEN, PERM).
_OUTAGE = frozenset(
    {
        sqlite3.SQLITE_AUTH,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_READONLY,
    }
)


def is_damage(error: sqlite3.Error) -> bool:
    """Whether the file is not what it was when it was written."""
    return _code(error) in _DAMAGE


def is_outage(error: sqlite3.Error) -> bool:
    """Whether the file may be as good as ever, and only cannot be used now."""
    return _code(error) in _OUTAGE


def outage(path: Path, error: Exception) -> UnavailableError:
    """Return what is said of a copy that cannot be used now."""
    return UnavailableError(
        f"{path} cannot be used now, it is kept as it is ({error}): look at the disk, its space too, and at the "
        "limit of open files"
    )


def _code(error: sqlite3.Error) -> int:
    """The primary code of what SQLite said."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF
