"""Runs one group: batch in, pure functions, transaction out. Knows nothing of Faust.

Everything here runs on one thread of the group's own, in order; commits and local writes run on a second one
(`transactions/committer.py`). Every failure ends the same way: the partitions start over from what is committed.
"""

from __future__ import annotations

import logging
import time
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path

from verbwire.engine.code.facts import CODE_HEADER, other_code
from verbwire.engine.exchange.exchanger import RowExchanger
from verbwire.engine.firing import DueTimes, Firing
from verbwire.engine.group_transactions import GroupTransactions
from verbwire.engine.processors.changelog_writer import ChangelogWriter
from verbwire.engine.restore.lifecycle import PartitionLifecycle
from verbwire.engine.restore.open_transactions import WorkerLiveness
from verbwire.engine.restore.partition_restorer import PartitionRestorer
from verbwire.engine.state.partition_cache import PartitionCache
from verbwire.engine.state.partition_state import RETRYING
from verbwire.engine.state.reader import StoreReader
from verbwire.engine.topology import Requests, StopPartition, Topology
from verbwire.engine.transactions.committer import Committer
from verbwire.engine.transactions.failures import TransactionFailures
from verbwire.engine.transactions.group_metadata import GroupMetadata
from verbwire.engine.transactions.poison_records import RecordRange
from verbwire.engine.transactions.producers import ProducerPair
from verbwire.engine.transactions.transaction import Transaction
from verbwire.errors import (
    FencedError,
    NewerSchemaError,
    UnavailableError,
    VerbwireError,
)
from verbwire.kafka.offsets import TopicIdentity
from verbwire.kafka.record import Record, place_of
from verbwire.names import Names
from verbwire.observability.metrics.groups import GroupMetrics
from verbwire.wire.records.changelog import (
    DEAD_LETTERS_HEADER,
    dead_letter_count,
)
from verbwire.wire.topics import OUTCOME_RETENTION_MS

log = logging.getLogger(__name__)

Batch = Mapping[tuple[str, int], Sequence[Record]]
Piece = tuple[tuple[str, int], list[Record], int]  # topic and partition, their records, up to where they were read
_NONE: Mapping[tuple[str, int], int] = {}
FORGET_SECONDS = 3600.0  # how often ids older than the window are dropped: a scan, 0.1 s for half a million


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """What one transaction may take at the most."""

    records: int = 10_000  # the more, the more rows of a large table stand on each page that is written
    bytes: int = 8 * 1024 * 1024  # of their values
    seconds: float = 1.0  # for its handlers; the broker lets it live for ten


BATCH = BatchLimits()
_ASKED = 5000  # commands of a transaction: each is three records, and somebody may wait for it


