"""The rows of two generations beside each other: in a file, since there may be more of them than memory."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

OLD, NEW = "old", "new"
_TABLE = "create table rows (key blob primary key, old blob, new blob, moved integer default 1) without rowid"
_DIFFERENT = "from rows where (old is null or new is null or old <> new) and not (old is null and new is null)"


class SideBySide:
    """Takes changelogs in their order, compares by key; a context manager, which leaves no file."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="verbwire-diff-")
        self._rows = sqlite3.connect(Path(self._folder.name) / "rows.db", isolation_level=None)
        self._rows.execute("pragma journal_mode = off")
        self._rows.execute("pragma synchronous = off")
        self._rows.execute(_TABLE)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._rows.close()
        self._folder.cleanup()

    def rest(self) -> None:
        """Begin another reading: rows that it does not meet are at rest."""
        self._rows.execute("update rows set moved = 0 where moved")

    def take(self, side: str, changes: Iterable[tuple[bytes, bytes | None]]) -> None:
        """Take changes of one side: their rows are in motion."""
        text = (
            f"insert into rows (key, {side}) values (?, ?) on conflict (key) do update set "  # noqa: S608 (one of two names)
            f"{side} = excluded.{side}, moved = 1"
        )
        self._rows.execute("begin")
        self._rows.executemany(text, changes)
        self._rows.execute("commit")

    def count(self, side: str) -> int:
        """Return how many rows a side has."""
        return int(self._rows.execute(f"select count({side}) from rows").fetchone()[0])  # noqa: S608 (one of two names)

    def different(self) -> Iterator[tuple[bytes, bytes | None, bytes | None, bool]]:
        """Yield the keys under which the sides have other bytes, in order, with both, and whether they moved."""
        for key, old, new, moved in self._rows.execute(f"select key, old, new, moved {_DIFFERENT} order by key"):
            yield key, old, new, bool(moved)
