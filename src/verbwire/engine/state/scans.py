"""Remembers what a query that reads all of a copy has found, for as long as nobody writes the copy.

A worker that idles would open and read all its copies again and again, to count rows that are the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from verbwire.engine.state.copy_writer import FileState, file_state, last_change

_TICK_SECONDS = 1.0  # of the clock of a file system, at most: what is written within may leave no mark


class ScanResults:
    """By file and query. Belongs to one thread at a time."""

    def __init__(self) -> None:
        self._found: dict[tuple[Path, str], tuple[FileState, Any]] = {}

    def get(self, path: Path, query: str, scan: Callable[[], Any]) -> Any:
        """Return what `scan` found last, or let it look."""
        began, now = time.time(), file_state(path)
        known = self._found.get((path, query))
        if known is not None and known[0] == now:
            return known[1]
        found = scan()
        if last_change(now) < began - _TICK_SECONDS:
            self._found[path, query] = now, found
        return found
