"""Reads the copy of a partition that this worker has kept since it last owned it, before anything is done with it."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from verbwire.engine.state.sqlite_errors import is_outage, outage

_FILES = ("", "-wal", "-shm")


@dataclass(frozen=True, slots=True)
class KeptCopy:
    """What a copy holds, by its own record."""

    topics: Mapping[str, str]  # log -> id of the topic that it is a copy of
    positions: Mapping[str, int]  # log -> the offset up to which it has been read
    inputs: Mapping[str, int]  # input topic -> next offset to read


def read_kept_copy(path: Path, logs: Mapping[str, str]) -> KeptCopy | None:
    """Return what is kept in a file, None where there is none, or nothing to be read in it.

    UnavailableError where it cannot be opened now: what it holds is not known then, and must not be taken for nothing.
    """
    if not path.exists():
        return None
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            meta: dict[str, Any] = dict(connection.execute("select name, value from meta"))
    except sqlite3.Error as error:
        if is_outage(error):
            raise outage(path, error) from error
        return None
    return KeptCopy(
        {log: meta[log] for log in logs if log in meta},
        {log: int(meta.get("position " + log) or 0) for log in logs},
        {name[len("input ") :]: int(value) for name, value in meta.items() if name.startswith("input ")},
    )


def set_aside(path: Path, kept: KeptCopy) -> Path:
    """Move a copy out of the way, where nothing overwrites it: it may be the last that there is of its rows."""
    ids = "-".join(id[:8].replace("/", "_") for id in kept.topics.values())  # they are base64
    aside = path.with_name(f"{path.stem}.{ids}.aside")
    _move(path, aside)
    return aside


def put_back(aside: Path, path: Path) -> None:
    """Undo that; what is at `path` by then came from the log."""
    _move(aside, path)


def _move(source: Path, target: Path) -> None:
    for each in _FILES:
        target.with_name(target.name + each).unlink(missing_ok=True)
        if (file := source.with_name(source.name + each)).exists():
            file.rename(target.with_name(target.name + each))
