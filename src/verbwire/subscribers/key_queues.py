"""Queues the records in flight by key: those of one key run one after another, those of different keys in parallel."""

from __future__ import annotations

import heapq
import itertools
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Hashable, Iterable
from dataclasses import dataclass, field

from verbwire.engine.processors.outcomes import OutcomeEntry
from verbwire.kafka.progress import InputProgress
from verbwire.kafka.record import ConsumedRecord, place_of
from verbwire.messages import Outcome
from verbwire.subscribers.partition_state import PartitionInFlight
from verbwire.wire.records.parked import read_subscriber_key


@dataclass(eq=False, slots=True)
class QueuedRecord:
    """A record in flight, and its attempts so far."""

    record: ConsumedRecord  # as it lay in its own topic, where an operator has requeued it
    offset: int  # in the partition that `in_flight` is of
    in_flight: PartitionInFlight
    requeued: bool = False  # whether it comes from the group's retries topic
    asks: bool = False  # whether it is what an operator asks about the key
    failures: int = 0  # attempts in which its handler raised
    delays: int = 0  # attempts in which broker or registry were in the way
    entry_of: Callable[[Outcome], OutcomeEntry] | None = None  # of a job's command, as soon as it is read
    decided: OutcomeEntry | None = None  # what it came to, which is still to be written
    order_key: Hashable = field(init=False)

    def __post_init__(self) -> None:
        self.order_key = self.record.key or (self.in_flight.topic, self.in_flight.partition)

    @classmethod
    def request(cls, record: ConsumedRecord, in_flight: PartitionInFlight) -> QueuedRecord:
        """Return what an operator asks about a parked key, in the queue of that key."""
        task = cls(record, record.offset, in_flight, asks=True)
        task.order_key = read_subscriber_key(record.key or b"")[1] or task.order_key
        return task

    @property
    def place(self) -> str:
        """Where the record lay at first, for people."""
        return place_of(self.record)

    @property
    def size(self) -> int:
        """Its bytes, about."""
        return len(self.record.key or b"") + len(self.record.value or b"")


