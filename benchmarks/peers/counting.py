"""Counts what a peer has handled, and ends its process when that is enough: none of them knows an end of its topic."""

from __future__ import annotations

import os

from benchmarks.figures import Stopwatch


class Counter:
    """Its time starts with the first record, so that nobody's start-up counts."""

    def __init__(self, name: str, wanted: int) -> None:
        self._name = name
        self._wanted = wanted
        self._done = 0
        self._watch: Stopwatch | None = None

    def add(self) -> None:
        """Count one."""
        if self._watch is None:
            self._watch = Stopwatch()
        self._done += 1
        if self._done >= self._wanted:
            self._watch.figure(self._name, self._done).tell()
            os._exit(0)
