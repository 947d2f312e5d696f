"""Builds one transaction: the records it produces, the input offsets it commits, the changes of the local copies."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import Future
from typing import Any, Protocol

from confluent_kafka import Producer, TopicPartition

from verbwire.engine.state.changes import StoreChanges
from verbwire.engine.state.partition_cache import PartitionCache
from verbwire.engine.transactions.group_metadata import GroupMetadata
from verbwire.engine.transactions.poison_records import Place, RecordRange
from verbwire.engine.transactions.record_limits import Headers, RecordLimits
from verbwire.engine.transactions.sending import Delivered, RowMessage, UnsentRecord, UnsentRows, send
from verbwire.tracing.seam import TraceSpan

_MANY = 256  # records, with which the producer may begin while more are made


class PlacedRecords(Protocol):
    """Records that name the places of others of their transaction, and so can be made only once those are known."""

    @property
    def is_placed(self) -> bool:
        """Whether all of these places are known."""
        ...

    def write(self) -> None:
        """Produce them, unless that has been done."""
        ...


class Transaction:
    """Built by the engine's thread, then handed over whole to the committing thread. Its producer has begun it.

    `before` is set once the broker has all records of the transaction before this one. The two have different
    producers, and nothing but this wait keeps their records in order: without it a row, or an event, may stand in
    the log before the one that it follows.
    """

    def __init__(
        self,
        producer: Producer,
        slot: int,
        membership: GroupMetadata,
        worker: str,
        before: threading.Event,
        limits: RecordLimits,
    ) -> None:
        self.producer = producer
        self.slot = slot
        self.membership = membership
        self.limits = limits
        self.changes: dict[int, StoreChanges] = {}  # partition -> changes of its store
        self.caches: dict[int, PartitionCache] = {}
        self.ranges: dict[Place, RecordRange] = {}  # what it deals with
        self.at: tuple[Place, RecordRange] | None = None  # what it is at: to blame for whatever fails
        self.placed: list[PlacedRecords] = []
        self.after_commit: list[Callable[[], None]] = []  # notifications that are sent then
        self.records = 0
        self.bytes = 0  # of their values
        self.span: TraceSpan | None = None  # where traces are kept, and one of its messages' is
        self.waited = 0.0  # seconds, for the transaction before
        self.counts = Counter[tuple[str, ...]]()
        self.fired: list[int] = []  # when what it fires was due, in milliseconds since the epoch
        self.dead_letters: dict[int, int] = {}  # partition -> how many of its records become dead letters
        self.row_checks: Collection[int] = ()  # partitions whose rows are encoded as each record is processed
        self.deadline = float("inf")  # on the monotonic clock; after it no further record is begun
        self.sending: Future[None] | None = None  # its offsets, while its records are on their way
        self.flushed = threading.Event()  # the broker has all records, or will never take them
        self.written = threading.Event()  # the local copies have what it changed
        self._before = before
        self._whole = False  # nothing but those that are placed will be added
        self._failure: Exception | None = None  # of writing these
        self._unsent: list[UnsentRecord | UnsentRows] = []
        self._worker = worker
        self._offsets: dict[tuple[str, int], int] = {}

    def produce(
        self,
        topic: str,
        partition: int,
        key: bytes | None,
        value: bytes | None,
        headers: Headers = (),
        on_delivery: Delivered | None = None,
    ) -> None:
        """Add a record, behind those of the transaction before. The partition is always said: it is the input's.

        It goes to the producer with those that follow it, at once where that may begin; :meth:`send` takes the rest.
        """
        self._unsent.append((topic, partition, key, value, headers, on_delivery))
        if len(self._unsent) >= _MANY and self._before.is_set():
            self._hand_over(patient=not self._whole)

    def produce_rows(self, topic: str, partition: int, rows: list[RowMessage]) -> None:
        """Add records that have a key and a value, and nothing besides: the cheapest that there are."""
        self._unsent.append((topic, partition, rows))

    def send(self) -> None:
        """Hand what was added to the producer, in this order, once the broker has the transaction before."""
        if not self._before.is_set():
            began = time.monotonic()
            self._before.wait()
            self.waited += time.monotonic() - began
        self._hand_over(patient=True)

    def _hand_over(self, patient: bool) -> None:
        unsent, self._unsent = self._unsent, []
        self._unsent = unsent[send(self.producer, unsent, patient) :]

    def begin_commit(self) -> None:
        """Write what is placed already; from now on each of them is written when its places are known.

        Belongs to the committing thread, like what follows.
        """
        self._whole = True
        for each in self.placed:
            if each.is_placed:
                each.write()
        self.send()

    def places_known(self, records: PlacedRecords) -> None:
        """Write these, if it is time: in the midst of the flush by which their places became known.

        Nothing waits here, and nothing is raised: :meth:`finish` does both.
        """
        if not self._whole or self._failure is not None:
            return
        try:
            records.write()
            self._hand_over(patient=False)
        except Exception as error:  # noqa: BLE001 (whoever flushes could not tell it from the failure of a flush)
            self._failure = error

    def finish(self) -> None:
        """Write what is left, once all places are known; raises why something could not be written."""
        if self._failure is not None:
            raise self._failure
        for each in self.placed:
            each.write()
        self.send()

    def give_up(self) -> None:
        """Write nothing more."""
        self._whole = False

    def used(self, cache: PartitionCache, topic: str, next_offset: int) -> None:
        """Note that the inputs up to `next_offset` are processed: they are committed with the rest, or not at all."""
        cache.next[topic] = next_offset
        self.caches[cache.partition] = cache
        self.of(cache.partition).inputs[topic] = next_offset
        self._offsets[topic, cache.partition] = next_offset

    def checks_rows(self, partition: int) -> bool:
        """Whether each row is encoded at once, so that the record to blame for one that cannot be encoded is known."""
        return partition in self.row_checks

    def is_late(self) -> bool:
        """Whether it has to be committed before more is done: the broker lets it live for ten seconds."""
        return time.monotonic() > self.deadline

    def of(self, partition: int) -> StoreChanges:
        """Return the changes of a partition's store."""
        changes = self.changes.get(partition)
        if changes is None:
            changes = self.changes[partition] = StoreChanges()
        return changes

    def count(self, *what: str) -> None:
        """Count something for the metrics, to which it is added once the transaction is committed."""
        self.counts[what] += 1

    def count_all(self, each: Iterable[tuple[str, ...]]) -> None:
        """Count many at once, each as in :meth:`count`."""
        self.counts.update(each)

    def ended(self, committed: bool) -> None:
        """End its span, where it has one."""
        span, self.span = self.span, None
        if span is not None:
            if not committed:
                span.fail("aborted")
            span.end()

    def note_position(self, partition: int, log: str) -> Callable[[Any, Any], None]:
        """Return a delivery callback that notes how far a log is after this transaction."""
        positions = self.of(partition).positions

        def delivered(error: Any, message: Any) -> None:
            if error is None:
                positions[log] = max(positions.get(log, 0), message.offset() + 1)

        return delivered

    def offsets(self) -> list[TopicPartition]:
        """Return the input offsets, with the worker's name: a new owner aborts the transactions of a dead one by it."""
        return [TopicPartition(topic, part, offset, self._worker) for (topic, part), offset in self._offsets.items()]
