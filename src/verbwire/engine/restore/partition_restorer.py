"""Restores a new owner's partitions before it reads its first record, in the one order that is safe.

1. its own producers are initialised (group.py): what it, or its predecessor of the same name, left open is aborted
2. committed offsets, stable ones only
3. the ends of its logs, open transactions included
4. the stores are restored up to those ends, which a `read_committed` reader reaches only when nothing is open below
5. the inputs are sought (faust/recovery.py, faust/consumer.py)

Each call is a probe of all the steps: what is not stable yet is asked for again from step 2, never waited for.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from verbwire.engine.code.facts import CODE_HEADER, FoldedBy, write_code
from verbwire.engine.code.watch import CodeWatch
from verbwire.engine.restore.changelog import CancelledRestore, ChangelogReader
from verbwire.engine.restore.changelog_task import ChangelogTask
from verbwire.engine.restore.copy_loads import CopyLoads
from verbwire.engine.restore.group_topics import GroupTopics
from verbwire.engine.restore.kept_copy import KeptCopy, put_back, read_kept_copy, set_aside
from verbwire.engine.restore.lifecycle import PartitionLifecycle
from verbwire.engine.restore.log_completeness import (
    LogState,
    decided,
    fits,
    recovery_advice,
    require_parked,
    require_whole,
)
from verbwire.engine.restore.open_transactions import OpenTransactions, WorkerLiveness
from verbwire.engine.restore.start_positions import InputOffsets, StartPositions
from verbwire.engine.restore.topic_identity import TOPICS_FACT, write_topics
from verbwire.engine.state.failures import StoreFailures
from verbwire.engine.state.partition_cache import PartitionCache
from verbwire.engine.state.partition_state import RETRYING, STOPPED
from verbwire.engine.state.reader import EndOffsets, StoreReader
from verbwire.engine.state.store import PartitionStore
from verbwire.engine.topology import Topology
from verbwire.engine.transactions.dead_letters import legible
from verbwire.engine.transactions.producers import ProducerPair
from verbwire.errors import EngineError, UnavailableError, VerbwireError
from verbwire.kafka.offsets import ClusterOffsets, Committed, TopicIdentity
from verbwire.wire.records.changelog import dead_letter_count
from verbwire.wire.topics import OUTCOME_RETENTION_MS

log = logging.getLogger(__name__)

STALLED = 60.0  # seconds without a restored record


class PartitionRestorer:
    """Probes and restores partitions of one group. `liveness` knows which workers may have died."""

    def __init__(
        self,
        topology: Topology,
        kafka: dict[str, str],
        worker: str,
        folder: Path,
        reader: StoreReader,
        lifecycle: PartitionLifecycle,
        producers: ProducerPair,
        liveness: WorkerLiveness,
    ) -> None:
        self._topology = topology
        self._folder = folder
        self._reader = reader
        self._lifecycle = lifecycle
        self._cluster = ClusterOffsets(kafka, topology.group)
        self._topics = GroupTopics(topology, self._cluster)
        self._open_transactions = OpenTransactions(topology.group, worker, self._cluster, producers, liveness)
        self._changelog_reader = ChangelogReader(kafka, lifecycle.progressed)
        self._codes: dict[int, FoldedBy] = {}  # what is to be said of a partition that is about to be ready
        self._watch = CodeWatch(topology.group, topology.code)
        self._positions = StartPositions(topology, self._topics, self._watch)
        self._abandoned: set[str] = set()  # topics that are not read any more, as far as that was logged
        self._found: dict[int, tuple[list[LogState], KeptCopy | None]] = {}  # logs and copy, before they were touched
        self._failures = StoreFailures()  # with copies that cannot be opened or written
        self._loads = CopyLoads()
        self._aside: dict[int, Path] = {}  # copies of other logs than those that are there, until it is clear why

    def start(self) -> None:
        """Connect, and compare the topics with what the topology takes for granted."""
        self._topics.describe()
        self._changelog_reader.warm()

    def begin(self) -> None:
        """A new assignment: the wait for others' transactions is counted from here."""
        self._open_transactions.begin()
        self._topics.describe()

    @property
    def topics(self) -> Mapping[str, TopicIdentity]:
        """The group's topics as they were described last. From any thread."""
        return self._topics.identities

    def close(self) -> None:
        """Disconnect."""
        self._changelog_reader.close()

    def restore(self, partitions: Sequence[int], cancel: Callable[[], bool]) -> list[PartitionCache]:
        """Return the caches of the partitions that are restored now.

        What fails in a way that is not foreseen is retried partition by partition: the one to blame stops.
        """
        try:
            return self._restore(partitions, cancel)
        except (VerbwireError, CancelledRestore):
            raise
        except Exception as error:
            if len(partitions) == 1:
                log.exception("%s: restoring partition %d failed", self._topology.group, partitions[0])
                self._stop(partitions[0], legible(f"restore failed: {type(error).__name__}: {error}"))
                return []
        return self._one_by_one(partitions, cancel)

    def _restore(self, partitions: Sequence[int], cancel: Callable[[], bool]) -> list[PartitionCache]:
        partitions = [p for p in partitions if self._is_due(p)]
        if self._topics.misconfigured:
            for partition in partitions:
                self._stop(partition, self._topics.misconfigured)
        if not partitions or self._topics.misconfigured:
            return []
        committed = self._cluster.stable((topic, p) for p in partitions for topic in self._topology.inputs)
        settled = [p for p in partitions if all((topic, p) in committed for topic in self._topology.inputs)]
        logs = [(each.topic, p) for p in settled for each in self._topology.logs]
        ends, stable = self._cluster.ends(logs), self._cluster.stable_ends(logs)
        ready = [
            p for p in settled if all(stable[each.topic, p] >= ends[each.topic, p] for each in self._topology.logs)
        ]
        if len(ready) < len(partitions):
            self._open_transactions.abort_dead([(topic, p) for p in partitions for topic in self._topology.inputs])
            self._open_transactions.report_hanging(
                {place: offset for place, offset in stable.items() if offset < ends[place]}
            )
        if not ready:
            return []
        with ExitStack() as opened:  # on the way out of an error nothing stays open
            caches = self._restore_stores(ready, committed, ends, cancel, opened)
            opened.pop_all()
        return caches

    # -- inside

    def _is_due(self, partition: int) -> bool:
        state = self._lifecycle.state(partition)
        return state is not STOPPED and not (state is RETRYING and self._failures.is_early(partition))

    def _one_by_one(self, partitions: Sequence[int], cancel: Callable[[], bool]) -> list[PartitionCache]:
        caches: list[PartitionCache] = []
        with ExitStack() as opened:
            for partition in partitions:
                ready = self.restore([partition], cancel)
                for cache in ready:
                    opened.callback(cache.close)
                caches += ready
            opened.pop_all()
        return caches

    def _restore_stores(
        self,
        ready: list[int],
        committed: dict[tuple[str, int], Committed],
        ends: dict[tuple[str, int], int],
        cancel: Callable[[], bool],
        opened: ExitStack,
    ) -> list[PartitionCache]:
        """Bring the copies of these partitions up to date; those that had to stop are not among the caches."""
        opened.callback(self._loads.close)
        stores = self._open(ready, committed, ends, opened)
        tasks = self._tasks(stores, ends)
        self._changelog_reader.restore(tasks, cancel, STALLED)
        refused = {task.partition: task.refused for task in tasks if task.refused}
        for partition, why in refused.items():
            self._stop(partition, why, stores[partition])
        failed = {task.partition: task.failure for task in tasks if task.failure and not task.refused}
        failed |= self._loads.finish([p for p in stores if p not in {*refused, *failed}])
        self._loads.close()
        for partition, error in failed.items():
            self._fail(partition, "the copy cannot be written", error, stores[partition])
        starts = self._starts([p for p in stores if p not in {*refused, *failed}], committed, stores)
        self._failures.recovered(starts)
        return [self._open_cache(p, stores[p], starts[p]) for p in stores if p in starts]

    def _report_abandoned_topics(self, topics: Iterable[str]) -> None:
        """Name the topics that an earlier version of the group has read, once: the rows hold what came of them."""
        left = set(topics) - {*self._topology.inputs, *self._abandoned}
        for topic in sorted(left):
            self._abandoned.add(topic)
            log.warning(
                "%s has read %s before and does not any more: records that have come there since, and will, are not "
                "processed. A process instance that waits for an outcome from there waits for ever",
                self._topology.group,
                topic,
            )

    def _open_cache(self, partition: int, store: PartitionStore, start: dict[str, int]) -> PartitionCache:
        self._report_abandoned_topics(store.inputs())
        topology = self._topology
        cache = PartitionCache(
            partition, store, topology.decode, start, store.time(), store.facts(), beside=topology.beside
        )
        self._reader.states[partition].parked = cache.parked.standing
        cache.facts[CODE_HEADER] = write_code(self._codes[partition])
        topics = [*self._topology.inputs, *(each.topic for each in self._topology.logs)]
        cache.facts[TOPICS_FACT] = write_topics({topic: self.topics[topic].id for topic in topics})
        return cache

    def _stop(self, partition: int, why: str, store: PartitionStore | None = None) -> None:
        if store is not None:
            store.close()
        if aside := self._aside.pop(partition, None):
            put_back(aside, self._path(partition))
        self._failures.recovered([partition])
        self._lifecycle.stop(partition, why)

    def _open(
        self,
        ready: list[int],
        committed: dict[tuple[str, int], Committed],
        ends: dict[tuple[str, int], int],
        opened: ExitStack,
    ) -> dict[int, PartitionStore]:
        """Return the copies of those partitions whose logs hold what the group has dealt with; the others stop."""
        begins = self._cluster.starts((each.topic, p) for p in ready for each in self._topology.logs)
        stores = {}
        for partition in ready:
            path, topics = self._path(partition), self._log_ids()
            offsets = {topic: committed[topic, partition] for topic in self._topology.inputs}
            logs = [
                LogState(each.name, each.topic, topics[each.name], begins[place], ends[place], each.may_be_empty)
                for each in self._topology.logs
                for place in [(each.topic, partition)]
            ]
            try:
                kept = read_kept_copy(path, topics)
            except UnavailableError as error:
                self._fail(partition, "the copy cannot be opened", error)
                continue
            self._found[partition] = (logs, kept)
            try:
                if not decided(offsets, self._topology):
                    require_whole(logs, offsets, kept, recovery_advice(self._topology))
            except EngineError as error:
                self._stop(partition, str(error))
                continue
            try:
                if kept is not None and not fits(kept, logs):
                    self._set_aside(partition, path, kept)
                store = self._store(partition, path, topics)
                opened.callback(store.close)
                self._loads.begin(partition, store, logs, len(ready))
                stores[partition] = store
            except (sqlite3.Error, OSError, UnavailableError) as error:
                self._fail(partition, "the copy cannot be opened", error)
        return stores

    def _set_aside(self, partition: int, path: Path, kept: KeptCopy) -> None:
        self._aside[partition] = set_aside(path, kept)
        log.warning(
            "%s: the copy of partition %d is of another log: it is kept in %s, and restored from the log",
            self._topology.group,
            partition,
            self._aside[partition],
        )

    def _fail(self, partition: int, what: str, error: Exception, store: PartitionStore | None = None) -> None:
        """Retry a partition whose copy cannot be opened or written; after a few failures it is RETRYING, or stopped.

        It is RETRYING where that may pass: no room on the disk, no descriptor left, a folder that is read-only.
        """
        if store is not None:
            store.close()
        why = f"{what}: {error if isinstance(error, VerbwireError) else f'{type(error).__name__}: {error}'}"
        if not self._failures.failed(partition):
            log.warning("%s: partition %d could not be restored, retrying: %s", self._topology.group, partition, why)
        elif not isinstance(error, UnavailableError | OSError):
            self._stop(partition, f"{why}. Mend that, and start the worker again")
        else:
            self._lifecycle.retry(partition, f"{why}. The partition goes on by itself once that has passed")

    def _log_ids(self) -> dict[str, str]:
        return {each.name: self.topics[each.topic].id for each in self._topology.logs}

    def _path(self, partition: int) -> Path:
        return self._folder / self._topology.group / f"{self._topology.table}-{partition}.db"

    def _store(self, partition: int, path: Path, identity: dict[str, str]) -> PartitionStore:
        topology = self._topology
        store = PartitionStore(path, topology.kept_columns, identity, self._topics.max_copy_age, topology.search)
        if store.rebuilt:
            text = "%s: partition %d's local copy is rebuilt from the log: %s"
            log.warning(text, self._topology.group, partition, store.rebuilt)
        try:
            store.forget_answers(int(time.time() * 1000) - OUTCOME_RETENTION_MS)
        except BaseException:
            store.close()
            raise
        return store

    def _tasks(self, stores: dict[int, PartitionStore], ends: dict[tuple[str, int], int]) -> list[ChangelogTask]:
        tasks = []
        for partition, store in stores.items():
            for each in self._topology.logs:
                copy = self._loads.of(partition, store)
                tasks.append(
                    ChangelogTask(each, partition, copy, copy.position(each.name), ends[each.topic, partition])
                )
        return tasks

    def _starts(
        self, ready: list[int], committed: dict[tuple[str, int], Committed], stores: dict[int, PartitionStore]
    ) -> dict[int, dict[str, int]]:
        """Return where each partition reads on; those that must not are stopped."""
        places = [(topic, p) for p in ready for topic in self._topology.inputs]
        first, end = self._cluster.starts(places), self._cluster.ends(places)
        starts: dict[int, dict[str, int]] = {}
        for partition in ready:
            store, status = stores[partition], self._reader.states[partition]
            inputs = {
                topic: InputOffsets(committed[place], first[place], end[place])
                for topic in self._topology.inputs
                for place in [(topic, partition)]
            }
            status.dead_letters = dead_letter_count(store.facts())  # whether it is stopped or not
            try:
                found = self._positions.of(partition, store, inputs, *self._found[partition])
                require_parked(store, self._topology)
                starts[partition], self._codes[partition] = found
                ends = {topic: each.end for topic, each in inputs.items()}
                status.end_offsets = EndOffsets(ends, complete=self._topology.repartition is None)
            except EngineError as error:
                self._stop(partition, str(error), store)
            self._aside.pop(partition, None)
        self._watch.log_changes()
        return starts
