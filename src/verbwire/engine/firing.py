"""Fires what falls due: rows of a group's own store whose time has come, in the group's own transactions.

Time is the broker's. Each partition's earliest time is in memory, so a group that waits for a million rows sleeps; the
rows themselves are found by an index of the copy. They are looked for only when the copies have all that was built
before: what has just been changed, deleted or fired is never fired from what stood there before.

A partition fires while it is running and has caught up with where its inputs ended when it was restored: what was there
in time is dealt with before what fell due meanwhile.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping

from verbwire.engine.processors.changelog_writer import ChangelogWriter
from verbwire.engine.state.changes import StoreChanges
from verbwire.engine.state.due_order import after, due_at
from verbwire.engine.state.partition_cache import PartitionCache
from verbwire.engine.state.reader import StoreReader
from verbwire.engine.topology import Due, StopDue, Topology
from verbwire.engine.transactions.failures import TransactionFailures
from verbwire.engine.transactions.poison_records import RecordRange
from verbwire.engine.transactions.transaction import Transaction
from verbwire.errors import EngineError, NewerSchemaError
from verbwire.kafka.broker_clock import BrokerClock

DUE = "due"
"""Stands for a topic where the records of a transaction are named that fires, and a time for an offset."""
BEGINS = 0
"""In the place of a time: a partition that is restored, and yet to begin."""
_LONGEST_SLEEP = 30.0  # seconds: the broker's clock may be set meanwhile
_LOOK_SECONDS = 0.1  # then it is looked again: for the broker's time, or for a partition that was behind


class DueTimes:
    """When each partition's next row falls due, as far as is known here: never later than it does. From any thread."""

    def __init__(self, clock: BrokerClock, reader: StoreReader) -> None:
        self._clock = clock
        self._reader = reader
        self._lock = threading.Lock()
        self._earliest: dict[int, int] = {}  # milliseconds since the epoch
        self.moved: Callable[[], None] = lambda: None  # told, on any thread, when it may be sooner than was said

    def forget(self) -> None:
        """Forget all partitions."""
        with self._lock:
            self._earliest = {}

    def set(self, partition: int, at: int | None) -> None:
        """Note when the next row of a partition falls due."""
        with self._lock:
            if at is None:
                self._earliest.pop(partition, None)
            else:
                self._earliest[partition] = at

    def lower(self, partition: int, at: int) -> None:
        """Note that a row of a partition falls due then."""
        with self._lock:
            before = self._earliest.get(partition)
            if before is not None and before <= at:
                return
            self._earliest[partition] = at
        self.moved()

    def overdue(self) -> float:
        """Return for how many seconds the first of all has been due, whether its partition may fire or not."""
        with self._lock:
            first = min((at for at in self._earliest.values() if at != BEGINS), default=None)
        if first is None or not self._clock.is_known:
            return 0.0
        return max(0.0, (self._clock.now_ms() - first) / 1000)

    def now_due(self) -> list[int]:
        """Return the partitions that may fire now, those that have waited longest first."""
        if not self._earliest or not self._clock.is_known:
            return []
        now = self._clock.now_ms()
        return [partition for at, partition in self._waiting() if at <= now]

    def seconds(self) -> float | None:
        """Return how long nothing falls due, None where nothing does before something else happens."""
        waiting = self._waiting(behind=True)
        if not waiting:
            return None
        at, partition = waiting[0]
        left = max(0.0, (at - self._clock.now_ms()) / 1000)
        if not self._clock.is_known or (left == 0 and not self.may_fire(partition)):
            return _LOOK_SECONDS
        return min(left, _LONGEST_SLEEP)

    def _waiting(self, behind: bool = False) -> list[tuple[int, int]]:
        with self._lock:
            earliest = list(self._earliest.items())
        may = self._is_ready if behind else self.may_fire
        return sorted((at, partition) for partition, at in earliest if may(partition))

    def _is_ready(self, partition: int) -> bool:
        return self._reader.states[partition].ready

    def may_fire(self, partition: int) -> bool:
        """Whether a partition may: it is running, and has caught up."""
        state = self._reader.states[partition]
        return state.ready and state.behind() is None


