"""Deals with open transactions that keep partitions waiting: aborts those of dead workers, reports hanging ones."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from verbwire.engine.transactions.producers import ProducerPair
from verbwire.errors import UnavailableError
from verbwire.kafka.offsets import ClusterOffsets

log = logging.getLogger(__name__)

ABORT_DEAD_AFTER = 0.5  # seconds of waiting until a dead predecessor's transactions are aborted by us
ABORT_DEAD_EVERY = 5.0  # and once more: the worker may not be known to be dead yet
HANGING_AFTER = 60.0  # no transaction of ours lives for so long: the cluster itself has forgotten it


class WorkerLiveness(Protocol):
    """Knows which workers of this project may have died, and how far the others are."""

    def dead(self, named: Collection[str]) -> set[str]:
        """Return which of the named, and of those seen not long ago, seem to have died, or to be held up."""
        ...

    def caught_up(self, group: str, partition: int) -> bool:
        """Whether a partition's owner has read its sources to where they ended when it began. `group` as declared."""
        ...


class OpenTransactions:
    """Waits for the transactions that are open in a group's inputs and logs."""

    def __init__(
        self, group: str, worker: str, cluster: ClusterOffsets, producers: ProducerPair, liveness: WorkerLiveness
    ) -> None:
        self._group = group
        self._worker = worker
        self._cluster = cluster
        self._producers = producers
        self._liveness = liveness
        self._abort_at = 0.0
        self._report_at = 0.0

    def begin(self) -> None:
        """A new assignment: the wait is counted from here."""
        now = time.monotonic()
        self._abort_at, self._report_at = now + ABORT_DEAD_AFTER, now + HANGING_AFTER

    def abort_dead(self, inputs: Sequence[tuple[str, int]]) -> None:
        """Abort, now and then, the transactions of dead workers that committed these inputs last.

        Never those of a worker that lives: each would fence the other, in turn, and take it for a duplicate of itself.
        """
        if time.monotonic() < self._abort_at:
            return
        self._abort_at = time.monotonic() + ABORT_DEAD_EVERY
        try:
            last = self._cluster.last_workers(inputs)
            self._producers.abort_transactions_of(sorted(self._liveness.dead(last) - {self._worker}))
        except UnavailableError as error:
            log.warning("%s: transactions of dead workers could not be aborted: %s", self._group, error)

    def report_hanging(self, open_from: Mapping[tuple[str, int], int]) -> None:
        """Log where a transaction has been open for longer than any of ours lives, with its first offset."""
        if not open_from or time.monotonic() < self._report_at:
            return
        self._report_at = time.monotonic() + HANGING_AFTER
        places = ", ".join(f"{topic}/{partition} from {offset}" for (topic, partition), offset in open_from.items())
        log.error(
            "%s: a transaction in %s has been open for longer than any of ours lives, and holds the partition back. "
            "Kafka's kafka-transactions.sh tells whose it is (find-hanging) and ends it (abort)",
            self._group,
            places,
        )
