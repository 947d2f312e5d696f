"""Writes what was committed into the local copies: at once, or that of several large transactions in one go.

A table that catches up on ever new keys meets its copies' pages at random, each of them read and written for one row or
two; the more rows are written at once, the more of them share a page. So what a large transaction has changed may wait
for its successors: in memory, where the engine finds it, bounded, and for seconds at most. Who reads the copies sees it
a moment later, rows and positions together; what is lost with the process is restored from the log as ever.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from verbwire.engine.state.changes import StoreChanges
from verbwire.engine.state.memory import MEMORY
from verbwire.engine.state.store import PartitionStore
from verbwire.engine.transactions.transaction import Transaction

LARGE = 2_000  # records: with so many in one transaction more wait behind it
WAIT_SECONDS = 2.0  # of the first that waits, while others follow
REST_SECONDS = 0.2  # without a further transaction
_ROW = 200  # bytes besides its value, about


class LocalWrites:
    """Belongs to the committing thread. `committed` is told of a transaction once the copies have it.

    Not `patient`: each transaction is written at once.
    """

    def __init__(self, patient: bool, committed: Callable[[Transaction, float], None]) -> None:
        self._patient = patient
        self._committed = committed
        self._changes: dict[int, tuple[PartitionStore, StoreChanges]] = {}  # by partition
        self._after: list[Callable[[], None]] = []  # what may be told once they are written
        self._bytes = 0
        self._since = 0.0

    def take(self, transaction: Transaction, seconds: float) -> None:
        """Write a transaction that was committed in so many seconds, or let it wait."""
        may_wait = self._patient and transaction.records >= LARGE and _is_plain(transaction)
        if self._changes and not may_wait and not _is_plain(transaction):
            self.write()
        if not self._changes:
            self._since = time.monotonic()
        for partition, changes in transaction.changes.items():
            self._add(partition, transaction.caches[partition].store, changes, alone=not may_wait)
        self._after.append(partial(self._tell, transaction, seconds))
        if not may_wait or self._bytes >= MEMORY.pages or time.monotonic() - self._since >= WAIT_SECONDS:
            self.write()

    def then(self, note: Callable[[], None]) -> None:
        """Call `note` once all that was taken is written."""
        if self._after:
            self._after.append(note)
        else:
            note()

    def write(self) -> None:
        """Write what waits. Of what fails nothing is told: the partitions start over from what the copies have."""
        changes, self._changes = self._changes, {}
        after, self._after = self._after, []
        self._bytes = 0
        for store, each in changes.values():
            store.apply(each)
        for tell in after:
            tell()

    def _add(self, partition: int, store: PartitionStore, changes: StoreChanges, alone: bool) -> None:
        if not alone:
            values = [row[0] for row in changes.rows.values() if row is not None]
            self._bytes += _ROW * len(changes.rows) + sum(len(each) for each in values if isinstance(each, bytes))
        if partition in self._changes:
            _absorb(self._changes[partition][1], changes)
        else:
            self._changes[partition] = store, changes if alone else _copied(changes)

    def _tell(self, transaction: Transaction, seconds: float) -> None:
        transaction.written.set()
        for hook in transaction.after_commit:
            hook()
        self._committed(transaction, seconds)


def _is_plain(transaction: Transaction) -> bool:
    """Whether its changes are rows and positions, which can be merged, and nobody waits for them."""
    return not transaction.after_commit and not any(
        each.answers or each.parked is not None or each.parked_keys is not None or each.forgotten
        for each in transaction.changes.values()
    )


def _copied(changes: StoreChanges) -> StoreChanges:
    """Return plain changes as others to which more may be added."""
    return replace(
        changes,
        rows=dict(changes.rows),
        positions=dict(changes.positions),
        inputs=dict(changes.inputs),
        facts=dict(changes.facts),
    )


def _absorb(before: StoreChanges, after: StoreChanges) -> None:
    """Add plain changes to those before them; of two of the same thing the later holds."""
    before.rows.update(after.rows)
    before.positions.update(after.positions)
    before.inputs.update(after.inputs)
    before.facts.update(after.facts)
    times = [each.time for each in (before, after) if each.time is not None]
    before.time = max(times, default=None)
