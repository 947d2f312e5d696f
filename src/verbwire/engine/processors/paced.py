"""Processes no more records a second than it is told to: for a rebuild that must not slow down what serves."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence

from verbwire.engine.state.partition_cache import PartitionCache
from verbwire.engine.topology import Processor
from verbwire.engine.transactions.transaction import Transaction
from verbwire.kafka.record import Record
from verbwire.observability.watch.handlers import HandlerWatch

SHARE = 4  # transactions a second at least: the pause is made inside of them


class PacedProcessor:
    """Pauses behind another processor, after the records of these `topics`."""

    def __init__(
        self,
        processor: Processor,
        rate: float,
        topics: Collection[str],
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._processor = processor
        self._seconds = 1 / rate  # for each record
        self._topics = topics
        self._clock, self._pause = clock, pause
        self._due = 0.0

    @property
    def watch(self) -> HandlerWatch:
        """That of the other one."""
        return self._processor.watch

    def process(self, cache: PartitionCache, records: Sequence[Record], transaction: Transaction) -> int:
        """Process these, then pause for as long as they may take."""
        processed = self._processor.process(cache, records, transaction)
        if records[0].topic in self._topics:
            now = self._clock()
            self._due = max(self._due, now - self._seconds) + processed * self._seconds
            if self._due > now:
                self._pause(self._due - now)
        return processed
