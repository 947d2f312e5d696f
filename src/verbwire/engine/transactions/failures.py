"""Follows the failed transactions of a group over its start-overs, until the poison record is found."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Mapping

from verbwire.engine.transactions.poison_records import FailedTransaction, Place, PoisonRecordFinder, RecordRange
from verbwire.errors import VerbwireError

log = logging.getLogger(__name__)


class TransactionFailures:
    """Belongs to the engine's thread, but for :meth:`committed`, which the committing thread calls."""

    def __init__(self, group: str) -> None:
        self._group = group
        self._finder = PoisonRecordFinder()
        self._failed = False  # a transaction, while it was built, since the partitions last started over
        self._failure: VerbwireError | None = None  # with what
        self._logged = ""  # the error that was logged last
        self._progress: deque[tuple[Place, int]] = deque()  # what was committed while there were suspects

    def note(self, failure: VerbwireError | None) -> None:
        """Note that a transaction failed while it was built, and with what, once that is known."""
        self._failed, self._failure = True, failure

    def committed(self, ranges: Mapping[Place, RecordRange]) -> None:
        """Note that these records are committed. From any thread."""
        if self._finder.has_suspects():
            self._progress.extend((place, record_range.until) for place, record_range in ranges.items())

    def take_progress(self) -> None:
        """Clear the suspects that were committed."""
        while self._progress:
            self._finder.progressed(*self._progress.popleft())

    def start_over(self, failure: VerbwireError | None) -> bool:
        """Suspect what may be to blame for the failures after which the partitions start over.

        `failure` is that of a transaction that was being committed. Returns whether there was any failure.
        """
        self.take_progress()
        found = {id(each): each for each in (self._failure, failure) if isinstance(each, FailedTransaction)}
        for each in found.values():
            name = str(each).split(" ", 1)[0]  # the error's name; numbers of records and times stand behind it
            if self._logged != name:  # else it is the same once more, while its record is looked for
                self._logged = name
                log.error("%s: a transaction failed: %s", self._group, each, exc_info=each.__cause__)
            self._finder.failed(each)
        failed, self._failed, self._failure = self._failed or failure is not None, False, None
        return failed

    def found(self, place: Place, position: int, why: str) -> None:
        """Note that the record at this position is to blame."""
        self._finder.found(place, position, why)

    def blamed(self, partition: int) -> tuple[str, int] | None:
        """Return topic and offset of the record at which a partition stands, None where there is none."""
        return self._finder.blamed(partition)

    def skip(self, partition: int) -> bool:
        """Let a partition go on, whose record is skipped; not a second time, where that has not helped."""
        return self._finder.skip(partition)

    def any_suspects(self) -> bool:
        """Whether there are suspects."""
        return self._finder.has_suspects()

    def limit(self, place: Place) -> int | None:
        """Return how many records of a place may be in a transaction, alone there; None: as many as have room."""
        return self._finder.limit(place)

    def reason_to_stop(self, partition: int, positions: Mapping[str, int]) -> str | None:
        """Return why a partition must stop that would read on at these positions, None where it need not."""
        return self._finder.reason_to_stop(partition, positions)
