"""Counts the rows of this worker's tables from time to time: SQLite reads all of an index for that.

Beside them it looks how old the open instances of processes are, and how many commands wait at schedulers.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping

from verbwire.engine.state.reader import StoreReader
from verbwire.errors import UnavailableError
from verbwire.observability.metrics.process import TableSize
from verbwire.wire.records.scheduled import ScheduledStatus

log = logging.getLogger(__name__)

_FIRST_SECONDS = 2.0
_SECONDS = 30.0
_PAUSE = 200  # times as long as the counting took: half a percent of a processor


class TableSizes:
    """Runs on a thread of its own between `start` and `stop`. `tables` gives them by the group's name on the cluster.

    Those of `processes` are asked, too, when their oldest open instance made its last step, those of `schedulers` how
    many commands are pending.
    """

    def __init__(
        self,
        tables: Callable[[], Mapping[str, StoreReader]],
        processes: Collection[str] = (),
        schedulers: Collection[str] = (),
    ) -> None:
        self._tables = tables
        self._processes = processes
        self._schedulers = schedulers
        self._sizes: dict[str, TableSize] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="table sizes", daemon=True)

    def start(self) -> None:
        """Begin."""
        if self._tables():
            self._thread.start()

    def stop(self) -> None:
        """End."""
        self._stop.set()

    def sizes(self) -> Mapping[str, TableSize]:
        """Return what was counted last, by group. From any thread."""
        return self._sizes

    def look(self) -> None:
        """Count once; a table that moved away meanwhile is left out until the next time."""
        self._sizes = dict(self._counted())

    def _counted(self) -> Iterable[tuple[str, TableSize]]:
        for group, reader in self._tables().items():
            if self._stop.is_set():
                return
            try:
                steps, pending = self._oldest_step(group, reader), self._pending(group, reader)
                yield group, TableSize(reader.count(), reader.size(), steps, pending)
            except UnavailableError as error:
                log.debug("%s is not counted: %s", group, error)

    def _oldest_step(self, group: str, reader: StoreReader) -> float | None:
        """Return when that was, in seconds since the epoch; infinity where no instance is open, None for a table."""
        if group not in self._processes:
            return None
        found = reader.oldest_step()
        return math.inf if found is None else found / 1000

    def _pending(self, group: str, reader: StoreReader) -> int | None:
        return reader.count_of("status", ScheduledStatus.PENDING.value) if group in self._schedulers else None

    def _run(self) -> None:
        pause = _FIRST_SECONDS
        while not self._stop.wait(pause):
            began = time.monotonic()
            try:
                self.look()
            except Exception:
                log.exception("counting rows failed in a way that is not foreseen")
            pause = max(_SECONDS, _PAUSE * (time.monotonic() - began))
