"""What a new owner does before it reads its first record, in the one order that is safe.

1. its own producers are initialised (core.py): what it, or its predecessor of the same name, left open is aborted
2. committed offsets, stable ones only
3. the ends of its logs, open transactions included
4. the stores are restored up to those ends, which a `read_committed` reader reaches only when nothing is open below
5. the inputs are sought (faust_driver.py)

Each call is a probe of all the steps: what is not stable yet is asked for again from step 2, never waited for.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

from verbwire.engine.code.facts import CODE_HEADER, FoldedBy, write_code
from verbwire.engine.code.watch import CodeWatch
from verbwire.engine.restore.changelog import CancelledRestore, ChangelogReader, ChangelogTask
from verbwire.engine.restore.kept_copy import KeptCopy, look, put_back, set_aside
from verbwire.engine.restore.lifecycle import PartitionLifecycle
from verbwire.engine.restore.log_completeness import LogState, decided, fits, require_both, require_whole, ways_out
from verbwire.engine.restore.resume import read_from, require_same, require_unread
from verbwire.engine.restore.topic_identity import TOPICS_FACT, others, read_topics, write_topics
from verbwire.engine.state.failures import StoreFailures
from verbwire.engine.state.partition_cache import PartitionCache
from verbwire.engine.state.partition_state import RETRYING, STOPPED
from verbwire.engine.state.reader import Goal, StoreReader
from verbwire.engine.state.store import PartitionStore
from verbwire.engine.topic_watch import unlike
from verbwire.engine.topology import Topology
from verbwire.engine.transactions.dead_letters import legible
from verbwire.engine.transactions.producers import ProducerPair
from verbwire.errors import EngineError, UnavailableError, VerbwireError
from verbwire.kafka.broker_clock import CLOCKS_APART
from verbwire.kafka.offsets import ClusterOffsets, Committed, TopicIdentity
from verbwire.wire.records.changelog import letters_of
from verbwire.wire.topics import OUTCOME_RETENTION_MS

log = logging.getLogger(__name__)

CLEAR_AWAY_AFTER = 0.5  # seconds of waiting until a dead predecessor's transactions are aborted by us
CLEAR_AWAY_EVERY = 5.0  # and once more: who is to blame may not be known to be dead yet
HANGING_AFTER = 60.0  # no transaction of ours lives for so long: the cluster itself has forgotten it
STALLED = 60.0  # seconds without a restored record
_TOMBSTONES = "86400000"  # Kafka's own delete.retention.ms, where we may not ask for the topic's


class WorkerLiveness(Protocol):
    """What is known of the workers of this project."""

    def dead(self, named: Collection[str]) -> set[str]:
        """Return which of the named, and of those heard of not long ago, seem to have died, or to be held up."""
        ...

    def caught_up(self, group: str, partition: int) -> bool:
        """Whether a partition's owner has read its sources to where they ended when it began. `group` as declared."""
        ...


