"""Records in hand, in lanes: those of one key one after another, those of different keys side by side."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections import deque
from collections.abc import Collection, Hashable, Iterable
from dataclasses import dataclass, field

from verbwire.kafka.record import ConsumedRecord, place_of
from verbwire.subscribers.partition_state import PartitionInFlight


@dataclass(eq=False, slots=True)
class QueuedRecord:
    """A record in hand, and what became of it so far."""

    record: ConsumedRecord  # as it lay in its own topic, when somebody has handed it back to the group
    offset: int  # in the partition that `share` is of
    share: PartitionInFlight
    again: bool = False  # whether it comes from the group's retries
    failures: int = 0  # how often its handler has raised
    delays: int = 0  # how often something else was in the way
    lane: Hashable = field(init=False)

    def __post_init__(self) -> None:
        self.lane = self.record.key or (self.share.topic, self.share.partition)

    @property
    def place(self) -> str:
        """Where the record lay at first, for people."""
        return place_of(self.record)

    @property
    def size(self) -> int:
        """Its bytes, about."""
        return len(self.record.key or b"") + len(self.record.value or b"")


class KeyedWorkQueue:
    """Hands tasks to threads. A task that waits to be tried again holds its lane, but no thread.

    Safe to call from any thread: the consumer's adds and takes back, those of the handlers take and finish.
    """

    def __init__(self) -> None:
        lock = threading.Lock()
        self._work = threading.Condition(lock)  # for those who take
        self._rest = threading.Condition(lock)  # for who waits until something is finished
        self._lanes: dict[Hashable, deque[QueuedRecord]] = {}
        self._ready: deque[QueuedRecord] = deque()  # heads of their lanes
        self._later: list[tuple[float, int, QueuedRecord]] = []  # heads too, in the order of the time when they are due
        self._numbers = itertools.count()
        self._running: set[QueuedRecord] = set()
        self._closed = False

    # -- the consumer's side

    def add(self, task: QueuedRecord) -> None:
        """Take a record in hand."""
        with self._work:
            task.share.open(task.offset, task.size)
            lane = self._lanes.get(task.lane)
            if lane is not None:
                lane.append(task)
                return
            self._lanes[task.lane] = deque((task,))
            self._ready.append(task)
            self._work.notify()

    def committable(self, shares: Iterable[PartitionInFlight]) -> dict[PartitionInFlight, int]:
        """Return up to where these partitions are done, where that is more than what was committed."""
        with self._work:
            offsets = ((share, share.committable()) for share in shares)
            return {share: offset for share, offset in offsets if offset is not None and offset != share.committed}

    def take_back(self, shares: Collection[PartitionInFlight], seconds: float) -> None:
        """Drop what has not begun of these partitions, and wait at most `seconds` for what runs.

        What still runs afterwards is abandoned: it is not done, whatever it says later.
        """
        with self._work:
            for share in shares:
                share.stopping = True
            self._drop(set(shares))
            self._rest.wait_for(lambda: not any(task.share in shares for task in self._running), seconds)

    def close(self) -> None:
        """Let the threads go as soon as they are free."""
        with self._work:
            self._closed = True
            self._work.notify_all()

    def in_hand(self) -> int:
        """How many records are in hand, over all partitions."""
        with self._work:
            return sum(map(len, self._lanes.values()))

    # -- the handlers' side

    def take(self) -> QueuedRecord | None:
        """Wait for a task and return it; None once there will be no more."""
        with self._work:
            while not self._closed:
                now = time.monotonic()
                while self._later and self._later[0][0] <= now:
                    self._ready.append(heapq.heappop(self._later)[2])
                if self._ready:
                    task = self._ready.popleft()
                    self._running.add(task)
                    return task
                self._work.wait(self._later[0][0] - now if self._later else None)
            return None

    def done(self, task: QueuedRecord) -> None:
        """Note that a task is dealt with; the next of its lane may begin."""
        with self._work:
            task.share.close(task.offset)
            self._leave(task)

    def again(self, task: QueuedRecord, seconds: float) -> None:
        """Try a task again after some time; one of a partition that is asked back is left to the next owner."""
        with self._work:
            if task.share.stopping:
                self._leave(task)
                return
            self._running.discard(task)
            heapq.heappush(self._later, (time.monotonic() + seconds, next(self._numbers), task))
            self._work.notify()  # whoever waits may wait for a later one

    def _leave(self, task: QueuedRecord) -> None:
        self._running.discard(task)
        lane = self._lanes[task.lane]
        lane.popleft()
        if lane:
            self._ready.append(lane[0])
            self._work.notify()
        else:
            del self._lanes[task.lane]
        self._rest.notify_all()

    def _drop(self, shares: set[PartitionInFlight]) -> None:
        def stays(task: QueuedRecord) -> bool:
            return task.share not in shares or task in self._running

        self._ready = deque(filter(stays, self._ready))
        self._later = [entry for entry in self._later if stays(entry[2])]
        heapq.heapify(self._later)
        for key, lane in list(self._lanes.items()):
            kept = deque(filter(stays, lane))
            if not kept:
                del self._lanes[key]
                continue
            if kept[0] is not lane[0]:  # it has waited for one that is gone
                self._ready.append(kept[0])
                self._work.notify()
            self._lanes[key] = kept
