"""Writes the outcome log (ledger): one record per command, in the command's own partition."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from verbwire.engine.processors.reply_notifier import Reply, ReplyNotifier
from verbwire.engine.state.changes import DedupEntry
from verbwire.engine.topology import ANSWERS
from verbwire.engine.transactions.record_limits import RecordLimits, too_large
from verbwire.engine.transactions.sending import Delivered
from verbwire.engine.transactions.transaction import Transaction
from verbwire.errors import UnencodableError
from verbwire.kafka.record import Record
from verbwire.messages import FORBIDDEN, Accepted, Expired, Failed, Outcome, Rejected
from verbwire.wire.avro.frozen_map import FrozenMap
from verbwire.wire.avro.messages import Encoder
from verbwire.wire.headers import PROCESS_INSTANCE_HEADER, Envelope, HeaderTemplate, RawHeaders
from verbwire.wire.records.outcomes import EventPosition, OutcomeRecord, OutcomeStatus

_STATUS = {
    Accepted: OutcomeStatus.ACCEPTED,
    Rejected: OutcomeStatus.REJECTED,
    Failed: OutcomeStatus.FAILED,
    Expired: OutcomeStatus.EXPIRED,
}
_COUNTED = {Accepted: "accepted", Rejected: "rejected", Failed: "failed", Expired: "expired"}
_NO_DETAILS = FrozenMap[str]()
_POSITION = 24  # bytes of an event's place beside its topic's name, at most
_REST = 2_000  # bytes of a line beside reply and places: ids and names, all of them limited


class OutcomeEntry(msgspec.Struct, gc=False):
    """The outcome of one command; the places of its events are added as they become known."""

    command_id: str
    command: str
    fingerprint: bytes
    record: Record
    reply_partition: int | None  # of the replies topic, at which a client waits for it
    outcome: Outcome
    reply: bytes | None = None  # framed
    events: list[int] = msgspec.field(default_factory=list)  # their offsets
    correlation_id: str | None = None  # where the command was not the first of its flow
    traceparent: str | None = None
    process_instance_key: bytes | None = None  # of the process that waits for it, where the id has no room for that

    @property
    def final(self) -> bool:
        """Whether the same command under this id is not done again."""
        return type(self.outcome) is Accepted or _is_final(
            _STATUS[type(self.outcome)], getattr(self.outcome, "code", None)
        )

    def counted(self) -> tuple[str, str, str, str]:
        """Return what the metrics count it as."""
        return "outcome", self.command, _COUNTED[type(self.outcome)], getattr(self.outcome, "code", "")

    def line(self, events_topic: str) -> OutcomeRecord:
        """Return the record for the outcome log; the command's events are in its own partition of their topic."""
        partition, outcome = self.record.partition, self.outcome
        events = [EventPosition(topic=events_topic, partition=partition, offset=each) for each in self.events]
        return OutcomeRecord(
            command_id=self.command_id,
            command=self.command,
            fingerprint=self.fingerprint,
            status=_STATUS[type(outcome)],
            code=outcome.code if isinstance(outcome, Rejected) else None,
            reason=(outcome.reason or None) if isinstance(outcome, Rejected | Failed) else None,
            details=outcome.details if isinstance(outcome, Rejected) else _NO_DETAILS,
            reply=self.reply,
            partition=partition,
            offset=self.record.offset,
            events=tuple(events),
        )


def dedup_entry_of(line: OutcomeRecord, value: bytes, at: int) -> DedupEntry:
    """Return what a partition remembers of an outcome; without its fingerprint where the id may be tried again."""
    return DedupEntry(line.fingerprint if _is_final(line.status, line.code) else b"", value, at)


def _is_final(status: OutcomeStatus, code: str | None) -> bool:
    """Whether an outcome is the one its id has for good: accepted, or rejected for what the command holds.

    A missing permission is no property of the command: a client that has been given it since sends the same one again.
    """
    return status == OutcomeStatus.ACCEPTED or (status == OutcomeStatus.REJECTED and code != FORBIDDEN)


