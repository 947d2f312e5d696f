"""The rows of a list from the partitions that are here, in one order, read a part at a time as they are needed."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isqrt

from verbwire.engine.state.reader import StoreReader
from verbwire.engine.state.recent_lists import LISTS, RecentList, Rows
from verbwire.engine.state.row_query import size_of
from verbwire.queries.selection import Selection

_SHORT = 200  # rows: longer lists are not what is asked for again and again, and would leave no room for others


@dataclass(frozen=True, slots=True)
class WantedRows:
    """Which rows: up to `most` of a selection from behind the place `after`; a part of them is of `size` bytes."""

    selection: Selection
    after: bytes
    most: int
    size: int

    def of(self, reader: StoreReader, here: Sequence[int], patient: bool) -> Iterator[tuple[bytes, bytes]]:
        """Return the rows of these partitions, each its place and its value; raises like :meth:`StoreReader.page`."""
        share = -(-self.most // max(1, len(here)))
        # Keys are spread by a hash: few partitions have more of a page.
        chunk = min(self.most, share + 2 * isqrt(share) + 2)
        recent = None
        if not self.after and self.most <= _SHORT:
            recent = LISTS.of((reader.name, self.selection, chunk, self.size))
        every = [self._from(reader, partition, chunk, patient, recent) for partition in here]
        return every[0] if len(every) == 1 else heapq.merge(*every)

    def _from(
        self, reader: StoreReader, partition: int, chunk: int, patient: bool, recent: RecentList | None
    ) -> Iterator[tuple[bytes, bytes]]:
        rows = self._first(reader, partition, chunk, patient, recent)
        while rows:
            yield from rows
            if len(rows) < chunk and size_of(rows) < self.size:
                return
            rows = reader.page(partition, rows[-1][0], chunk, self.selection, self.size, patient)

    def _first(self, reader: StoreReader, partition: int, chunk: int, patient: bool, recent: RecentList | None) -> Rows:
        stamp = None if recent is None else reader.stamp(partition)  # before it is read: writes may come meanwhile
        if recent is not None and (known := recent.rows(partition, stamp)) is not None:
            return known
        rows = reader.page(partition, self.after, chunk, self.selection, self.size, patient)
        if recent is not None:
            LISTS.keep(recent, partition, stamp, rows)
        return rows
