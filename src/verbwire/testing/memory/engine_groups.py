"""One aggregate, table or process in memory: the engine's processor, its local store, and a transaction a batch.

The steps are those of `engine.group` and `engine.transactions.committer`, without what only a cluster needs: fencing,
restoring, changelogs, and a thread that commits.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from verbwire.contracts.schema.model import Contract
from verbwire.engine.processors.table import TableProcessor
from verbwire.engine.restore.lifecycle import PartitionLifecycle
from verbwire.engine.state.due_order import after, due_at
from verbwire.engine.state.partition_cache import PartitionCache
from verbwire.engine.state.reader import StoreReader
from verbwire.engine.state.store import PartitionStore
from verbwire.engine.topology import Begin, Due, StopDue, StopPartition, Topology
from verbwire.engine.transactions.group_metadata import GroupMetadata
from verbwire.engine.transactions.transaction import Transaction
from verbwire.kafka.record import Record, place_of
from verbwire.observability.metrics.registry import Metrics
from verbwire.testing.memory.parked_key import ParkedInMemory
from verbwire.testing.memory.topics import MemoryTopics, MemoryTransactions
from verbwire.wire.keys import key_bytes, parse_key, window_key

BATCH = 500  # records a transaction


class MemoryEngineGroup:
    """Runs the topology of one group on the topics in memory."""

    def __init__(self, name: str, row: Contract, topology: Topology, topics: MemoryTopics, folder: Path) -> None:
        self.name = name  # as declared
        self.row = row
        self.topology = topology
        self.stopped: str | None = None  # why a partition is stopped: a handler raised
        self.cause: BaseException | None = None
        self.parked: StopPartition | None = None  # the record that was parked last, until somebody is told
        self.counts: dict[tuple[str, ...], int] = {}  # late events, duplicates, ..., as metrics count them
        self._topics = topics
        self._producer = MemoryTransactions(topics)
        if isinstance(topology.processor, TableProcessor) and topology.processor.parking is not None:
            topology.processor.parking.told = self._note_parked
        self._membership = GroupMetadata(topology.group, 1, "in-memory")
        self.store_reader = StoreReader(name, row, topology.partitions)
        self._lifecycle = PartitionLifecycle(name, self.store_reader, Metrics().group(name))
        self._lifecycle.assign(range(topology.partitions))
        self._caches = [self._cache(partition, folder / name) for partition in range(topology.partitions)]
        if topology.due is not None and topology.due.begin is not None:
            for cache in self._caches:
                self._begin_due(topology.due.begin, topology.due.clock.now_ms(), cache)

    def step(self) -> bool:
        """Process what there is to read, a batch of each topic and partition; return whether there was anything."""
        found = False
        for cache in self._caches:
            for topic in self.topology.inputs:
                records = self._topics.read(topic, cache.partition, cache.next[topic], BATCH)
                if records and self._is_ready(cache):
                    self._process(cache, topic, records)
                    found = True
        return found or self._fire()

    def step_in_order(self) -> bool:
        """Process what was written next of all inputs, as it was live; return whether there was anything.

        What the group has handed to itself comes at once: it did then, too.
        """
        heads = [
            (topic != self.topology.repartition, records[0].number, cache, topic)
            for cache in filter(self._is_ready, self._caches)
            for topic in self.topology.inputs
            if (records := self._topics.read(topic, cache.partition, cache.next[topic], 1))
        ]
        if not heads:
            return False
        _, _, cache, topic = min(heads, key=lambda each: each[:2])
        self._process(cache, topic, self._topics.read(topic, cache.partition, cache.next[topic], 1))
        return True

    def next_due(self) -> int | None:
        """Return when something falls due next, in milliseconds since the epoch; None where nothing will."""
        due = self.topology.due
        if due is None:
            return None
        orders = [each.store.least(due.column, b"") for each in self._caches if self._is_ready(each)]
        return min((due_at(order) for order in orders if order is not None), default=None)

    def rows(self) -> list[bytes]:
        """Return all rows, as a changelog has them."""
        return [value for cache in self._caches for _, value in cache.store.items()]

    def close(self) -> None:
        """Close the stores."""
        for cache in self._caches:
            cache.close()

    def parked_keys(self) -> dict[bytes, ParkedInMemory]:
        """Return the keys that are parked."""
        states = self.store_reader.states.values()
        return {key: ParkedInMemory(its.records, its.reason) for state in states for key, its in state.parked.items()}

    def key_of(self, key: tuple[Any, ...]) -> tuple[int, bytes]:
        """Return partition and bytes of a key."""
        found = key_bytes(key[0])
        found = window_key(self.row, found, key[1]) if len(self.row.key) > 1 else found
        return self.store_reader.partition_of(found), found

    def key_shown(self, key: bytes) -> Any:
        """Return a key as `rows` has it."""
        parts = tuple(parse_key(self.row, key))
        return parts if len(parts) > 1 else parts[0]

    def first_parked(self, partition: int, key: bytes) -> list[str]:
        """Return the place of the first parked record of a key, as the engine names it; none where none is parked."""
        cache = self._caches[partition]
        processor = self.topology.processor
        parking = processor.parking if isinstance(processor, TableProcessor) else None
        return [] if parking is None else [place_of(each.original) for each in parking.records(cache, key, 1)]

    def take_parked(self) -> StopPartition | None:
        """Return the record that was parked since this was asked last, None where none was."""
        found, self.parked = self.parked, None
        return found

    # -- inside

    def _note_parked(self, stop: StopPartition) -> None:
        self.parked = self.parked or stop

    def _cache(self, partition: int, folder: Path) -> PartitionCache:
        topology = self.topology
        store = PartitionStore(folder / f"{partition}.db", topology.kept_columns, search=topology.search)
        self._lifecycle.run(partition, store.path, dict.fromkeys(topology.inputs, 0), None)
        return PartitionCache(
            partition, store, topology.decode, dict.fromkeys(topology.inputs, 0), beside=topology.beside
        )

    def _is_ready(self, cache: PartitionCache) -> bool:
        return self.store_reader.states[cache.partition].ready

    def _fire(self) -> bool:
        """Fire what is due, a batch of each partition; return whether there was anything."""
        due, found = self.topology.due, False
        if due is not None:
            for cache in filter(self._is_ready, self._caches):
                keys = [key for key, _ in cache.store.below(due.column, after(due.clock.now_ms()), BATCH)]
                if keys:
                    self._fire_keys(due, cache, keys)
                    found = True
        return found

    def _begin_due(self, begin: Begin, now: int, cache: PartitionCache) -> None:
        transaction = self._begin()
        begin(cache, now)
        self._keep_rows(transaction, cache)
        self._commit(transaction, cache)

    def _fire_keys(self, due: Due, cache: PartitionCache, keys: Sequence[bytes]) -> None:
        transaction, stop = self._begin(), None
        transaction.row_checks = (cache.partition,)
        cache.begin(keys)
        try:
            done = due.fire(cache, keys, due.clock.now_ms(), transaction)
        except StopDue as found:
            done, stop = found.done, found
        if done:
            self._keep_rows(transaction, cache)
            self._commit(transaction, cache)
        if stop is not None:
            self._stop(cache, f"what is due for {stop.key!r}", stop)

    def _process(self, cache: PartitionCache, topic: str, records: Sequence[Record]) -> None:
        transaction, stop = self._begin(), None
        try:
            # A row that cannot be written is the fault of the record that made it, not of its batch.
            transaction.row_checks = (cache.partition,)
            processed = self.topology.processor.process(cache, records, transaction)
        except StopPartition as found:
            processed, stop = records.index(found.record), found
        if processed:
            transaction.used(cache, topic, records[processed - 1].offset + 1)
            self._keep_rows(transaction, cache)
            self._commit(transaction, cache)
        if stop is not None:
            self._stop(cache, place_of(stop.record), stop)

    def _begin(self) -> Transaction:
        before = threading.Event()
        before.set()
        self._producer.begin_transaction()
        return Transaction(self._producer, 0, self._membership, "in-memory", before, self.topology.limits)

    def _keep_rows(self, transaction: Transaction, cache: PartitionCache) -> None:
        changes = transaction.of(cache.partition)
        changes.rows.update(self.topology.encode(cache.dirty))
        changes.time = cache.time
        cache.end(changes.rows, transaction.written)

    def _commit(self, transaction: Transaction, cache: PartitionCache) -> None:
        transaction.send()
        self._producer.flush()
        transaction.finish()  # outcomes, which carry the offsets of events
        self._producer.flush()
        cache.store.apply(transaction.of(cache.partition))
        transaction.written.set()
        for hook in transaction.after_commit:
            hook()
        transaction.ended(True)
        state = self.store_reader.states[cache.partition]
        state.inputs, state.parked = dict(cache.next), cache.parked.standing
        for what, number in transaction.counts.items():
            self.counts[what] = self.counts.get(what, 0) + number

    def _stop(self, cache: PartitionCache, place: str, stop: StopPartition | StopDue) -> None:
        self.stopped = f"{self.name} stopped at {place}: {stop.reason}"
        self.cause = stop.__cause__
        self._lifecycle.stop(cache.partition, self.stopped)
