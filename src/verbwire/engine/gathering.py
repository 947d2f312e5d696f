"""Lets commands wait a moment for others that are about to come, so that they share a transaction.

A transaction costs the broker a request for each partition that it writes to, however few records are in it. Callers
that were answered just now tend to ask again. Where nobody waits for them, those who have asked meanwhile begin a
transaction of their own: callers fall into two crowds that take turns, and each command waits for the other crowd's.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from math import inf

_PART = 1 / 3  # of the time that the last transaction took
_LONGEST = 0.006  # seconds
_MOST_MISSES = 6


class Gathering:
    """Says how long commands wait. Where callers do not come back it is tried again after 1, 3, 7, ... 63 transactions.

    Belongs to the thread that feeds the engine, but for `over`.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._callers = 0  # that the last transaction has answered
        self._answered = 0  # the same until the next one begins
        self._until = 0.0
        self._before = 0  # commands that were there when it ended
        self._misses = 0
        self._skipped = 0  # transactions that are not waited with

    def over(self, answered: int, seconds: float) -> None:
        """Note that a transaction is over, which took so many seconds, and so many callers are answered."""
        self._until = self._now() + min(_LONGEST, seconds * _PART)
        self._callers = self._answered = answered

    def seconds(self, held: int, under_way: bool) -> float:
        """Return how long so many commands wait for more; without end while a transaction is `under_way`."""
        if self._skipped or not self._callers:
            return 0.0
        if under_way:
            self._before = held
            return inf
        if held - self._before >= self._answered:
            return 0.0
        return max(0.0, self._until - self._now())

    def began(self, held: int) -> None:
        """Note that a transaction begins with so many commands."""
        if self._skipped:
            self._skipped -= 1
        elif self._answered:
            came_back = 2 * (held - self._before) >= self._answered
            self._misses = 0 if came_back else min(self._misses + 1, _MOST_MISSES)
            self._skipped = 2**self._misses - 1
        self._answered = self._before = 0
