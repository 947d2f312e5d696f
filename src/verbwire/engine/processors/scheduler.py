"""The processor of a scheduler: takes commands that are sent for later, delivers them when they are due, cancels them.

A command is in one of three states, and leaves the first by a committed transaction alone: pending, then delivered or
cancelled. So exactly one of both happens to it, whoever is killed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from verbwire.engine.processors.cancellations import Cancellations
from verbwire.engine.processors.received_command import ReceivedRecord
from verbwire.engine.processors.schedule_firing import ScheduleFiring
from verbwire.engine.processors.scheduled_commands import ScheduledCommands
from verbwire.engine.processors.scheduled_rows import ScheduledRows, a_row
from verbwire.engine.state.partition_cache import PartitionCache
from verbwire.engine.transactions.dead_letters import dead_letter, legible
from verbwire.engine.transactions.transaction import Transaction
from verbwire.errors import MessageError, UnavailableError, UndecodableError
from verbwire.kafka.record import Record
from verbwire.observability.watch.handlers import HandlerWatch
from verbwire.observability.watch.tracebacks import summary
from verbwire.wire.records.scheduled import ScheduledRecord, ScheduledStatus
from verbwire.wire.scheduling import CANCEL_HEADER

AGAIN_MS = 60_000
"""After so long what could not be fired is tried again."""


@dataclass(kw_only=True)
class SchedulerProcessor:
    """Keeps what is to be done later, under its id, and does it."""

    rows: ScheduledRows
    commands: ScheduledCommands
    cancellations: Cancellations
    schedules: ScheduleFiring
    dead_letters: str
    watch: HandlerWatch

    def process(self, cache: PartitionCache, records: Sequence[Record], transaction: Transaction) -> int:
        """Take these commands and cancellations, in order, and return how many there was time for."""
        received = [*map(ReceivedRecord, records)]
        subjects = [_subject(each) for each in received]
        cache.begin([each.encode() for each in subjects])
        for done, (each, subject) in enumerate(zip(received, subjects, strict=True)):
            if done and transaction.is_late():
                return done
            try:
                self._take(cache, each, subject.encode(), transaction)
            except (UndecodableError, MessageError) as error:
                self.watch.dead_lettered("undecodable", each.record, str(error))
                dead_letter(transaction, self.dead_letters, each.record, "undecodable", legible(str(error)))
        return len(received)

    def fire(self, cache: PartitionCache, keys: Sequence[bytes], now: int, transaction: Transaction) -> int:
        """Do what is due of these rows, in order, and return how many there was time for."""
        self.watch.enter()
        for done, key in enumerate(keys):
            if done and transaction.is_late():
                return done
            row = a_row(cache.get(key))
            try:
                cache.put(key, self._fired(row, cache.partition, now, transaction))
            except UnavailableError:  # the registry: the transaction is tried again as a whole
                raise
            except Exception as error:  # noqa: BLE001 (whatever a user's function raises: it waits, the others go on)
                self.watch.raised(row.actor if row.status is ScheduledStatus.SCHEDULE else row.command, row.id, error)
                transaction.count("scheduled", "failed")
                cache.put(key, replace(row, again=now + AGAIN_MS, failure=legible(summary(error))[:500]))
        return len(keys)

    def begin(self, cache: PartitionCache, now: int) -> None:
        """Bring the schedules of a partition in line with those that are declared."""
        self.schedules.begin(cache, now)

    # -- inside

    def _take(self, cache: PartitionCache, received: ReceivedRecord, key: bytes, transaction: Transaction) -> None:
        known = cache.get(key)
        row = None if known is None else a_row(known)
        if received.headers.text(CANCEL_HEADER) is not None:
            after = self.cancellations.cancel(received, row, transaction)
            if after is not row:
                cache.put(key, after)
            return
        after = self.commands.take(received, row, transaction)
        if after is not None:
            self.rows.encode(key, after)  # too large with its headers: it has no room in the changelog
            cache.put(key, after)

    def _fired(
        self, row: ScheduledRecord, partition: int, now: int, transaction: Transaction
    ) -> ScheduledRecord | None:
        match row.status:
            case ScheduledStatus.SCHEDULE:
                return self.schedules.fire(row, now, transaction)
            case ScheduledStatus.PENDING:
                return self.commands.deliver(row, partition, now, transaction)
            case _:  # delivered or cancelled so long ago that its receiver has forgotten its id
                return None


def _subject(received: ReceivedRecord) -> str:
    """Return the id that a record is about; no id of a schedule, which no command's may be."""
    try:
        subject = received.headers.text(CANCEL_HEADER) or received.name
    except UndecodableError:  # found again when it is taken
        subject = received.name
    return subject.replace(" ", "_") or "_"