class OutcomeLog:
    """Writes the outcomes of one aggregate, and notifies the clients that wait for them."""

    def __init__(
        self,
        topic: str,
        events_topic: str,
        encoder: Encoder,
        headers: HeaderTemplate,
        notifier: ReplyNotifier,
        limits: RecordLimits,
    ) -> None:
        self.events_topic = events_topic
        self.limits = limits
        self.topic = topic
        self.headers = headers
        self.notifier = notifier
        self._encoder = encoder

    def encode_all(self, entries: Sequence[OutcomeEntry]) -> list[bytes]:
        """Return the values of the lines of these outcomes."""
        return self._encoder.all([each.line(self.events_topic) for each in entries])

    def encode(self, entry: OutcomeEntry) -> bytes:
        """Return the value of the line of one."""
        return self._encoder(entry.line(self.events_topic))

    def require_fit(self, entry: OutcomeEntry, events: int) -> None:
        """Raise UnencodableError where the line cannot be written: it carries texts and a reply of the handler's own.

        The places of its `events` are not known yet, and are counted as the most they may be.
        """
        key = len(entry.record.key or b"")
        beside = key + len(entry.process_instance_key or b"") + _REST + events * (len(self.events_topic) + _POSITION)
        if type(entry.outcome) is Accepted and beside + len(entry.reply or b"") <= self.limits.surely_room:
            return
        limit = self.limits.room(self.topic)
        room = limit - beside
        if isinstance(entry.outcome, Rejected):
            size = key + len(self.encode(entry))
            if size > limit:
                raise too_large(f"the outcome of {entry.command}", size, limit)
        elif (reply := len(entry.reply or b"")) > max(room, 0):
            raise UnencodableError(
                f"the reply to {entry.command} is {reply} bytes, its outcome has room for {room}: keep less in it, "
                "and let the client query for the rest"
            )
        elif room < 0:
            raise UnencodableError(f"{entry.command} has too many events for its outcome: split it")

    def record(self, entry: OutcomeEntry, value: bytes, fits: bool = False) -> tuple[bytes | None, RawHeaders]:
        """Return key and headers of a line; `fits` says that its key is known to have room.

        One that is too large for the log is left out: clients look for an outcome by its place or its id.
        """
        name = entry.command_id
        flow = Envelope(correlation_id=entry.correlation_id, causation_id=name, traceparent=entry.traceparent)
        headers = self.headers.headers(f"{name}:outcome", flow)
        if entry.process_instance_key is not None:
            headers.append((PROCESS_INSTANCE_HEADER, entry.process_instance_key))
        key = entry.record.key
        return key if fits or self.limits.fits(self.topic, key, value, headers) else None, headers

    def batch(self, transaction: Transaction, partition: int) -> OutcomeBatch:
        """Return the batch for one partition's outcomes; it is written once their events are with the broker."""
        batch = OutcomeBatch(self, transaction, partition)
        transaction.placed.append(batch)
        transaction.after_commit.append(batch.notify)
        return batch


class OutcomeBatch:
    """The outcomes of one partition in one transaction.

    They are written as soon as the places of their events are known, while other records of the transaction are still
    on their way.
    """

    def __init__(self, outcome_log: OutcomeLog, transaction: Transaction, partition: int) -> None:
        self.transaction = transaction
        self._outcome_log = outcome_log
        self._partition = partition
        self._entries: list[OutcomeEntry] = []
        self._notified: list[Reply] = []
        self._repeated: list[tuple[int, str]] = []
        self._awaited = 0  # events whose places are not known yet
        self._written = False

    def placing(self, entry: OutcomeEntry, events: int) -> Delivered:
        """Return what is to be told of the delivery of each of the `events` of an outcome.

        A failed delivery fails the transaction by itself.
        """
        self._awaited += events
        places = entry.events

        def delivered(error: Any, message: Any) -> None:
            if error is None:
                places.append(message.offset())
                self._awaited -= 1
                if not self._awaited:
                    self.transaction.places_known(self)

        return delivered

    @property
    def is_placed(self) -> bool:
        """Whether all places are known that its outcomes name."""
        return not self._awaited

    def enter(self, entry: OutcomeEntry) -> None:
        """Add an outcome."""
        self._entries.append(entry)

    @property
    def last(self) -> Outcome:
        """The outcome that was added last."""
        return self._entries[-1].outcome

    def refuse(self, entry: OutcomeEntry) -> None:
        """Notify the client only; the outcome log already holds this id's outcome."""
        self.transaction.count(*entry.counted())
        if entry.reply_partition is not None:
            self._notified.append((entry.reply_partition, entry.command_id, self._outcome_log.encode(entry)))

    def repeat(self, command_id: str, reply_partition: int | None) -> None:
        """Notify the client of the outcome that this id has already."""
        if reply_partition is not None:
            self._repeated.append((reply_partition, command_id))

    def write(self) -> None:
        """Produce the records, once. They arrive in order, so the position of the last one is the outcome log's."""
        if self._written:
            return
        outcome_log, transaction, partition = self._outcome_log, self.transaction, self._partition
        values = outcome_log.encode_all(self._entries)
        self._written = True
        answers, last = transaction.of(partition).answers, len(self._entries) - 1
        transaction.count_all(map(OutcomeEntry.counted, self._entries))
        all_fit = outcome_log.limits.surely([each.record.key or b"" for each in self._entries], values)
        for index, (entry, value) in enumerate(zip(self._entries, values, strict=True)):
            record, name = entry.record, entry.command_id
            key, headers = outcome_log.record(entry, value, all_fit)
            note = transaction.note_position(partition, ANSWERS) if index == last else None
            transaction.produce(outcome_log.topic, partition, key, value, headers, on_delivery=note)
            answers[name] = DedupEntry(entry.fingerprint if entry.final else b"", value, record.timestamp)
            if entry.reply_partition is not None:
                self._notified.append((entry.reply_partition, name, value))

    def notify(self) -> None:
        """Send the notifications, once all is committed and in the copy: a notified client may ask this worker."""
        if self._repeated:
            known = self.transaction.caches[self._partition].store.recall(name for _, name in self._repeated)
            self._notified += [
                (reply_partition, name, known[name].outcome)
                for reply_partition, name in self._repeated
                if name in known
            ]
        self._outcome_log.notifier.send(self._notified)