class Firing:
    """Fires for one group. Its methods belong to the engine's thread, but for `committed`, and those of `times`.

    `stop` stops a partition, and says why.
    """

    def __init__(
        self,
        topology: Topology,
        due: Due,
        reader: StoreReader,
        failures: TransactionFailures,
        changelog: ChangelogWriter,
        stop: Callable[[int, str], None],
    ) -> None:
        self._due = due
        self._column = 1 + topology.kept_columns.index(due.column)  # of a row as the copy has it
        self._failures = failures
        self._changelog = changelog
        self._stop = stop
        self._restored: set[int] = set()  # partitions that are yet to begin
        self.times = DueTimes(due.clock, reader)

    def restored(self, caches: Iterable[PartitionCache]) -> None:
        """Take partitions in that have been restored."""
        for cache in caches:
            if self._due.begin is None:
                self._look(cache, after=b"")
            else:
                self._restored.add(cache.partition)
                self.times.set(cache.partition, BEGINS)

    def committed(self, changes: Mapping[int, StoreChanges]) -> None:
        """Take note of the rows that a transaction has changed. On the committing thread."""
        for partition, each in changes.items():
            orders = [row[self._column] for row in each.rows.values() if row is not None]
            if with_time := [order for order in orders if isinstance(order, bytes)]:
                self.times.lower(partition, due_at(min(with_time)))

    def lateness(self, transaction: Transaction) -> list[float]:
        """Return by how many seconds a committed transaction was later than what it fired was due."""
        now = self._due.clock.now_ms() if transaction.fired else 0
        return [max(0, now - at) / 1000 for at in transaction.fired]

    def fire(self, caches: Mapping[int, PartitionCache], transaction: Transaction, most: int) -> None:
        """Fire in one transaction up to `most` rows of what is due. All that was built before has to be written."""
        for partition in self.times.now_due():
            limit = self._failures.limit((DUE, partition))
            if len(transaction.fired) >= most or (transaction.fired and (limit or transaction.is_late())):
                return
            if (cache := caches.get(partition)) is None:
                self.times.set(partition, None)
            else:
                self._fire(cache, transaction, min(most - len(transaction.fired), limit or most))
            if limit:
                return

    def _fire(self, cache: PartitionCache, transaction: Transaction, most: int) -> None:
        now = self._due.clock.now_ms()
        if cache.partition in self._restored:
            self._begin(cache, now, transaction)
            return
        found = cache.store.below(self._due.column, after(now), most)
        if not found:
            self._look(cache, after(now))
            return
        keys, place = [key for key, _ in found], (DUE, cache.partition)
        transaction.at = place, RecordRange(due_at(found[0][1]), due_at(found[-1][1]) + 1, len(keys))
        done = self._run(cache, keys, now, transaction)
        if done:
            transaction.fired += [due_at(order) for _, order in found[:done]]
            transaction.ranges[place] = RecordRange(due_at(found[0][1]), due_at(found[done - 1][1]) + 1, done)
            self._keep(cache, keys[:done], transaction)
        elif self.times.may_fire(cache.partition):
            raise EngineError(f"nothing is done about what is due for {keys[0][:80]!r}: please report this")
        if done < len(found):
            self.times.set(cache.partition, due_at(found[done][1]))
        elif len(found) < most:
            self._look(cache, after(now))

    def _begin(self, cache: PartitionCache, now: int, transaction: Transaction) -> None:
        assert self._due.begin is not None  # noqa: S101 (else no partition is to begin)
        self._restored.discard(cache.partition)
        try:
            self._due.begin(cache, now)
        except NewerSchemaError as error:
            self._stop(cache.partition, str(error))
            return
        if cache.dirty:
            self._keep(cache, [], transaction)
        self._look(cache, after=b"")

    def _run(self, cache: PartitionCache, keys: list[bytes], now: int, transaction: Transaction) -> int:
        """Return how many of these rows were fired; where one must not be passed over the partition stops."""
        try:
            cache.begin(keys)
        except NewerSchemaError as error:  # nothing of it is fired
            self._stop(cache.partition, str(error))
            return 0
        try:
            return self._due.fire(cache, keys, now, transaction)
        except StopDue as stop:
            key = stop.key[:80].decode(errors="replace")
            self._stop(
                cache.partition,
                f"stopped at what is due for {key!r}: {stop.reason}. Mend the handler and start the worker again",
            )
            return stop.done

    def _keep(self, cache: PartitionCache, keys: list[bytes], transaction: Transaction) -> None:
        """Write what changed, and send an offset for the partition: a worker that lost it is refused by that."""
        if left := [key for key in keys if key not in cache.dirty]:
            raise EngineError(f"what was due for {left[0][:80]!r} was fired, and stays due: please report this")
        topic = next(iter(cache.next))
        transaction.used(cache, topic, cache.next[topic])
        self._changelog.write(transaction, cache)
        cache.end(transaction.of(cache.partition).rows, transaction.written)

    def _look(self, cache: PartitionCache, after: bytes) -> None:
        order = cache.store.least(self._due.column, after)
        self.times.set(cache.partition, None if order is None else due_at(order))
