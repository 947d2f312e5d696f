"""The positions that a client has seen: its queries are answered by tables that have applied them."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from verbwire.wire.positions import Positions, encode_positions, merge
from verbwire.wire.records.outcomes import EventPosition


class SeenPositions:
    """The highest next offset of each partition that holds an event of an outcome we got; for several threads.

    It grows with the partitions of the contexts that are asked, not with the number of commands. Nothing is forgotten:
    where a topic was deleted and recreated, queries end in BadQueryError (``bad_position``), and a new client has to be
    made.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._positions: Positions = {}

    def remember(self, events: Iterable[EventPosition]) -> None:
        """Note that these events are known to have happened."""
        with self._lock:
            for event in events:
                merge(self._positions, event.topic, event.partition, event.offset + 1)

    def known(self) -> Positions:
        """Return a copy."""
        with self._lock:
            return dict(self._positions)

    def header(self) -> str:
        """Return the text of the header ``Verbwire-Position``; empty when nothing is known."""
        return encode_positions(self.known())
