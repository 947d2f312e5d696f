"""How long a membership is known to hold, so that a worker that was stopped or cut off notices before it answers.

The broker gives a silent member's partitions away when its session ends; the session is counted from the last request
that the broker has dealt with, hence from no earlier than when that request was sent. A worker that counts from the
sending, and ends a margin before the session would, never answers beside a new owner, whatever held it up in between.
"""

from __future__ import annotations

import time

from verbwire.kafka.group_membership import SESSION_SECONDS

LEASE_SECONDS = SESSION_SECONDS - 2.0

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # goes on while a machine is suspended, where there is


def now() -> float:
    """Return seconds on a clock that nobody sets and that nothing stops."""
    return time.clock_gettime(_CLOCK)


class Lease:
    """Renewed by aiokafka's thread whenever the group has answered us, read by any."""

    def __init__(self, seconds: float = LEASE_SECONDS) -> None:
        self._seconds = seconds
        self._heard = float("-inf")

    def renew(self, sent: float) -> None:
        """The group has answered what was sent then."""
        self._heard = sent

    def holds(self) -> bool:
        """Whether nobody else can have been given our partitions, as long as no rebalance has begun."""
        return now() - self._heard < self._seconds
