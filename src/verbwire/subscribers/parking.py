"""Parks records of a subscriber that fail for good, each with all later ones of its key, until an operator decides.

A record is in the group's log of parked ones before its offset is committed, under its key and its own offset. So it is
handled or parked, whatever is killed, and written twice it is the same record. Which keys are parked is read from the
log before the first record of a partition is handled. The one owner of a partition does what concerns a key one after
another (`key_queues`).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from msgspec.structs import replace

from verbwire.declarations.parking import Parking
from verbwire.engine.processors.requests import now_ms
from verbwire.engine.transactions.failpoints import hit
from verbwire.errors import ClosedError, DeliveryError, UnavailableError, UndecodableError, UnencodableError
from verbwire.kafka.record import ConsumedRecord
from verbwire.subscribers.key_queues import QueuedRecord
from verbwire.subscribers.parked_index import ParkedAt, ParkedIndex
from verbwire.subscribers.parked_log import ParkedLog
from verbwire.subscribers.plan import SubscriberPlan
from verbwire.subscribers.results import Done, Raised, Result, Unavailable
from verbwire.wire.codec.parked_records import ParkedRecords
from verbwire.wire.codec.requests import RequestReader
from verbwire.wire.codec.topics import Codec
from verbwire.wire.records.dead_letters import legible
from verbwire.wire.records.parked import PARKED_RECORD, ParkedRecord, parked_key, read_parked_key, subscriber_key

log = logging.getLogger(__name__)

_FULL = "are parked already, more are not: see `verbwire parked list`"
AT_ONCE = 50  # parked records in memory while a key is tried again
OBSTACLES = (ClosedError, DeliveryError, UnavailableError, UndecodableError, UnencodableError)
"""What is in the way of reading and writing the log; none is the fault of a record."""


class _Partition:
    """What is parked of one partition, as long as this worker has it."""

    def __init__(self) -> None:
        self.lock = threading.Lock()  # one at a time writes records that were not there
        self.known: ParkedIndex | None = None
        self.waiting: dict[tuple[str, int], str] = {}  # by topic and offset: records without room, and why


class SubscriberParking:
    """The parking of one group. Safe to call from any thread."""

    def __init__(self, plan: SubscriberPlan, limits: Parking, codec: Codec, written: ParkedLog) -> None:
        self.plan = plan
        self.limits = limits
        self.kept = ParkedRecords(codec, plan.parked)
        self.requests = RequestReader(codec, plan.requests)
        self.told: Callable[[QueuedRecord, Raised], object] = lambda *_: None  # of each that cannot be handled
        self._encode = codec.encoder(PARKED_RECORD)
        self._log = written
        self._partitions: dict[int, _Partition] = {}

    # -- partitions

    def assign(self, partitions: Iterable[int]) -> None:
        """Begin with these partitions, of which nothing is known yet."""
        self._partitions.update({each: _Partition() for each in partitions})

    def release(self, partitions: Iterable[int]) -> None:
        """Let these partitions go."""
        for each in partitions:
            self._partitions.pop(each, None)

    def stopped(self) -> dict[int, str]:
        """Return the partitions that wait for room, and why."""
        every = [(number, list(each.waiting.values())) for number, each in list(self._partitions.items())]
        return {number: reasons[0] for number, reasons in every if reasons}

    def counts(self) -> tuple[float, float, float]:
        """Return how many keys and records are parked here, and for how many seconds the oldest has been."""
        every = [each.known for each in list(self._partitions.values()) if each.known is not None]
        oldest = min((since for each in every if (since := each.oldest()) is not None), default=None)
        seconds = 0.0 if oldest is None else max(0.0, time.time() - oldest / 1000)
        return sum(map(len, every)), sum(each.records for each in every), seconds

    def keys(self, partition: int) -> ParkedIndex:
        """Return what is parked of a partition; the first time it is read from the log.

        :class:`UnavailableError` where that cannot be, or where another worker has the partition now.
        """
        its = self._of(partition)
        if its.known is None:
            with its.lock:
                if its.known is None:
                    its.known = self._read(partition)
        return its.known

    # -- records

    def hold(self, task: QueuedRecord) -> Result | None:
        """Park a record behind those of its key, or say that it is parked already; None where it may be handled."""
        name = self._name(task.record)
        if name is None:
            return None
        try:
            keys = self.keys(task.in_flight.partition)
            if not keys.holds(name, task.record.offset):
                return None
            if not keys.has(name, task.record.offset):
                self._add(task, name, ParkedRecord.of(task.record, now_ms()))
        except OBSTACLES as error:
            return Unavailable.of(error)
        return Done()

    def park(self, task: QueuedRecord, raised: Raised) -> Result:
        """Park a record that has a key and cannot be handled."""
        record = task.record
        why = legible(raised.detail)
        parked = ParkedRecord.of(record, now_ms(), why, legible(raised.traceback), task.failures)
        try:
            self._add(task, self._name(record) or b"", parked)
        except OBSTACLES as error:
            return Unavailable.of(error)
        self.told(task, raised)
        log.error("%s: %s is parked, with all later ones of its key: %s", self.plan.group, task.place, why)
        return Done()

    def records(self, partition: int, key: bytes) -> Iterator[tuple[int, ParkedRecord]]:
        """Yield the parked records of a key in their order, each with its number; few are in memory at once."""
        left = self.keys(partition).of(key)
        while left:
            some = dict(islice(left.items(), AT_ONCE))
            values: dict[int, bytes | None] = {}
            for each in self._log.read(partition, min(at.offset for at in some.values())):
                its, number = read_parked_key(each.key)
                if its == key and number in some:
                    values[number] = each.value
            for number in some:
                del left[number]
                if (value := values.get(number)) is not None:
                    yield number, self.kept.read(value)

    def remain(self, partition: int, key: bytes, number: int, parked: ParkedRecord, why: Raised, request: str) -> None:
        """Leave a record parked that was tried again by a request, with why it still cannot be handled."""
        again = replace(
            parked,
            reason=legible(why.detail),
            detail=legible(why.traceback),
            attempts=parked.attempts + 1,
            request=request,
        )
        self._write(partition, key, number, again)

    def remove(self, partition: int, key: bytes, number: int) -> None:
        """Let go of a parked record: it is handled, or given up."""
        keys = self.keys(partition)
        self._log.write(partition, parked_key(key, number), None)
        hit("after-unpark")
        with self._of(partition).lock:
            keys.remove(key, number)

    def passed(self, task: QueuedRecord) -> None:
        """Note that a record waits for room no more."""
        its = self._partitions.get(task.in_flight.partition)
        if its is not None and its.waiting:
            its.waiting.pop((task.in_flight.topic, task.offset), None)

    # -- inside

    def _of(self, partition: int) -> _Partition:
        its = self._partitions.get(partition)
        if its is None:
            raise UnavailableError(f"partition {partition} was taken away")
        return its

    def _name(self, record: ConsumedRecord) -> bytes | None:
        """Return the key under which a record is parked; None for one that has none."""
        namespace = self.plan.namespaces.get(record.topic)
        return subscriber_key(namespace, record.key) if record.key and namespace is not None else None

    def _read(self, partition: int) -> ParkedIndex:
        found = ParkedIndex()
        for each in self._log.read(partition):
            key, number = read_parked_key(each.key)
            if each.value is None:
                found.remove(key, number)
            else:
                found.put(key, number, ParkedAt(each.offset, self.kept.read(each.value).since))
        if found:
            log.warning("%s: %d keys of partition %d are parked", self.plan.group, len(found), partition)
        return found

    def _add(self, task: QueuedRecord, key: bytes, parked: ParkedRecord) -> None:
        """Write a record that was not parked, as far as there is room."""
        partition = task.in_flight.partition
        keys, its = self.keys(partition), self._of(partition)
        with its.lock:
            if (full := self._full(keys, key)) is not None:
                its.waiting[task.in_flight.topic, task.offset] = full
                raise UnavailableError(full)
            self._put(keys, partition, key, parked.offset, parked)
        self.passed(task)

    def _full(self, keys: ParkedIndex, key: bytes) -> str | None:
        if key not in keys and len(keys) >= self.limits.keys:
            return f"{len(keys)} keys {_FULL}"
        return f"{keys.records} records {_FULL}" if keys.records >= self.limits.records else None

    def _write(self, partition: int, key: bytes, number: int, parked: ParkedRecord) -> None:
        keys = self.keys(partition)
        with self._of(partition).lock:
            self._put(keys, partition, key, number, parked)

    def _put(self, keys: ParkedIndex, partition: int, key: bytes, number: int, parked: ParkedRecord) -> None:
        offset = self._log.write(partition, parked_key(key, number), self._encode(parked))
        hit("after-park")
        keys.put(key, number, ParkedAt(offset, parked.since))
