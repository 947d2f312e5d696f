"""Leases the partitions to a member for as long as its session cannot have ended, so that a paused worker notices.

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
    """Return seconds on a clock that is never set and never stops."""
    return time.clock_gettime(_CLOCK)


class Lease:
    """Renewed by aiokafka's thread whenever the group has answered us, read by any."""

    def __init__(self, seconds: float = LEASE_SECONDS) -> None:
        self._seconds = seconds
        self._answered_at = float("-inf")

    def renew(self, sent: float) -> None:
        """The group has answered what was sent then."""
        self._answered_at = sent

    def holds(self) -> bool:
        """Whether no other worker can have been given our partitions, as long as no rebalance has begun."""
        return now() - self._answered_at < self._seconds
