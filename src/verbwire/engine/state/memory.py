"""Divides a worker's memory, beside what Python and its libraries take in any case: one number, shared out.

Seven sixteenths are for rows and ids (cache_budget.py), one for lists that were read a moment ago (recent_lists.py), an
eighth for the pages of all copies, a quarter for what has been fetched and is not processed yet, an eighth for what has
been produced and is not with the broker yet. The last two are
each group's; there is a least that a group needs (its producers have to take a transaction), so they may come to more
than their part: :meth:`MemoryShares.limits` returns how much. They are limits, and reached only by large records.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing

from verbwire.engine.state.cache_budget import BUDGET
from verbwire.engine.state.recent_lists import LISTS

KIB = 1024
DEFAULT_BYTES = 128 * KIB * KIB
_LEAST_FETCHED = 2 * KIB * KIB  # of a group
_LEAST_PRODUCED = 16 * KIB * KIB  # of one of its two producers: a transaction of 5,000 small commands comes to 7
_LEAST_FETCH = 64 * KIB  # of a partition at once; the broker gives one batch in any case
_LARGEST_FETCH = KIB * KIB


class MemoryShares:
    """The parts of one process."""

    def __init__(self, size: int = DEFAULT_BYTES, groups: int = 1) -> None:
        self._size = size
        self._groups = groups

    def share(self, size: int, groups: int) -> None:
        """Share out so many bytes among so many groups, before any of them begins."""
        self._size, self._groups = size, max(1, groups)
        BUDGET.size, LISTS.size = size * 7 // 16, size // 16
        with closing(sqlite3.connect(":memory:")) as any_connection:  # it is a limit of the library, not of a file
            any_connection.execute(f"pragma soft_heap_limit = {self.pages}")

    @property
    def fetched(self) -> int:
        """Bytes of records that one group may have fetched ahead, or one restore."""
        return max(_LEAST_FETCHED, self._size // 4 // self._groups)

    @property
    def produced(self) -> int:
        """Bytes of records that one producer may hold until the broker has them."""
        return max(_LEAST_PRODUCED, self._size // 8 // self._groups // 2)

    def fetch(self, partitions: int) -> int:
        """Return how many bytes a group that reads so many partitions may fetch of one at once."""
        return max(_LEAST_FETCH, min(_LARGEST_FETCH, self.fetched // max(1, partitions)))

    def limits(self) -> Mapping[str, int]:
        """Return the limit of each part in bytes, by its name."""
        return {
            "rows": BUDGET.size,
            "lists": LISTS.size,
            "pages": self.pages,
            "fetched": self.fetched * self._groups,
            "produced": self.produced * self._groups * 2,
        }

    @property
    def pages(self) -> int:
        """Bytes of pages that all copies may have in memory."""
        return self._size // 8


MEMORY = MemoryShares()
"""That of this process."""
