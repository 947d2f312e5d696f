"""Parks records that cannot be handled, each with all later ones of its key, until an operator has them tried again.

They are written to the group's own log in the transaction that counts them as read, so that each is either handled or
parked, once. Other keys go on. More of them than the declaration says stop the partition: then it is no matter of
single records.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from msgspec.structs import replace

from verbwire.declarations.parking import Parking
from verbwire.engine.processors.requests import OperatorRequests, now_ms
from verbwire.engine.state.changes import StoreChanges
from verbwire.engine.state.parked import PARKED_FACT, ParkedKey, ParkedRow
from verbwire.engine.state.partition_cache import PartitionCache
from verbwire.engine.topology import PARKED, Log, StopPartition
from verbwire.engine.transactions.dead_letters import dead_letter
from verbwire.engine.transactions.transaction import Transaction
from verbwire.errors import NewerSchemaError, RegistryUnavailableError
from verbwire.kafka.record import Record, place_of
from verbwire.wire.avro.messages import Encoder
from verbwire.wire.codec.parked_records import ParkedRecords
from verbwire.wire.codec.topics import Codec
from verbwire.wire.records.parked import (
    PARKED_RECORD,
    ParkedRecord,
    parked_key,
    read_parked_key,
)
from verbwire.wire.records.requests import RETRY, SKIP, RequestRecord, who_skips

log = logging.getLogger(__name__)

PIECE = 500  # parked records that one transaction handles again, at most
_AT_ONCE = 50  # of them in memory
_PASSING = (NewerSchemaError, RegistryUnavailableError)  # the fault of no record
Again: TypeAlias = Callable[[PartitionCache, bytes, Record, Transaction], None]
"""Handles a record again that is parked under a key; StopPartition where it cannot be handled yet."""


@dataclass(kw_only=True)
class RecordParking:
    """The parking of one group."""

    group: str
    topic: str
    dead_letters: str
    limits: Parking
    encoder: Encoder
    kept: ParkedRecords
    requests: OperatorRequests
    told: Callable[[StopPartition], object] = lambda _: None  # of each record that cannot be handled

    @classmethod
    def of(cls, codec: Codec, group: str, limits: Parking, requests: OperatorRequests) -> RecordParking:
        """Return that of a group, whose name carries the prefix already."""
        topic = codec.names.parked(group)
        return cls(
            group=group,
            topic=topic,
            dead_letters=codec.names.dead_letters(group),
            limits=limits,
            encoder=codec.encoder(PARKED_RECORD),
            kept=ParkedRecords(codec, topic),
            requests=requests,
        )

    def log(self) -> Log:
        """Return how the log restores a store."""
        return Log(PARKED, self.topic, self._absorb, may_be_empty=True)

    def serve(self, again: Again) -> RecordParking:
        """Do what operators ask for by this function."""

        def retry(cache: PartitionCache, request: RequestRecord, transaction: Transaction) -> None:
            self._retry(cache, request, transaction, again)

        def skip(cache: PartitionCache, request: RequestRecord, transaction: Transaction) -> None:
            if self._skip(cache, request, transaction):
                self._retry(cache, request, transaction, again)

        self.requests.kinds |= {RETRY: retry, SKIP: skip}
        return self

    def records(self, cache: PartitionCache, key: bytes, limit: int) -> list[ParkedRecord]:
        """Return the first parked records of a key."""
        return [self.kept.read(value) for _, value in cache.parked_records(key, limit)]

    # -- parking

    def park(self, cache: PartitionCache, key: bytes, stop: StopPartition, transaction: Transaction) -> None:
        """Park the record that cannot be handled; raise `stop`, or another one, where it must not be parked."""
        if isinstance(stop.__cause__, _PASSING):
            raise stop
        standing = cache.parked.standing
        if len(standing) >= self.limits.keys:
            raise _full(stop, f"{len(standing)} keys are parked already")
        record = self._parked(stop.record, stop, attempts=1)
        self._require_room(cache, stop.record, stop)
        self._write(cache, key, 0, record, transaction, stop.record)
        self._stand(cache, key, ParkedKey(0, 1, record.since, record.reason), transaction)
        self.told(stop)
        log.error("%s: %s is parked, with all later ones of its key: %s", self.group, place_of(stop.record), stop)

    def hold(self, cache: PartitionCache, key: bytes, record: Record, transaction: Transaction) -> None:
        """Park a record behind those of its key."""
        self._require_room(cache, record)
        its = cache.parked.standing[key]
        self._write(cache, key, its.next, self._parked(record), transaction, record)
        self._stand(cache, key, its._replace(next=its.next + 1), transaction)

    def _parked(self, record: Record, stop: StopPartition | None = None, attempts: int = 0) -> ParkedRecord:
        if stop is None:
            return ParkedRecord.of(record, now_ms())
        return ParkedRecord.of(record, now_ms(), stop.reason, stop.traceback, attempts)

    def _require_room(self, cache: PartitionCache, record: Record, stop: StopPartition | None = None) -> None:
        if (records := cache.parked.records) >= self.limits.records:
            raise _full(stop or StopPartition(record, "its key is parked"), f"{records} records are parked already")

    # -- what operators ask for

    def _retry(self, cache: PartitionCache, request: RequestRecord, transaction: Transaction, again: Again) -> None:
        """Handle the records of a key again, in order, until one cannot be; the rest of many by a new request."""
        key = request.key
        for done, (number, value) in enumerate(self._first_ones(cache, key)):
            if done and transaction.is_late():
                break
            parked = self.kept.read(value)
            try:
                again(cache, key, parked.original, transaction)
            except StopPartition as stop:
                if isinstance(stop.__cause__, _PASSING):
                    raise RegistryUnavailableError(str(stop)) from stop
                self._remain(cache, request, parked, stop, transaction)
                return
            self._remove(cache, key, number, transaction)
        if key in cache.parked.standing:
            self.requests.ask_on(transaction, cache.partition, replace(request, kind=RETRY))
        else:
            log.warning("%s: the key %r is parked no more: its records are handled", self.group, key[:80])

    def _first_ones(self, cache: PartitionCache, key: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield the first records of a key, each behind those that have been let go of; a few are in memory."""
        left = PIECE
        while left > 0 and (found := cache.parked_records(key, min(left, _AT_ONCE))):
            yield from found
            left -= len(found)

    def _skip(self, cache: PartitionCache, request: RequestRecord, transaction: Transaction) -> bool:
        """Give up the first record of a key, if it is the one that is meant; whether it was."""
        for number, value in cache.parked_records(request.key, 1):
            record = self.kept.read(value).original
            if place_of(record) == request.place:
                dead_letter(transaction, self.dead_letters, record, "skipped", who_skips(request))
                self._remove(cache, request.key, number, transaction)
                return True
        return False

    def _remain(
        self,
        cache: PartitionCache,
        request: RequestRecord,
        parked: ParkedRecord,
        stop: StopPartition,
        transaction: Transaction,
    ) -> None:
        """Leave a record, now the first of its key, where it is, and say why it still cannot be handled."""
        key, its = request.key, cache.parked.standing[request.key]
        record = replace(
            parked,
            reason=stop.reason,
            detail=stop.traceback,
            attempts=parked.attempts + 1,
            request=request.id,
        )
        self._write(cache, key, its.first, record, transaction, parked.original)
        self._stand(cache, key, its._replace(since=record.since, reason=record.reason), transaction)
        self.told(stop)
        log.error("%s: the key %r is still parked, at %s: %s", self.group, key[:80], place_of(parked.original), stop)

    # -- writing

    def _write(
        self,
        cache: PartitionCache,
        key: bytes,
        number: int,
        parked: ParkedRecord,
        transaction: Transaction,
        record: Record,
    ) -> None:
        name, value = parked_key(key, number), self.encoder(parked)
        if not transaction.limits.fits(self.topic, name, value):
            limit = transaction.limits.of(self.topic)
            raise StopPartition(
                record, f"{self.topic} takes {limit} bytes, not the record: raise its max.message.bytes"
            )
        self._produce(cache, key, number, value, transaction)
        self._changes(cache, transaction)[key, number] = ParkedRow(parked.since, parked.reason, value)

    def _remove(self, cache: PartitionCache, key: bytes, number: int, transaction: Transaction) -> None:
        """Let go of the first record of a key."""
        its = cache.parked.standing[key]
        self._produce(cache, key, number, None, transaction)
        self._changes(cache, transaction)[key, number] = None
        left = its._replace(first=number + 1)
        self._stand(cache, key, left if left.records else None, transaction)

    def _produce(
        self, cache: PartitionCache, key: bytes, number: int, value: bytes | None, transaction: Transaction
    ) -> None:
        position = transaction.note_position(cache.partition, PARKED)
        transaction.produce(self.topic, cache.partition, parked_key(key, number), value, on_delivery=position)

    def _changes(self, cache: PartitionCache, transaction: Transaction) -> dict[tuple[bytes, int], ParkedRow | None]:
        changes = transaction.of(cache.partition)
        if changes.parked is None:
            changes.parked = {}
            cache.parked.follow(transaction.written, changes.parked)
        return changes.parked

    def _stand(self, cache: PartitionCache, key: bytes, its: ParkedKey | None, transaction: Transaction) -> None:
        """Note how it stands with a key: in memory, and how many records there are beside the rows."""
        cache.parked.set(key, its)
        cache.facts[PARKED_FACT] = b"%d" % cache.parked.records
        transaction.of(cache.partition).parked_keys = cache.parked.standing

    # -- reading

    def _absorb(self, changes: StoreChanges, record: Record) -> None:
        place = read_parked_key(record.key or b"")
        if changes.parked is None:
            changes.parked = {}
        parked = None if record.value is None else self.kept.read(record.value)
        row = None if parked is None else ParkedRow(parked.since, parked.reason, record.value or b"")
        changes.parked[place] = row


def _full(stop: StopPartition, why: str) -> StopPartition:
    """Return the stop of a partition that parks no more."""
    found = StopPartition(stop.record, f"{stop.reason} ({why}, more are not: see `verbwire parked list`)")
    found.__cause__ = stop.__cause__
    return found
