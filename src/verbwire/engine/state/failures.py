"""Counts failures of copies that cannot be opened or written: after a few in a row the partition is RETRYING.

No room on the disk, no descriptor left, a folder that may not be written: the copy itself is sound, and the partition
goes on without a restart once that has passed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

MAX_FAILURES = 3  # in a row, until a partition is RETRYING
REST_SECONDS = 5.0  # between two attempts after that


@dataclass
class _Failures:
    times: int = 0
    again: float = 0.0  # not before, on the monotonic clock


class StoreFailures:
    """Counts them by partition. Belongs to the engine's thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._of: dict[int, _Failures] = {}

    def failed(self, partition: int) -> bool:
        """Count one more failure; return whether the partition is to wait for its next attempt."""
        known = self._of.setdefault(partition, _Failures())
        known.times += 1
        known.again = self._clock() + (REST_SECONDS if known.times >= MAX_FAILURES else 0.0)
        return known.times >= MAX_FAILURES

    def is_early(self, partition: int) -> bool:
        """Whether it is too early for the next attempt."""
        known = self._of.get(partition)
        return known is not None and self._clock() < known.again

    def recovered(self, partitions: Collection[int]) -> list[int]:
        """Forget the failures of these; return those that were retrying."""
        passed = [each for each in partitions if each in self._of and self._of[each].times >= MAX_FAILURES]
        self._of = {each: known for each, known in self._of.items() if each not in partitions}
        return passed
