"""The states of a partition at one worker, and which may follow which: Kafka Streams' `Task.State`, with what we add.

                    +-------------- restored ------------+
                    |                                    v
    CLOSED -> RESTORING --> RETRYING -- restored --> RUNNING --> SUSPENDED
                    |           |                        |           |
                    +-----------+------> STOPPED <-------+           |
                                                                     |
    every state -> CLOSED: released, lost or started over  <---------+

Kafka Streams has no STOPPED and no RETRYING: there an exception of a handler ends the whole instance.

*Behind* is no state: a RUNNING partition is behind by a number of records (`PartitionStatus.behind`). Nor is the lease
(`engine/faust/lease.py`): a process that was paused cannot change its state, so each read asks the lease.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from verbwire.errors import EngineError


class PartitionState(StrEnum):
    """What this worker does with a partition."""

    CLOSED = "closed"
    """Nothing: the partition is not assigned to this worker, or about to be restored again. Nothing of it is open."""

    RESTORING = "restoring"
    """Waits until offsets and changelog are stable, and restores the local copy. Answers no query."""

    RUNNING = "running"
    """Processes records and answers queries."""

    RETRYING = "retrying"
    """The local copy cannot be opened or written (disk full, no descriptor): restores again every few seconds."""

    STOPPED = "stopped"
    """Waits for an operator, `PartitionStatus.reason` says why. Processes nothing and answers no query."""

    SUSPENDED = "suspended"
    """Revoked by a rebalance that has not ended yet: the copy is still open, and another worker may be ahead of it."""


CLOSED, RESTORING, RUNNING, RETRYING, STOPPED, SUSPENDED = PartitionState

ALLOWED: Mapping[PartitionState, frozenset[PartitionState]] = {
    CLOSED: frozenset({RESTORING}),
    RESTORING: frozenset({RUNNING, RETRYING, STOPPED, SUSPENDED, CLOSED}),
    RETRYING: frozenset({RUNNING, STOPPED, CLOSED}),
    RUNNING: frozenset({STOPPED, SUSPENDED, CLOSED}),
    STOPPED: frozenset({CLOSED}),
    SUSPENDED: frozenset({CLOSED}),
}
"""The states that may follow each; every other transition is an error of ours."""


def require_allowed(partition: int, before: PartitionState, after: PartitionState) -> None:
    """Raise EngineError for a transition that the table does not have."""
    if after not in ALLOWED[before]:
        raise EngineError(f"partition {partition} cannot go from {before} to {after}: please report this")