class PartitionRestorer:
    """Probes and restores partitions of one group. `others` knows which workers may have died."""

    def __init__(
        self,
        plan: Topology,
        kafka: dict[str, str],
        worker: str,
        folder: Path,
        view: StoreReader,
        lifecycle: PartitionLifecycle,
        producers: ProducerPair,
        others: WorkerLiveness,
    ) -> None:
        self._plan = plan
        self._worker = worker
        self._folder = folder
        self._view = view
        self._lifecycle = lifecycle
        self._producers = producers
        self._cluster = ClusterOffsets(kafka, plan.group)
        self._reader = ChangelogReader(kafka)
        self.topics: dict[str, TopicIdentity] = {}  # as they were last looked at; replaced, never changed
        self._unfit: str | None = None  # which of them are not as they have to be, and why
        self._max_age = 0.0
        self._others = others
        self._codes: dict[int, FoldedBy] = {}  # what is to be said of a partition that is about to be ready
        self._watch = CodeWatch(plan.group, plan.code)
        self._left: set[str] = set()  # topics that are not read any more, as far as that was told
        self._clear_at = 0.0
        self._tell_at = 0.0
        self._found: dict[int, tuple[list[LogState], KeptCopy | None]] = {}  # logs and copy, before they were touched
        self._troubles = StoreFailures()  # with copies that cannot be opened or written
        self._aside: dict[int, Path] = {}  # copies of other logs than those that are there, until it is clear why

    def start(self) -> None:
        """Connect, and compare the topics with what the plan takes for granted."""
        self._describe()
        self._reader.warm()

    def begin(self) -> None:
        """A new assignment: the wait for others' transactions is counted from here."""
        now = time.monotonic()
        self._clear_at, self._tell_at = now + CLEAR_AWAY_AFTER, now + HANGING_AFTER
        self._describe()

    def close(self) -> None:
        """Disconnect."""
        self._reader.close()

    def probe(self, partitions: Sequence[int], cancel: Callable[[], bool]) -> tuple[list[PartitionCache], int]:
        """Return the shards of the partitions that are ready now, and how many records were restored for them.

        What fails in a way that nobody foresaw is tried partition by partition: the one to blame stands still.
        """
        try:
            return self._probe(partitions, cancel)
        except (VerbwireError, CancelledRestore):
            raise
        except Exception as error:
            if len(partitions) == 1:
                log.exception("%s: preparing partition %d failed", self._plan.group, partitions[0])
                self._stop(partitions[0], legible(f"preparing it failed: {type(error).__name__}: {error}"))
                return [], 0
        return self._one_by_one(partitions, cancel)

    def _probe(self, partitions: Sequence[int], cancel: Callable[[], bool]) -> tuple[list[PartitionCache], int]:
        partitions = [p for p in partitions if self._is_due(p)]
        if self._unfit:
            for partition in partitions:
                self._stop(partition, self._unfit)
        if not partitions or self._unfit:
            return [], 0
        committed = self._cluster.stable((topic, p) for p in partitions for topic in self._plan.inputs)
        calm = [p for p in partitions if all((topic, p) in committed for topic in self._plan.inputs)]
        logs = [(each.topic, p) for p in calm for each in self._plan.logs]
        ends, stable = self._cluster.ends(logs), self._cluster.stable_ends(logs)
        ready = [p for p in calm if all(stable[each.topic, p] >= ends[each.topic, p] for each in self._plan.logs)]
        if len(ready) < len(partitions):
            self._clear_away(partitions)
            self._tell_what_hangs({place: offset for place, offset in stable.items() if offset < ends[place]})
        if not ready:
            return [], 0
        with ExitStack() as opened:  # on the way out of an error nothing stays open
            shards, restored = self._restored(ready, committed, ends, cancel, opened)
            opened.pop_all()
        return shards, restored

    # -- inside

    def _is_due(self, partition: int) -> bool:
        state = self._lifecycle.state(partition)
        return state is not STOPPED and not (state is RETRYING and self._troubles.is_early(partition))

    def _one_by_one(self, partitions: Sequence[int], cancel: Callable[[], bool]) -> tuple[list[PartitionCache], int]:
        shards: list[PartitionCache] = []
        total = 0
        with ExitStack() as opened:
            for partition in partitions:
                ready, restored = self.probe([partition], cancel)
                for shard in ready:
                    opened.callback(shard.close)
                shards, total = shards + ready, total + restored
            opened.pop_all()
        return shards, total

    def _restored(
        self,
        ready: list[int],
        committed: dict[tuple[str, int], Committed],
        ends: dict[tuple[str, int], int],
        cancel: Callable[[], bool],
        opened: ExitStack,
    ) -> tuple[list[PartitionCache], int]:
        """Bring the copies of these partitions up to date; whoever stands still is not among the shards."""
        stores = self._open(ready, committed, ends, opened)
        tasks = self._tasks(stores, ends)
        restored = self._reader.restore(tasks, cancel, STALLED)
        refused = {task.partition: task.refused for task in tasks if task.refused}
        for partition, why in refused.items():
            self._stop(partition, why, stores[partition])
        troubled = {task.partition: task.trouble for task in tasks if task.trouble and not task.refused}
        for partition, error in troubled.items():
            self._have_trouble(partition, "the copy cannot be written", error, stores[partition])
        starts = self._starts([p for p in stores if p not in {*refused, *troubled}], committed, stores)
        self._troubles.over(starts)
        return [self._shard(p, stores[p], starts[p]) for p in stores if p in starts], restored

    def _describe(self) -> None:
        own = dict.fromkeys([*self._plan.inputs, *self._plan.outputs, *(each.topic for each in self._plan.logs)])
        sizes = {**self._plan.targets, **dict.fromkeys(own, self._plan.partitions)}
        self.topics = self._cluster.topics([*sizes])
        odd = {name: topic.partitions for name, topic in self.topics.items() if topic.partitions != sizes[name]}
        settings = self._cluster.settings(dict.fromkeys([*self._plan.written, self._plan.changelog]))
        self._plan.limits.learn({name: int(its["max.message.bytes"]) for name, its in settings.items()})
        unlikes = "; ".join(unlike(name, found, sizes[name]) for name, found in odd.items())
        self._unfit = unlikes or self._plan.limits.too_small()
        # Deletions leave a compacted log after this time: a copy that missed them for longer cannot be mended.
        tombstones = settings.get(self._plan.changelog, {}).get("delete.retention.ms", _TOMBSTONES)
        self._max_age = int(tombstones) / 1000 / 2

    def _tell_left(self, topics: Iterable[str]) -> None:
        """Name the topics that an earlier version of the group has read, once: the rows hold what came of them."""
        left = set(topics) - {*self._plan.inputs, *self._left}
        for topic in sorted(left):
            self._left.add(topic)
            log.warning(
                "%s has read %s before and does not any more: what has come there since, and will, is not heard. "
                "An undertaking of a process that waits for an outcome from there waits for ever",
                self._plan.group,
                topic,
            )

    def _shard(self, partition: int, store: PartitionStore, start: dict[str, int]) -> PartitionCache:
        self._tell_left(store.inputs())
        shard = PartitionCache(partition, store, self._plan.decode, start, store.time(), store.facts())
        shard.facts[CODE_HEADER] = write_code(self._codes[partition])
        topics = [*self._plan.inputs, *(each.topic for each in self._plan.logs)]
        shard.facts[TOPICS_FACT] = write_topics({topic: self.topics[topic].id for topic in topics})
        return shard

    def _stop(self, partition: int, why: str, store: PartitionStore | None = None) -> None:
        if store is not None:
            store.close()
        if aside := self._aside.pop(partition, None):
            put_back(aside, self._path(partition))
        self._troubles.over([partition])
        self._lifecycle.stop(partition, why)

    def _open(
        self,
        ready: list[int],
        committed: dict[tuple[str, int], Committed],
        ends: dict[tuple[str, int], int],
        opened: ExitStack,
    ) -> dict[int, PartitionStore]:
        """Return the copies of those partitions whose logs hold what the group has dealt with; the others stop."""
        begins = self._cluster.starts((each.topic, p) for p in ready for each in self._plan.logs)
        stores = {}
        for partition in ready:
            path, topics = self._path(partition), self._log_ids()
            offsets = {topic: committed[topic, partition] for topic in self._plan.inputs}
            logs = [
                LogState(each.name, each.topic, topics[each.name], begins[place], ends[place])
                for each in self._plan.logs
                for place in [(each.topic, partition)]
            ]
            try:
                kept = look(path, topics)
            except UnavailableError as error:
                self._have_trouble(partition, "the copy cannot be opened", error)
                continue
            self._found[partition] = (logs, kept)
            try:
                if not decided(offsets):
                    require_whole(logs, offsets, kept, ways_out(self._plan))
            except EngineError as error:
                self._stop(partition, str(error))
                continue
            try:
                if kept is not None and not fits(kept, logs):
                    self._set_aside(partition, path, kept)
                stores[partition] = self._store(partition, path, topics)
                opened.callback(stores[partition].close)
            except (sqlite3.Error, OSError, UnavailableError) as error:
                self._have_trouble(partition, "the copy cannot be opened", error)
        return stores

    def _set_aside(self, partition: int, path: Path, kept: KeptCopy) -> None:
        self._aside[partition] = set_aside(path, kept)
        log.warning(
            "%s: the copy of partition %d is of another log: it is kept in %s, and made anew from the log",
            self._plan.group,
            partition,
            self._aside[partition],
        )

    def _have_trouble(self, partition: int, what: str, error: Exception, store: PartitionStore | None = None) -> None:
        """Try a partition again whose copy cannot be opened or written, soon; after a few times it stands still.

        It goes on by itself where that may pass: no room on the disk, no descriptor left, a folder that is read-only.
        """
        if store is not None:
            store.close()
        why = f"{what}: {error if isinstance(error, VerbwireError) else f'{type(error).__name__}: {error}'}"
        if not self._troubles.another(partition):
            log.warning("%s: partition %d is not ready, once more: %s", self._plan.group, partition, why)
        elif not isinstance(error, UnavailableError | OSError):
            self._stop(partition, f"{why}. Mend that, and start the worker again")
        else:
            self._lifecycle.retry(partition, f"{why}. The partition goes on by itself once that has passed")

    def _log_ids(self) -> dict[str, str]:
        return {each.name: self.topics[each.topic].id for each in self._plan.logs}

    def _path(self, partition: int) -> Path:
        return self._folder / self._plan.group / f"{self._plan.table}-{partition}.db"

    def _store(self, partition: int, path: Path, identity: dict[str, str]) -> PartitionStore:
        store = PartitionStore(path, self._plan.columns, identity, self._max_age, self._plan.search)
        if store.rebuilt:
            text = "%s: partition %d's local copy is built anew from the log: %s"
            log.warning(text, self._plan.group, partition, store.rebuilt)
        try:
            store.forget_answers(int(time.time() * 1000) - OUTCOME_RETENTION_MS)
        except BaseException:
            store.close()
            raise
        return store

    def _tasks(self, stores: dict[int, PartitionStore], ends: dict[tuple[str, int], int]) -> list[ChangelogTask]:
        tasks = []
        for partition, store in stores.items():
            for each in self._plan.logs:
                tasks.append(
                    ChangelogTask(each, partition, store, store.position(each.name), ends[each.topic, partition])
                )
        return tasks

    def _starts(
        self, ready: list[int], committed: dict[tuple[str, int], Committed], stores: dict[int, PartitionStore]
    ) -> dict[int, dict[str, int]]:
        """Where each partition reads on. The group's offsets are the truth, the log's are the second witness.

        Where the broker forgot an idle group's offsets (7 days), the log still knows how far its rows are.
        """
        places = [(topic, p) for p in ready for topic in self._plan.inputs]
        first, end = self._cluster.starts(places), self._cluster.ends(places)
        starts: dict[int, dict[str, int]] = {}
        for partition in ready:
            applied = stores[partition].inputs()
            own = self._plan.repartition
            offsets = {topic: committed[topic, partition] for topic in self._plan.inputs}
            self._view.states[partition].letters = letters_of(stores[partition].facts())  # stands it still or not
            try:
                if not decided(offsets):
                    require_both(*self._found[partition], applied, ways_out(self._plan))
                self._require_same_topics(stores[partition], offsets, applied)
                self._codes[partition] = self._watch.go_on(partition, stores[partition], _reached(offsets, applied))
                _require_past(self._plan, stores[partition].time())
                if own is not None and own not in applied:
                    require_unread(own, committed[own, partition], first[own, partition])
                starts[partition] = {
                    topic: read_from(topic, committed[place], applied.get(topic), first[place], end[place])
                    for topic in self._plan.inputs
                    for place in [(topic, partition)]
                }
                self._view.states[partition].goal = Goal(
                    {topic: end[topic, partition] for topic in self._plan.inputs}, whole=own is None
                )
            except EngineError as error:
                self._stop(partition, str(error), stores[partition])
            self._aside.pop(partition, None)
        self._watch.tell()
        return starts

    def _require_same_topics(
        self, store: PartitionStore, committed: dict[str, Committed], applied: dict[str, int]
    ) -> None:
        """See that positions and rows are of the topics that are there now; forget those that are not."""
        now = {name: topic.id for name, topic in self.topics.items()}
        known, logs = read_topics(store.facts()), [each.topic for each in self._plan.logs]
        if (lost := others(known, now, logs)) and not decided(committed):
            raise EngineError(
                f"{', '.join(lost)} was deleted and made again while the group was at work, and what it held is gone. "
                + ways_out(self._plan)
            )
        for topic in others(known, now, self._plan.inputs):
            require_same(topic, committed[topic], applied.get(topic))
            applied.pop(topic, None)
            store.forget_input(topic)

    def _clear_away(self, partitions: Sequence[int]) -> None:
        """Kept waiting: abort the transactions of dead workers, now and then.

        Never those of a worker that lives: it would lose its producers, to and fro, and take us for its namesake.
        """
        if time.monotonic() < self._clear_at:
            return
        self._clear_at = time.monotonic() + CLEAR_AWAY_EVERY
        try:
            last = self._cluster.last_workers((topic, p) for p in partitions for topic in self._plan.inputs)
            self._producers.abort_transactions_of(sorted(self._others.dead(last) - {self._worker}))
        except UnavailableError as error:
            log.warning("%s: could not clear away what others left open: %s", self._plan.group, error)

    def _tell_what_hangs(self, open_from: dict[tuple[str, int], int]) -> None:
        if not open_from or time.monotonic() < self._tell_at:
            return
        self._tell_at = time.monotonic() + HANGING_AFTER
        places = ", ".join(f"{topic}/{partition} from {offset}" for (topic, partition), offset in open_from.items())
        log.error(
            "%s: a transaction in %s has been open for longer than any of ours lives, and holds the partition back. "
            "Kafka's kafka-transactions.sh tells whose it is (find-hanging) and ends it (abort)",
            self._plan.group,
            places,
        )


def _require_past(plan: Topology, time_us: int | None) -> None:
    """A partition's time was an event's, and no event's is further than `ahead` of the broker's."""
    if plan.window is None or time_us is None:
        return
    ahead = time_us / 1e6 - time.time()
    if ahead > (plan.window.ahead + CLOCKS_APART).total_seconds():
        raise EngineError(
            f"the newest event time in {plan.changelog} is {ahead / 86400:.1f} days ahead of now: such an event "
            "has closed the windows of all others, and they are missing. Rebuild the table: delete its changelog and "
            "the group's offsets, deploy again. Or, where such times are right, let the window take them (ahead=...)"
        )


def _reached(committed: Mapping[str, Committed], applied: Mapping[str, int]) -> dict[str, int]:
    """Return how far the inputs have been read, those of which anything was."""
    return {
        topic: max(each.offset or 0, applied.get(topic, 0))
        for topic, each in committed.items()
        if each.offset is not None or topic in applied
    }
