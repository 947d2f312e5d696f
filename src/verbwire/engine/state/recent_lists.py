"""Keeps the first rows of lists in memory that were read a moment ago, for as long as nothing is written to their copy.

The same few lists are asked for again and again: the first page of what is open, a search that everybody makes. To
find one takes up to milliseconds, all of it again for each who asks, though most partitions have not changed since.

Every write to a copy gives it another stamp, once it is written and before anybody is told how far it is. So what was
read under a stamp is what would be read now, as long as the copy has the same.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable, Sequence
from itertools import count
from pathlib import Path
from typing import TypeAlias

Rows: TypeAlias = Sequence[tuple[bytes, bytes]]
"""Each its place and its value, in order."""

DEFAULT_BYTES = 8 * 1024 * 1024
_LIST, _PART, _ROW = 1000, 300, 150  # bytes: a list, a partition of it, and a row beside place and value
_LARGEST = 16  # one part may take so much of all of it at most: the first of many


class CopyStamps:
    """A number for each copy that is open: another one after each write. From any thread."""

    def __init__(self) -> None:
        self._next = count(1).__next__
        self._stamps: dict[str, int] = {}

    def of(self, path: Path) -> int | None:
        """Return the copy's stamp; None where none is open under this name."""
        return self._stamps.get(str(path))

    def written(self, path: Path) -> None:
        """Take notice that it has been opened, or may hold something else than before."""
        self._stamps[str(path)] = self._next()

    def closed(self, path: Path) -> None:
        """Take notice that it is closed, and may be another file when it is opened again."""
        self._stamps.pop(str(path), None)


class RecentLists:
    """Bounded by the bytes of their rows, about; those that were not asked for longest go. From any thread."""

    def __init__(self, size: int = DEFAULT_BYTES) -> None:
        self.size = size
        self._lock = threading.Lock()
        self._lists: OrderedDict[Hashable, RecentList] = OrderedDict()
        self._used = 0

    def of(self, what: Hashable) -> RecentList:
        """Return what is known of a list: `what` tells it from all others."""
        with self._lock:
            found = self._lists.get(what)
            if found is None:
                found = self._lists[what] = RecentList()
                self._used += _LIST
                self._make_room()
            else:
                self._lists.move_to_end(what)
            return found

    def keep(self, its: RecentList, partition: int, stamp: int | None, rows: Rows) -> None:
        """Keep what was read of a partition whose copy had this stamp before that."""
        size = _PART + sum(len(place) + len(value) + _ROW for place, value in rows)
        if stamp is None or size > self.size // _LARGEST:
            return
        with self._lock:
            if its.gone:
                return
            _, before, _ = its.parts.get(partition, (0, 0, ()))
            its.parts[partition] = (stamp, size, rows)
            its.bytes += size - before
            self._used += size - before
            self._make_room()

    def used(self) -> int:
        """Return how many bytes they take, about."""
        return self._used

    def _make_room(self) -> None:
        while self._used > self.size and self._lists:
            _, oldest = self._lists.popitem(last=False)
            self._used -= oldest.bytes
            oldest.gone, oldest.parts = True, {}


class RecentList:
    """The first rows of one list, by partition."""

    __slots__ = ("bytes", "gone", "parts")

    def __init__(self) -> None:
        self.parts: dict[int, tuple[int, int, Rows]] = {}  # partition -> stamp, bytes, rows
        self.bytes = _LIST
        self.gone = False

    def rows(self, partition: int, stamp: int | None) -> Rows | None:
        """Return the rows of a partition that were read under this stamp; None where that has to be done again."""
        known = self.parts.get(partition)
        return known[2] if known is not None and known[0] == stamp else None


STAMPS = CopyStamps()
"""Those of this process's copies."""
LISTS = RecentLists()
"""Those of this process."""