class KeyedWorkQueue:
    """Hands tasks to handler threads. A task that waits for its retry holds the queue of its key, but no thread.

    Safe to call from any thread: the consumer's adds and takes back, those of the handlers take and finish. It says
    when there is work for one handler thread more (`wants_thread`, under its lock), and lets a thread go that has
    waited for long enough.
    """

    def __init__(self) -> None:
        self.wants_thread: Callable[[], bool] = lambda: False  # returns whether one comes; must not call the queue
        self._waiting = self._coming = 0  # handler threads
        lock = threading.Lock()
        self._work = threading.Condition(lock)  # handler threads wait for a task
        self._rest = threading.Condition(lock)  # a revoke waits for running tasks
        self._queues: dict[Hashable, deque[QueuedRecord]] = {}
        self._ready: deque[QueuedRecord] = deque()  # the first of each key
        self._later: list[tuple[float, int, QueuedRecord]] = []  # firsts, too, by the time when they are due
        self._numbers = itertools.count()
        self._running: set[QueuedRecord] = set()
        self._closed = False

    # -- the consumer's side

    def add(self, task: QueuedRecord) -> None:
        """Queue a record; what is asked about its key comes before those that wait."""
        with self._work:
            task.in_flight.open(task.offset, task.size, None if task.requeued else task.record.timestamp)
            waiting = self._queues.get(task.order_key)
            if waiting is None:
                self._queues[task.order_key] = deque((task,))
            elif task.asks:
                if not self._go_before(waiting, task):
                    return
            else:
                waiting.append(task)
                return
            self._has_begun(task)

    def committable(self, partitions: Iterable[PartitionInFlight]) -> dict[PartitionInFlight, int]:
        """Return up to where these partitions are done, where that is more than what was committed."""
        with self._work:
            offsets = ((in_flight, in_flight.committable()) for in_flight in partitions)
            return {
                in_flight: offset
                for in_flight, offset in offsets
                if offset is not None and offset != in_flight.committed
            }

    def progress(self, partitions: Iterable[PartitionInFlight]) -> list[InputProgress]:
        """Return how far these partitions are."""
        with self._work:
            return [in_flight.progress() for in_flight in partitions]

    def take_back(self, partitions: Collection[PartitionInFlight], seconds: float) -> None:
        """Drop what has not begun of these partitions, and wait at most `seconds` for what runs.

        What still runs afterwards is abandoned: it does not count as done, whatever becomes of it.
        """
        with self._work:
            for in_flight in partitions:
                in_flight.stopping = True
            self._drop(set(partitions))
            self._rest.wait_for(lambda: not any(task.in_flight in partitions for task in self._running), seconds)
            for in_flight in partitions:
                in_flight.abandoned = True

    def close(self) -> None:
        """Let the threads go as soon as they are free."""
        with self._work:
            self._closed = True
            self._work.notify_all()

    def in_flight(self) -> int:
        """How many records are in flight, over all partitions."""
        with self._work:
            return sum(map(len, self._queues.values()))

    # -- the handlers' side

    def take(self, idle_seconds: float = math.inf, leaves: Callable[[], None] = lambda: None) -> QueuedRecord | None:
        """Wait for a task and return it; None once there will be no more, or after so long without one.

        `leaves` is called before anything is added then: what comes later wants another thread.
        """
        until = time.monotonic() + idle_seconds
        with self._work:
            self._coming = max(0, self._coming - 1)  # where another one is taken for it there is a thread too many
            while not self._closed:
                now = time.monotonic()
                while self._later and self._later[0][0] <= now:
                    self._ready.append(heapq.heappop(self._later)[2])
                if self._ready:
                    task = self._ready.popleft()
                    self._running.add(task)
                    self._call_threads()  # several may be due at once
                    return task
                if now >= until and not self._later:
                    break
                self._wait(self._later[0][0] - now if self._later else until - now)
            leaves()
            return None

    def done(self, task: QueuedRecord) -> None:
        """Note that a task is done; the next of its key may begin."""
        with self._work:
            task.in_flight.close(task.offset)
            self._leave(task)

    def retry_later(self, task: QueuedRecord, seconds: float) -> None:
        """Retry a task after some time; one of a revoked partition is left to the next owner."""
        with self._work:
            if task.in_flight.stopping:
                self._leave(task)
                return
            self._running.discard(task)
            heapq.heappush(self._later, (time.monotonic() + seconds, next(self._numbers), task))
            self._work.notify()  # a thread may be waiting for a later one

    def _wait(self, seconds: float) -> None:
        self._waiting += 1
        self._work.wait(None if seconds == math.inf else seconds)
        self._waiting -= 1

    def _has_begun(self, task: QueuedRecord) -> None:
        """Let a thread take a task, the first of its key."""
        self._ready.append(task)
        self._work.notify()
        self._call_threads()

    def _call_threads(self) -> None:
        if len(self._ready) > self._waiting + self._coming and self.wants_thread():
            self._coming += 1

    def _go_before(self, waiting: deque[QueuedRecord], task: QueuedRecord) -> bool:
        """Put what is asked behind what runs, and what was asked before; whether it is the first.

        The record in front may wait for just that: for room among the parked ones.
        """
        place = int(waiting[0] in self._running)
        while place < len(waiting) and waiting[place].asks:
            place += 1
        waiting.insert(place, task)
        if place > 0:
            return False
        displaced = waiting[1]
        self._ready = deque(each for each in self._ready if each is not displaced)
        self._later = [entry for entry in self._later if entry[2] is not displaced]
        heapq.heapify(self._later)
        return True

    def _leave(self, task: QueuedRecord) -> None:
        self._running.discard(task)
        waiting = self._queues[task.order_key]
        waiting.popleft()
        if waiting:
            self._has_begun(waiting[0])
        else:
            del self._queues[task.order_key]
        self._rest.notify_all()

    def _drop(self, partitions: set[PartitionInFlight]) -> None:
        def stays(task: QueuedRecord) -> bool:
            return task.in_flight not in partitions or task in self._running

        self._ready = deque(filter(stays, self._ready))
        self._later = [entry for entry in self._later if stays(entry[2])]
        heapq.heapify(self._later)
        for key, waiting in list(self._queues.items()):
            kept = deque(filter(stays, waiting))
            if not kept:
                del self._queues[key]
                continue
            if kept[0] is not waiting[0]:  # it has waited for one that was dropped
                self._has_begun(kept[0])
            self._queues[key] = kept
