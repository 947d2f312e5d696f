"""Moves the partitions of one group through their states, the only place that does.

The engine's thread makes every transition but one: :meth:`PartitionLifecycle.stop_running` may come from any thread.
Each is checked against the table in `engine/state/partition_state.py`, logged, counted, and told to requests that wait.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from verbwire.engine.state.partition_state import (
    CLOSED,
    RESTORING,
    RETRYING,
    RUNNING,
    STOPPED,
    SUSPENDED,
    PartitionState,
    require_allowed,
)
from verbwire.engine.state.reader import PartitionStatus, StoreReader
from verbwire.observability.metrics.groups import GroupMetrics
from verbwire.observability.watch.throttle import Throttle

log = logging.getLogger(__name__)


class PartitionLifecycle:
    """Owns the state of each partition that `reader` reads."""

    def __init__(self, group: str, reader: StoreReader, metrics: GroupMetrics) -> None:
        self._group = group
        self._reader = reader
        self._metrics = metrics
        self._lock = threading.Lock()
        self._retries = Throttle[int]()  # of log lines
        self._tell([])

    def state(self, partition: int) -> PartitionState:
        """Return a partition's state now. From any thread."""
        return self._reader.states[partition].state

    def within(self, *states: PartitionState) -> list[int]:
        """Return the partitions in one of these states. From any thread."""
        return [each.partition for each in self._reader.states.values() if each.state in states]

    def assign(self, partitions: Collection[int]) -> None:
        """Close all partitions, then begin to restore these."""
        self.close()
        self._move_all(partitions, RESTORING)

    def run(self, partition: int, path: Path, inputs: Mapping[str, int], other_code: str | None) -> None:
        """Let queries read a restored copy."""
        with self._lock:
            status = self._reader.states[partition]
            require_allowed(partition, status.state, RUNNING)
            status.path, status.inputs, status.other_code = path, dict(inputs), other_code
            status.epoch += 1
            resumed = self._move(status, RUNNING) is RETRYING
        if resumed:
            log.warning("%s: partition %d is running again: its copy can be written", self._group, partition)
        self._tell([partition])

    def stop(self, partition: int, why: str) -> None:
        """Stop a partition until an operator decides. One that has been stopped already keeps its first reason."""
        with self._lock:
            status = self._reader.states[partition]
            if status.state is STOPPED:
                return
            require_allowed(partition, status.state, STOPPED)
            self._stop(status, why)
        self._tell([partition])

    def stop_running(self, why: str) -> None:
        """Stop all running partitions until an operator decides. From any thread."""
        with self._lock:
            running = self.within(RUNNING)
            for partition in running:
                self._stop(self._reader.states[partition], why)
        self._tell(running)

    def retry(self, partition: int, why: str) -> None:
        """Let a partition wait for its next attempt."""
        with self._lock:
            status = self._reader.states[partition]
            status.reason = why
            if status.state is not RETRYING:
                self._move(status, RETRYING)
        if self._retries.admit(partition) is not None:
            log.error("%s: partition %d is retrying: %s", self._group, partition, why)
        self._tell([partition])

    def progressed(self, rows: int, remaining: int) -> None:
        """Count so many restored rows; the logs that are being read have `remaining` offsets more."""
        self._metrics.restored(rows)
        self._metrics.restore_remaining(remaining)

    def suspend(self) -> None:
        """Answer no query for revoked partitions; those that wait for an operator go on saying what for."""
        self._move_all(self.within(RESTORING, RUNNING), SUSPENDED)

    def close(self) -> None:
        """Let go of all partitions."""
        self._move_all(self.within(*set(PartitionState) - {CLOSED}), CLOSED)

    def _stop(self, status: PartitionStatus, why: str) -> None:
        status.reason = why
        self._move(status, STOPPED)
        log.error("%s: partition %d is stopped: %s", self._group, status.partition, why.removeprefix("stopped "))

    def _move_all(self, partitions: Collection[int], state: PartitionState) -> None:
        with self._lock:
            for partition in partitions:
                self._move(self._reader.states[partition], state)
        if partitions:
            log.info("%s: %s: partitions %s", self._group, state, ", ".join(map(str, sorted(partitions))))
        self._tell(partitions)

    def _move(self, status: PartitionStatus, state: PartitionState) -> PartitionState:
        """Make one transition; return the state before it."""
        before = status.state
        require_allowed(status.partition, before, state)
        status.state = state
        if state is CLOSED:
            status.path = None
        return before

    def _tell(self, partitions: Iterable[int]) -> None:
        for partition in partitions:
            self._reader.moved(partition)
        self._reader.changed()
        found = Counter(each.state for each in self._reader.states.values())
        self._metrics.states({state: found[state] for state in PartitionState})
