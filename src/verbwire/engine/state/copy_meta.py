"""What a copy's file says of itself: whose copy it is, how far it has read its logs, and facts about the partition."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping
from typing import Any

from verbwire.engine.state.parked import make_table

_CHANGED = {
    "columns": "its index has changed",
    "search": "its search has changed",
    "format": "another version wrote it",
}
ADDED = frozenset({"parked"})  # logs that copies of earlier releases know nothing of: they have read none of them
SET_ALL = "insert or replace into meta values "
SET = SET_ALL + "(?, ?)"


def is_empty(connection: sqlite3.Connection) -> bool:
    """Whether a file is new: nothing says yet what it is a copy of."""
    return connection.execute("select 1 from sqlite_master where name = 'meta'").fetchone() is None


def value_of(connection: sqlite3.Connection, name: str) -> str | None:
    """Return what is noted under a name."""
    found = connection.execute("select value from meta where name = ?", (name,)).fetchone()
    return None if found is None else str(found[0])


def values_of(connection: sqlite3.Connection, prefix: str) -> list[tuple[str, Any]]:
    """Return what is noted under names with this prefix, by the rest of the name."""
    found = connection.execute("select name, value from meta where name like ?", (prefix + "%",)).fetchall()
    return [(name[len(prefix) :], value) for name, value in found]


def position_of(connection: sqlite3.Connection, log: str) -> int:
    """Return up to which offset a log has been read."""
    return int(value_of(connection, "position " + log) or 0)


def facts_of(connection: sqlite3.Connection) -> dict[str, bytes]:
    """Return the facts about the partition as a whole, by the name of the header."""
    return {name: bytes(value) for name, value in values_of(connection, "fact ")}


def misfit(connection: sqlite3.Connection, identity: Mapping[str, str], max_age: float | None) -> str | None:
    """Return why a copy cannot be taken for one of this identity, not older than so many seconds; None for one."""
    known = {name: value_of(connection, name) for name in identity}
    unlike = (name for name in known if known[name] != identity[name])
    if changed := sorted(name for name in unlike if known[name] is not None or name not in ADDED):
        return " and ".join(_CHANGED.get(name, f"another {name}") for name in changed)
    age = time.time() - float(value_of(connection, "touched") or time.time())
    if max_age is not None and age > max_age:
        return f"not caught up for {age:.0f} s, allowed are {max_age:.0f}"
    return None


def adopt(connection: sqlite3.Connection, identity: Mapping[str, str]) -> None:
    """Bring a copy of an earlier release up to what this one keeps beside the rows."""
    make_table(connection)
    connection.executemany(SET, [(name, id) for name, id in identity.items() if name in ADDED])