class GroupEngine:
    """One group in this process. Its methods belong to the engine's thread, but for those of its state."""

    def __init__(
        self,
        topology: Topology,
        kafka: dict[str, str],
        names: Names,
        worker: str,
        folder: Path,
        reader: StoreReader,
        metrics: GroupMetrics,
        liveness: WorkerLiveness,
        batch: BatchLimits | None = None,
    ) -> None:
        self.topology = topology
        self.reader = reader
        self.batch = batch or (replace(BATCH, records=min(BATCH.records, _ASKED)) if topology.commands else BATCH)
        self._metrics = metrics
        metrics.has_partitions(topology.partitions)
        metrics.receives(topology.commands)
        self._producers = ProducerPair(kafka, names, topology.group, worker, topology.limits)
        self._committer = Committer(
            self._producers, topology.group, self._committed, metrics.aborted, topology.writes_may_wait
        )
        self._lifecycle = PartitionLifecycle(topology.group, reader, metrics)
        self._restorer = PartitionRestorer(
            topology, kafka, worker, folder, reader, self._lifecycle, self._producers, liveness
        )
        self._caches: dict[int, PartitionCache] = {}
        self._listening: set[int] = set()  # partitions that stopped at a record before they ran: to operators alone
        self._failures = TransactionFailures(topology.group)
        self._changelog = ChangelogWriter(topology)
        self._transactions = GroupTransactions(
            self._producers,
            self._committer,
            self._failures,
            metrics,
            worker,
            topology.limits,
            self._changelog.row_checks,
        )
        self._firing = self._firing_of(topology)
        self.due: DueTimes | None = None if self._firing is None else self._firing.times
        self.exchanger = topology.exchanges and RowExchanger(
            topology, topology.exchanges, kafka, reader, self._changelog, self._lifecycle.stop
        )
        self._forget_at = time.monotonic() + FORGET_SECONDS
        self.progressed: Callable[[], None] = lambda: None  # told when `flushed` or `failure` may have changed
        self._committer.progressed = lambda: self.progressed()
        self.refresh_topics: Callable[[], None] = lambda: None  # lets the consumer group ask for its topics at once

    def _firing_of(self, topology: Topology) -> Firing | None:
        if topology.due is None:
            return None
        firing = Firing(topology, topology.due, self.reader, self._failures, self._changelog, self._lifecycle.stop)
        self._metrics.dues(firing.times.overdue)
        self._metrics.fired(())
        return firing

    # -- life

    def start(self) -> None:
        """Abort what a predecessor of this name left open, and connect: before anybody waits for it."""
        self._producers.ready()
        self._restorer.start()
        self._producers.ready()  # what the topics take is known by now

    def restore(self, partitions: Sequence[int], cancel: Callable[[], bool], first: bool) -> dict[int, dict[str, int]]:
        """Restore those of the partitions that can be now, and return where to read their inputs.

        Never waits for another worker's transaction: ask again for the rest, from the start, in a moment. `first`
        marks a new assignment, or a new beginning after a failure: everything held so far is dropped.
        """
        if first:
            if self._failures.start_over(self.failure):
                self._metrics.reset()
            self._committer.recover()
            self._lifecycle.assign(partitions)
            self._close_caches()
            self._producers.ready()
            self._restorer.begin()
            self._producers.ready()  # what the topics take is known by now
        caches = self._restorer.restore(partitions, cancel)
        poisoned = [cache for cache in caches if self._is_poisoned(cache)]
        restored_caches = [cache for cache in caches if cache not in poisoned]
        for cache in restored_caches:
            self._caches[cache.partition] = cache
            code = other_code(cache.facts.get(CODE_HEADER))
            self._lifecycle.run(cache.partition, cache.store.path, cache.next, code)
        if self._firing is not None:
            self._firing.restored(restored_caches)
        if self.exchanger is not None:
            self.exchanger.restored(restored_caches)
        found = {cache.partition: dict(cache.next) for cache in restored_caches}
        if self.topology.requests is not None:  # operators may have their record skipped
            self._listening |= {cache.partition for cache in poisoned}
            topic = self.topology.requests.topic
            found |= {cache.partition: {topic: cache.next[topic]} for cache in poisoned}
        return found

    def _is_poisoned(self, cache: PartitionCache) -> bool:
        partition, requests = cache.partition, self.topology.requests
        why = self._failures.reason_to_stop(partition, cache.next)
        if why is None:
            return False
        if (blamed := self._failures.blamed(partition)) and requests is not None:
            place = f"{blamed[0]}/{partition}/{blamed[1]}"
            if requests.skips_place(place) and self._failures.skip(partition):
                return False
            why += f", or {self._skip_advice(place)}"
        cache.close()
        self._lifecycle.stop(partition, why)
        return True

    def _close_caches(self) -> None:
        for cache in self._caches.values():
            cache.close()
        self._caches = {}
        self._listening = set()
        if self.due is not None:
            self.due.forget()

    def suspend(self) -> None:
        """Answer no query for the partitions of an assignment that was revoked; the next one closes their copies."""
        self._lifecycle.suspend()

    def release(self) -> None:
        """Close all partitions until the next assignment is restored: a new owner may be ahead of what is held."""
        self._committer.recover()
        self._lifecycle.close()
        self._close_caches()

    def close(self) -> None:
        """Finish the transaction in flight, close all partitions, and disconnect."""
        self._committer.close()
        self._producers.close()
        self._lifecycle.close()
        self._close_caches()
        if self.exchanger is not None:
            self.exchanger.close()
        self._restorer.close()

    # -- state, for any thread

    @property
    def failure(self) -> VerbwireError | None:
        """What went wrong since the partitions were last restored."""
        return self._committer.failure

    def busy(self) -> bool:
        """Whether a transaction is under way."""
        return self._committer.busy()

    @property
    def flushed(self) -> bool:
        """Whether the broker has what was produced so far: the next transaction need not wait to produce."""
        return self._committer.flushed.is_set()

    @property
    def topics(self) -> Mapping[str, TopicIdentity]:
        """The topics of the group, as they were when its partitions were restored last."""
        return self._restorer.topics

    def stop_all(self, why: str) -> None:
        """Stop all running partitions until an operator decides; transactions in flight are still committed."""
        self._lifecycle.stop_running(why)

    def stopped(self) -> dict[int, str]:
        """The partitions that process nothing until an operator decides, or until they can be restored, and why."""
        return self.reader.stopped()

    def hears(self, topic: str, partition: int) -> bool:
        """Whether a partition that has stopped at a record listens to this topic: to operators alone."""
        requests, status = self.topology.requests, self.reader.states[partition]
        stands = status.path is not None or partition in self._listening
        return requests is not None and topic == requests.topic and stands

    def retrying(self) -> set[int]:
        """Return those of them that are restored again without an operator: a copy could not be opened or written."""
        return set(self._lifecycle.within(RETRYING))

    def waits_for_registry(self) -> bool:
        """Whether records could not be read lately because the schema registry does not know what it should."""
        return self._transactions.waits_for_registry()

    # -- the batch

    def unreadable(self, topic: str, partition: int, why: str) -> None:
        """Stop a partition, once it is restored again, whose input cannot be read."""
        if cache := self._caches.get(partition):
            self._failures.found((topic, partition), cache.next[topic], why)

    def process(
        self,
        batch: Batch,
        membership: GroupMetadata,
        is_live: Callable[[], bool],
        read: Mapping[tuple[str, int], int] = _NONE,
    ) -> None:
        """Process these records and hand their transactions over for commit.

        `read` is up to where topics have been read with this batch: behind its last records there may be the markers of
        transactions. They are committed with the records, and a log that ends with them is applied to its end: should
        retention take all of it, nothing is missed. What is due is fired behind them, in a transaction of its own.
        FencedError when the partitions are no longer ours, another VerbwireError when they have to start over; in
        both cases nothing of what failed is visible to anybody, and the caller seeks before it reads on.
        """
        if self.exchanger is not None and self.exchanger.unfinished:  # before it decides anything
            self._exchange(self.exchanger, membership, is_live)
        todo: list[Piece] = [(place, list(records), read.get(place, 0)) for place, records in batch.items() if records]
        for (topic, partition), records, _ in todo:
            self.reader.states[partition].timestamps[topic] = records[0].timestamp
        if self._failures.any_suspects():
            todo.sort(key=lambda piece: self._failures.limit(piece[0]) is not None)  # the neighbours first
        while todo:
            self._require_live(is_live)
            todo = self._build_transaction(todo, membership)
        if read:
            epochs = {partition: self.reader.states[partition].epoch for partition in self._caches}
            self._committer.afterwards(lambda: self._note_read(read, epochs))
        if self._firing is not None and self._firing.times.now_due():
            self._fire(self._firing, membership, is_live)
        if self.exchanger is not None and self.exchanger.is_due():
            self._exchange(self.exchanger, membership, is_live)

    def idle_seconds(self) -> float | None:
        """Return when to call :meth:`process` though there is no record; None: not before something else happens."""
        times = (each.seconds() for each in (self.due, self.exchanger) if each is not None)
        return min((each for each in times if each is not None), default=None)

    def is_due(self) -> bool:
        """Whether there is something to do without a record."""
        return bool(self.due is not None and self.due.now_due()) or bool(self.exchanger and self.exchanger.is_due())

    def _exchange(self, exchanger: RowExchanger, membership: GroupMetadata, is_live: Callable[[], bool]) -> None:
        """Exchange the states of one partition, where that can be done now; no other is worked on meanwhile."""
        self._transactions.settle()
        self._require_live(is_live)
        exchange = exchanger.next(self._caches)
        if exchange is None:
            return
        for piece, last in exchange.pieces():
            self._require_live(is_live)
            with self._transactions.begin(membership, self.batch.seconds) as transaction:
                exchange.write(piece, last, transaction)
        exchanger.over(exchange)

    def _require_live(self, is_live: Callable[[], bool]) -> None:
        if not is_live():
            raise FencedError(f"{self.topology.group}: the partitions were taken away")

    def _fire(self, firing: Firing, membership: GroupMetadata, is_live: Callable[[], bool]) -> None:
        self._transactions.settle()
        self._require_live(is_live)
        with self._transactions.begin(membership, self.batch.seconds) as transaction:
            firing.fire(self._caches, transaction, self.batch.records)

    def _build_transaction(self, todo: list[Piece], membership: GroupMetadata) -> list[Piece]:
        """Build one transaction of as much as fits; return the rest, first the partitions that have not been begun."""
        waiting, begun, isolated = [], [], False
        with self._transactions.begin(membership, self.batch.seconds) as transaction:
            for place, records, until in todo:
                limit = self._failures.limit(place)
                max_records = min(self.batch.records - transaction.records, limit or self.batch.records)
                max_records = min(max_records, _fitting(records, self.batch.bytes - transaction.bytes))
                if max_records <= 0 or transaction.is_late() or isolated or (limit and transaction.ranges):
                    waiting.append((place, records, until))
                    continue
                isolated = limit is not None
                transaction.at = place, RecordRange(records[0].offset, records[-1].offset + 1, len(records))
                processed = self._process_partition(
                    transaction, place, records[:max_records], until if max_records >= len(records) else 0
                )
                if processed < len(records):
                    begun.append((place, records[processed:], until))
        return waiting + begun

    def _process_partition(
        self, transaction: Transaction, place: tuple[str, int], records: list[Record], until: int
    ) -> int:
        """Process as many of the records as there is time for, at least one, and return how many.

        With all of them the input is processed up to `until`, where that is behind the last.
        """
        topic, partition = place
        cache = self._caches.get(partition)
        if cache is None or partition in self.stopped():
            if self.topology.requests is not None and self.hears(topic, partition):
                self._hear(partition, records, self.topology.requests)
            return len(records)
        expected = cache.next[topic]
        fresh = [record for record in records if record.offset >= expected] if records[0].offset < expected else records
        if len(fresh) < len(records):
            # aiokafka does so when a partition changes its leader; the position has been ours alone all the time.
            log.info(
                "%s: %s/%d: skipped re-fetched records below offset %d", self.topology.group, topic, partition, expected
            )
        if not fresh:
            return len(records)
        transaction.ranges[place] = RecordRange(fresh[0].offset, fresh[-1].offset + 1, len(fresh))
        try:
            processed, stop = self._run_processor(transaction, cache, fresh)
        except NewerSchemaError as error:  # met when its rows were loaded: nothing of these records is done
            self._lifecycle.stop(partition, str(error))
            return len(records)
        if processed:
            after = fresh[processed - 1].offset + 1
            transaction.ranges[place] = RecordRange(fresh[0].offset, after, processed)
            transaction.used(cache, topic, max(after, until) if processed == len(fresh) else after)
            transaction.records += processed
            transaction.bytes += sum(_sizes(fresh[:processed]))
            if dead_letters := transaction.dead_letters.pop(partition, 0):
                cache.facts[DEAD_LETTERS_HEADER] = b"%d" % (dead_letter_count(cache.facts) + dead_letters)
            self._changelog.write(transaction, cache)
            cache.end(transaction.of(partition).rows, transaction.written)
        if stop:
            self._lifecycle.stop(partition, self._advice(stop))
            return len(records)
        return len(records) - len(fresh) + processed

    def _hear(self, partition: int, records: list[Record], requests: Requests) -> None:
        if requests.unblock(records):
            group = self.topology.group
            raise UnavailableError(f"{group}: an operator lets partition {partition} go on: partitions start over")

    def _run_processor(
        self, transaction: Transaction, cache: PartitionCache, records: list[Record]
    ) -> tuple[int, StopPartition | None]:
        """Return how many records were processed, and the stop where one must not be skipped."""
        try:
            processed = self.topology.processor.process(cache, records, transaction)
        except StopPartition as stop:
            return records.index(stop.record), stop
        self._changelog.row_checks.discard(cache.partition)
        return processed, None

    def _advice(self, stop: StopPartition) -> str:
        place = place_of(stop.record)
        if self.topology.requests is None:
            return f"stopped at {place}: {stop.reason}"
        advice = self._skip_advice(place)
        return f"stopped at {place}: {stop.reason}. Mend the handler and start the worker again, or {advice}"

    def _skip_advice(self, place: str) -> str:
        which = f"`verbwire parked skip {self.reader.name} --at {place}`"
        return f"skip the record, which then goes to the dead letters: {which}"

    # -- after the commit, on the committing thread

    def _note_read(self, read: Mapping[tuple[str, int], int], epochs: Mapping[int, int]) -> None:
        """Note how far partitions are that have not started over since it was read."""
        for (topic, partition), position in read.items():
            state = self.reader.states[partition]
            if state.ready and state.epoch == epochs.get(partition) and state.inputs.get(topic, position) < position:
                state.inputs = {**state.inputs, topic: position}
                self.reader.moved(partition)

    def _committed(self, transaction: Transaction, seconds: float) -> None:
        self._failures.committed(transaction.ranges)
        for partition in transaction.caches:
            state, changes = self.reader.states[partition], transaction.of(partition)
            if changes.parked_keys is not None:  # before the positions: who waits for those is told
                state.parked = changes.parked_keys
            state.inputs = {**state.inputs, **changes.inputs}
            state.dead_letters = dead_letter_count(changes.facts) or state.dead_letters
            self.reader.moved(partition)
        if self._firing is not None:
            self._firing.committed(transaction.changes)
            self._metrics.fired(self._firing.lateness(transaction))
        self._forget_answers(transaction)
        self._metrics.committed(transaction.records, seconds)
        self._metrics.counted(transaction.counts)

    def _forget_answers(self, transaction: Transaction) -> None:
        if time.monotonic() < self._forget_at:
            return
        self._forget_at = time.monotonic() + FORGET_SECONDS
        for cache in transaction.caches.values():
            cache.store.forget_answers(int(time.time() * 1000) - OUTCOME_RETENTION_MS)


def _sizes(records: Sequence[Record]) -> list[int]:
    return [0 if record.value is None else len(record.value) for record in records]


def _fitting(records: Sequence[Record], room: int) -> int:
    """Return how many of the records come to no more than so many bytes; where there is room at all, one does."""
    sizes = _sizes(records)
    if sum(sizes) <= room:
        return len(records)
    return max(bisect_right([*accumulate(sizes)], room), 1 if room > 0 else 0)
