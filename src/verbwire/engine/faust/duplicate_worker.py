"""Notices that another process uses this worker's name: two static members of one name fence each other for ever."""

from __future__ import annotations

import time
from collections.abc import Callable

FENCED_SECONDS = 3.0  # fenced so soon after joining, this worker was not merely slow: another has its name
FENCED_TIMES = 4  # in a row, until a worker that has long been a member ends, too; the newcomer ends at the first


class DuplicateWorkerDetector:
    """Follows the member ids that the group gives this worker; a new one means that the one before was fenced."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._member = ""
        self._joined = 0.0  # when the group gave us that id
        self._settled = False  # whether this worker ever was a member for longer than FENCED_SECONDS
        self._fenced = 0  # how often in a row it was not

    def is_duplicate(self, member: str) -> bool:
        """Note the id under which an assignment came; return whether this worker has to end.

        The newcomer ends at once, so that the worker that was there goes on.
        """
        if member == self._member:
            return False
        known, self._member = self._member, member
        before, self._joined = self._joined, self._clock()
        if not known:
            return False
        soon = self._joined - before < FENCED_SECONDS
        self._settled = self._settled or not soon
        self._fenced = self._fenced + 1 if soon else 0
        return self._fenced > (FENCED_TIMES if self._settled else 0)
