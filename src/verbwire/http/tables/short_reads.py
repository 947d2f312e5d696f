"""Whether rows are read on HTTP's loop: where reading takes no time, handing it to a thread is what costs.

A row that SQLite has in memory takes ten microseconds, a thread to read it and tell of it ten times that. A disk may
take longer than anybody else should have to wait for: so the loop reads while reads are quick, on the whole, and leaves
them to threads for a while when they were not.
"""

from __future__ import annotations

import time

MEAN_SECONDS = 0.001  # of the last reads, about: longer than that others have to wait for each
MOST_SECONDS = 0.2  # of one: then it is the disk, and not that the process had to wait for its turn
PAUSE_SECONDS = 1.0
_WEIGHT = 1 / 64  # of the last one in their mean


class ShortReads:
    """Measures the reads that the loop makes. Used on HTTP's loop only."""

    def __init__(self, pause_seconds: float = PAUSE_SECONDS) -> None:
        self._pause_seconds = pause_seconds
        self._until = 0.0  # when the loop may read again
        self._began = 0.0
        self._mean = 0.0

    def begin(self) -> bool:
        """Return whether the loop may read now; if so, :meth:`end` tells that it has."""
        self._began = time.perf_counter()
        return self._began >= self._until

    def end(self) -> None:
        """Measure the read that has begun."""
        now = time.perf_counter()
        taken = now - self._began
        self._mean += (taken - self._mean) * _WEIGHT
        if self._mean > MEAN_SECONDS or taken > MOST_SECONDS:
            self._until, self._mean = now + self._pause_seconds, 0.0
