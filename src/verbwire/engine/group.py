"""The engine of one group: batch in, pure functions, transaction out. Knows nothing of Faust.

Everything here runs on one thread of the group's own, in order; committing and the local writes run on a second one
(committing.py). Whatever fails ends the same way: the partitions start over from what is committed.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from confluent_kafka import KafkaException

from verbwire.engine.code.facts import CODE_HEADER, other_code
from verbwire.engine.restore.lifecycle import PartitionLifecycle
from verbwire.engine.restore.partition_restorer import PartitionRestorer, WorkerLiveness
from verbwire.engine.state.partition_cache import PartitionCache
from verbwire.engine.state.partition_state import RETRYING
from verbwire.engine.state.reader import StoreReader
from verbwire.engine.topology import ROWS, StopPartition, Topology
from verbwire.engine.transactions.blame import FailedTransaction, FailureSuspects, Place, RecordRange
from verbwire.engine.transactions.committer import Committer, classified, reason_of
from verbwire.engine.transactions.failpoints import hit
from verbwire.engine.transactions.group_metadata import GroupMetadata
from verbwire.engine.transactions.producers import ProducerPair
from verbwire.engine.transactions.transaction import Transaction
from verbwire.errors import (
    FencedError,
    MessageError,
    NewerSchemaError,
    RegistryUnavailableError,
    UnencodableError,
    VerbwireError,
)
from verbwire.kafka.offsets import TopicIdentity
from verbwire.kafka.record import Record, place_of
from verbwire.names import Names
from verbwire.observability.metrics import GroupMetrics
from verbwire.wire.records.changelog import INPUTS_HEADER, LETTERS_HEADER, MARK, TIME_HEADER, letters_of, write_inputs
from verbwire.wire.topics import OUTCOME_RETENTION_MS

log = logging.getLogger(__name__)

Batch = Mapping[tuple[str, int], Sequence[Record]]
Piece = tuple[tuple[str, int], list[Record], int]  # topic and partition, their records, up to where they were read
_NONE: Mapping[tuple[str, int], int] = {}
MAX_BATCH = 5000  # records a transaction
BATCH_SECONDS = 1.0  # for the handlers of one transaction, which the broker lets live for ten
REGISTRY_SECONDS = 5.0  # the registry is asked again within; it takes a while to give up on one that is silent
FORGET_SECONDS = 3600.0  # how often ids older than the window are dropped: a scan, 0.1 s for half a million


class GroupEngine:
    """One group in this process. Its methods belong to the engine's thread, but for those of its state."""

    def __init__(
        self,
        plan: Topology,
        kafka: dict[str, str],
        names: Names,
        worker: str,
        folder: Path,
        view: StoreReader,
        metrics: GroupMetrics,
        others: WorkerLiveness,
    ) -> None:
        self.plan = plan
        self.view = view
        self._worker = worker
        self._metrics = metrics
        self._producers = ProducerPair(kafka, names, plan.group, worker, plan.limits)
        self._committer = Committer(self._producers, plan.group, self._committed, metrics.aborted)
        self._lifecycle = PartitionLifecycle(plan.group, view, metrics)
        self._preparation = PartitionRestorer(
            plan, kafka, worker, folder, view, self._lifecycle, self._producers, others
        )
        self._shards: dict[int, PartitionCache] = {}
        self._turn = 0
        self._failed = False  # in a transaction that was being built
        self._failure: VerbwireError | None = None  # with what
        self._blame = FailureSuspects()
        self._waits_until = 0.0  # for the registry, as far as we know: it is asked again before that
        self._told = ""  # of what failed last
        self._progress: deque[tuple[Place, int]] = deque()  # what was committed while anything was under suspicion
        self._careful: set[int] = set()
        self._forget_at = time.monotonic() + FORGET_SECONDS
        self.look_again: Callable[[], None] = lambda: None  # lets the consumer group ask for its topics at once

    # -- life

    def start(self) -> None:
        """Abort what a predecessor of this name left open, and connect: before anybody waits for it."""
        self._producers.ready()
        self._preparation.start()
        self._producers.ready()  # what the topics take is known by now

    def prepare(self, partitions: Sequence[int], cancel: Callable[[], bool], first: bool) -> dict[int, dict[str, int]]:
        """Make ready those of the partitions that can be now, and return where to read their inputs.

        Never waits for somebody else's transaction: ask again for the rest, from the start, in a moment. `first`
        says that this is a new assignment, or a new beginning after a failure: everything held so far is dropped.
        """
        if first:
            if self._failed or self.failure:
                self._metrics.reset()
            self._look_for_blame()
            self._failed = False
            self._committer.recover()
            self._lifecycle.assign(partitions)
            self._close_caches()
            self._producers.ready()
            self._preparation.begin()
            self._producers.ready()  # what the topics take is known by now
        shards, restored = self._preparation.probe(partitions, cancel)
        self._metrics.restored(restored)
        blameless = [shard for shard in shards if not self._is_to_blame(shard)]
        for shard in blameless:
            self._shards[shard.partition] = shard
            code = other_code(shard.facts.get(CODE_HEADER))
            self._lifecycle.run(shard.partition, shard.store.path, shard.next, code)
        return {shard.partition: dict(shard.next) for shard in blameless}

    def _look_for_blame(self) -> None:
        """Take down what may be to blame for the failure that the partitions start over after."""
        self._take_progress()
        failures = {id(each): each for each in (self._failure, self.failure) if isinstance(each, FailedTransaction)}
        for stumble in failures.values():
            told = str(stumble).split(" ", 1)[0]  # the error's name; numbers of records and times stand behind it
            if self._told != told:  # else it is the same once more, while its record is looked for
                self._told = told
                log.error("%s: a transaction failed: %s", self.plan.group, stumble, exc_info=stumble.__cause__)
            self._blame.failed(stumble)
        self._failure = None

    def _take_progress(self) -> None:
        while self._progress:
            self._blame.progressed(*self._progress.popleft())

    def _is_to_blame(self, shard: PartitionCache) -> bool:
        why = self._blame.verdict(shard.partition, shard.next)
        if why:
            shard.close()
            self._lifecycle.stop(shard.partition, why)
        return why is not None

    def _close_caches(self) -> None:
        for shard in self._shards.values():
            shard.close()
        self._shards = {}

    def suspend(self) -> None:
        """Answer no query for the partitions of an assignment that was revoked; the next one closes their copies."""
        self._lifecycle.suspend()

    def release(self) -> None:
        """Close all partitions until the next assignment is prepared: a new owner may be ahead of what is held."""
        self._committer.recover()
        self._lifecycle.close()
        self._close_caches()

    def close(self) -> None:
        """Finish the transaction in flight, close all partitions, and disconnect."""
        self._committer.close()
        self._lifecycle.close()
        self._close_caches()
        self._preparation.close()

    # -- state, for any thread

    @property
    def failure(self) -> VerbwireError | None:
        """What went wrong since the partitions were last prepared."""
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
        """The topics of the group, as they were when its partitions were prepared last."""
        return self._preparation.topics

    def stop_all(self, why: str) -> None:
        """Stop all running partitions until an operator decides; transactions in flight are still committed."""
        self._lifecycle.stop_running(why)

    def stopped(self) -> dict[int, str]:
        """The partitions that process nothing until an operator decides, or until they can be restored, and why."""
        return self.view.stopped()

    def retrying(self) -> set[int]:
        """Return those of them that are restored again without an operator: a copy could not be opened or written."""
        return set(self._lifecycle.within(RETRYING))

    def waits_for_registry(self) -> bool:
        """Whether records could not be read lately because the schema registry does not know what it should."""
        return time.monotonic() < self._waits_until

    # -- the batch

    def unreadable(self, topic: str, partition: int, why: str) -> None:
        """Let a partition stand still, once it is prepared again, whose input cannot be read."""
        if shard := self._shards.get(partition):
            self._blame.found((topic, partition), shard.next[topic], why)

    def process(
        self,
        batch: Batch,
        membership: GroupMetadata,
        still: Callable[[], bool],
        read: Mapping[tuple[str, int], int] = _NONE,
    ) -> None:
        """Deal with these records and hand their transactions over for commit.

        `read` says up to where topics have been read with this batch: behind its last records there may be the marks of
        transactions. They are committed with the records, and a log that ends with them is applied to its end: should
        retention take all of it, nothing is missed.
        FencedError when the partitions are no longer ours, another VerbwireError when they have to start over; in
        both cases nothing of what failed is visible to anybody, and the caller seeks before it reads on.
        """
        todo: list[Piece] = [(place, list(records), read.get(place, 0)) for place, records in batch.items() if records]
        if self._blame.suspects():
            todo.sort(key=lambda piece: self._blame.limit(piece[0]) is not None)  # the neighbours first
        while todo:
            if not still():
                raise FencedError(f"{self.plan.group}: the partitions were taken away")
            todo = self._one(todo, membership)
        if read:
            epochs = {partition: self.view.states[partition].epoch for partition in self._shards}
            self._committer.afterwards(lambda: self._note_read(read, epochs))

    def _one(self, todo: list[Piece], membership: GroupMetadata) -> list[Piece]:
        """Build one transaction of as much as fits; return what is left, first those that have not had their turn."""
        self._take_progress()
        turn, self._turn = self._turn, 1 - self._turn
        self._committer.wait_for_turn(turn)
        producer, before = self._producers.get(turn), self._committer.flushed
        try:
            transaction = Transaction(producer, turn, membership, self._worker, before, self.plan.limits)
        except KafkaException as error:  # a producer that has met a fatal error since its last transaction
            self._producers.give_up(turn)
            raise classified(error, {}) from error
        transaction.deadline = time.monotonic() + BATCH_SECONDS
        waiting, begun, alone = [], [], False
        try:
            for place, records, until in todo:
                limit = self._blame.limit(place)
                room = min(MAX_BATCH - transaction.records, limit or MAX_BATCH)
                if room <= 0 or transaction.is_late() or alone or (limit and transaction.stretches):
                    waiting.append((place, records, until))
                    continue
                alone = limit is not None
                dealt = self._fold(transaction, place, records[:room], until if room >= len(records) else 0)
                if dealt < len(records):
                    begun.append((place, records[dealt:], until))
        except BaseException as error:
            self._failed = True
            self._metrics.aborted(reason_of(error))
            self._committer.abort(transaction, error)
            if not isinstance(error, Exception):
                raise
            if not isinstance(error, KafkaException):  # else what was produced earlier has failed: produce() is told
                whole = RecordRange(records[0].offset, records[-1].offset + 1, len(records))
                transaction.stretches = {place: transaction.stretches.get(place, whole)}
            self._failure = classified(error, transaction.stretches)
            if isinstance(error, RegistryUnavailableError):
                self._waits_until = time.monotonic() + REGISTRY_SECONDS
            raise self._failure from error
        if transaction.shards:
            hit("after-produce")
            self._committer.submit(transaction)
        else:
            self._committer.abort(transaction)
        return waiting + begun

    def _fold(self, transaction: Transaction, place: tuple[str, int], records: list[Record], until: int) -> int:
        """Deal with as many of the records as there is time for, at least one, and return how many.

        With all of them the topic is dealt with up to `until`, where that is behind the last.
        """
        topic, partition = place
        shard = self._shards.get(partition)
        if shard is None or partition in self.stopped():
            return len(records)
        expected = shard.next[topic]
        fresh = [record for record in records if record.offset >= expected] if records[0].offset < expected else records
        if len(fresh) < len(records):
            # aiokafka does so when a partition changes its leader; the position has been ours alone all the time.
            log.info("%s: %s/%d came again from below %d: passed over", self.plan.group, topic, partition, expected)
        if not fresh:
            return len(records)
        transaction.stretches[place] = RecordRange(fresh[0].offset, fresh[-1].offset + 1, len(fresh))
        try:
            dealt, halt = self._handle(transaction, shard, fresh)
        except NewerSchemaError as error:  # met when its rows were loaded: nothing of these records is done
            self._lifecycle.stop(partition, str(error))
            return len(records)
        if dealt:
            after = fresh[dealt - 1].offset + 1
            transaction.stretches[place] = RecordRange(fresh[0].offset, after, dealt)
            transaction.used(shard, topic, max(after, until) if dealt == len(fresh) else after)
            transaction.records += dealt
            if letters := transaction.letters.pop(partition, 0):
                shard.facts[LETTERS_HEADER] = b"%d" % (letters_of(shard.facts) + letters)
            self._write_rows(transaction, shard)
            shard.end(transaction.of(partition).rows, transaction.written)
        if halt:
            self._lifecycle.stop(partition, self._advice(halt))
            return len(records)
        return len(records) - len(fresh) + dealt

    def _handle(
        self, transaction: Transaction, shard: PartitionCache, records: list[Record]
    ) -> tuple[int, StopPartition | None]:
        """Return how many of the records are dealt with, and why not more where one must not be skipped."""
        try:
            dealt = self.plan.processor.process(shard, records, transaction, shard.partition in self._careful)
        except StopPartition as halt:
            return records.index(halt.record), halt
        self._careful.discard(shard.partition)
        return dealt, None

    def _write_rows(self, transaction: Transaction, shard: PartitionCache) -> None:
        """Add the rows that changed, each once; the last one says how far the inputs are."""
        changes, partition = transaction.of(shard.partition), shard.partition
        left = len(shard.dirty)
        for key, row in shard.dirty.items():
            left -= 1
            value = None
            if row is None:
                changes.rows[key] = None
            else:
                try:
                    value, columns = self.plan.encode(key, row)
                except MessageError as error:
                    # Which record is to blame is not known here: once more, writing each row at once.
                    self._careful.add(partition)
                    raise UnencodableError(f"partition {partition} starts over, row by row: {error}") from error
                changes.rows[key] = (value, *columns)
            if left:
                transaction.produce(self.plan.changelog, partition, key, value)
            else:
                self._write_last(transaction, shard, key, value)
        if not shard.dirty and (self.plan.writes_progress or shard.facts != shard.told):
            self._write_last(transaction, shard, MARK, None)

    def _write_last(self, transaction: Transaction, shard: PartitionCache, key: bytes, value: bytes | None) -> None:
        headers = [(INPUTS_HEADER, write_inputs(shard.next))]
        if shard.time is not None:
            headers.append((TIME_HEADER, b"%d" % shard.time))
            transaction.of(shard.partition).time = shard.time
        headers += shard.facts.items()
        if shard.facts != shard.told:  # the copy has what was told already
            transaction.of(shard.partition).facts = shard.told = dict(shard.facts)
        transaction.produce(
            self.plan.changelog,
            shard.partition,
            key,
            value,
            headers,
            on_delivery=transaction.note_position(shard.partition, ROWS),
        )

    def _advice(self, halt: StopPartition) -> str:
        place = place_of(halt.record)
        return (
            f"stopped at {place}: {halt.reason}. Mend the handler and start the worker again, "
            f"or skip the record, which then goes to the dead letters: VERBWIRE_SKIP={self.plan.group}@{place}"
        )

    # -- after the commit, on the committing thread

    def _note_read(self, read: Mapping[tuple[str, int], int], epochs: Mapping[int, int]) -> None:
        """Take down how far partitions are that have not started over since it was read."""
        for (topic, partition), position in read.items():
            state = self.view.states[partition]
            if state.ready and state.epoch == epochs.get(partition) and state.inputs.get(topic, position) < position:
                state.inputs = {**state.inputs, topic: position}
                self.view.moved(partition)

    def _committed(self, transaction: Transaction, seconds: float) -> None:
        if self._blame.suspects():
            self._progress.extend((place, stretch.until) for place, stretch in transaction.stretches.items())
        for partition in transaction.shards:
            state, changes = self.view.states[partition], transaction.of(partition)
            state.inputs = {**state.inputs, **changes.inputs}
            state.letters = letters_of(changes.facts) or state.letters
            self.view.moved(partition)
        self._forget_answers(transaction)
        self._metrics.committed(transaction.records, seconds)
        for what, n in transaction.counts.items():
            match what:
                case ("dead_lettered", reason):
                    self._metrics.dead_lettered(reason, n)
                case ("rejected", command, code):
                    self._metrics.rejected(command, code, n)
                case ("expired", command):
                    self._metrics.expired(command, n)
                case ("late",):
                    self._metrics.late(n)
                case ("duplicate",):
                    self._metrics.duplicates(n)

    def _forget_answers(self, transaction: Transaction) -> None:
        if time.monotonic() < self._forget_at:
            return
        self._forget_at = time.monotonic() + FORGET_SECONDS
        for shard in transaction.shards.values():
            shard.store.forget_answers(int(time.time() * 1000) - OUTCOME_RETENTION_MS)
