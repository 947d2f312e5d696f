"""Entering outcomes: one record per command, in the command's own partition, with the places of its events."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from verbwire.engine.processors.reply_notifier import ReplyNotifier
from verbwire.engine.state.store import AnsweredCommand
from verbwire.engine.topology import ANSWERS
from verbwire.engine.transactions.record_limits import RecordLimits, too_large
from verbwire.engine.transactions.transaction import Transaction
from verbwire.errors import UnencodableError
from verbwire.handling.record import Record
from verbwire.messages import FORBIDDEN, Failed, Outcome, Rejected
from verbwire.wire.avro.messages import Encoder
from verbwire.wire.headers import UNDERTAKING_HEADER, Envelope, HeaderTemplate
from verbwire.wire.records.outcomes import EventPosition, OutcomeRecord, OutcomeStatus

_STATUS = {
    "Accepted": OutcomeStatus.ACCEPTED,
    "Rejected": OutcomeStatus.REJECTED,
    "Failed": OutcomeStatus.FAILED,
    "Expired": OutcomeStatus.EXPIRED,
}
_POSITION = 24  # bytes of an event's place beside its topic's name, at most
_REST = 2_000  # bytes of a line beside reply and places: ids and names, all of them limited


@dataclass(slots=True)
class OutcomeEntry:
    """What was decided on one command; learns where its events went as they are delivered."""

    command_id: str
    command: str
    fingerprint: bytes
    record: Record
    asker: int | None  # the partition of the replies at which somebody waits for it
    outcome: Outcome
    reply: bytes | None = None  # framed
    events: list[EventPosition] = field(default_factory=list)
    correlation_id: str | None = None  # where the command was not the first of its flow
    traceparent: str | None = None
    undertaking: bytes | None = None  # the key of who waits for it, where the id has no room for that

    @property
    def final(self) -> bool:
        """Whether the same command under this id is not done again."""
        return _is_final(_STATUS[type(self.outcome).__name__], getattr(self.outcome, "code", None))

    def delivered(self, error: Any, message: Any) -> None:
        """Take down the place of one event; a failed delivery fails the transaction by itself."""
        if error is None:
            place = EventPosition(topic=message.topic(), partition=message.partition(), offset=message.offset())
            self.events.append(place)

    def line(self) -> OutcomeRecord:
        """Return the ledger's line."""
        code = self.outcome.code if isinstance(self.outcome, Rejected) else None
        reason = self.outcome.reason if isinstance(self.outcome, Rejected | Failed) else None
        return OutcomeRecord(
            command_id=self.command_id,
            command=self.command,
            fingerprint=self.fingerprint,
            status=_STATUS[type(self.outcome).__name__],
            code=code,
            reason=reason or None,
            details=self.outcome.details if isinstance(self.outcome, Rejected) else {},
            reply=self.reply,
            partition=self.record.partition,
            offset=self.record.offset,
            events=tuple(self.events),
        )


def answer_of(line: OutcomeRecord, value: bytes, at: int) -> AnsweredCommand:
    """Return what a partition remembers of a line; without its fingerprint where the id may be tried again."""
    return AnsweredCommand(line.fingerprint if _is_final(line.status, line.code) else b"", value, at)


def _is_final(status: OutcomeStatus, code: str | None) -> bool:
    """Whether an outcome is the one its id has for good: what was accepted, or rejected for what the command says.

    A missing permission says nothing of the command: who has been given it since sends the same one again.
    """
    return status == OutcomeStatus.ACCEPTED or (status == OutcomeStatus.REJECTED and code != FORBIDDEN)


class OutcomeLog:
    """Writes the outcomes of one aggregate, and tells those who wait for them."""

    def __init__(
        self, topic: str, encoder: Encoder, headers: HeaderTemplate, hints: ReplyNotifier, limits: RecordLimits
    ) -> None:
        self.limits = limits
        self.topic = topic
        self.headers = headers
        self.hints = hints
        self.encode = encoder

    def require_fit(self, verdict: OutcomeEntry, events: int, events_topic: str) -> None:
        """Raise UnencodableError where the line cannot be written: it carries texts and a reply of the handler's own.

        The places of its `events` are not known yet, and are counted as the most they may be.
        """
        key = verdict.record.key or b""
        limit, places = self.limits.room(self.topic), events * (len(events_topic) + _POSITION)
        room = limit - len(key) - len(verdict.undertaking or b"") - _REST - places
        if isinstance(verdict.outcome, Rejected):
            size = len(key) + len(self.encode(verdict.line()))
            if size > limit:
                raise too_large(f"the outcome of {verdict.command}", size, limit)
        elif (reply := len(verdict.reply or b"")) > max(room, 0):
            raise UnencodableError(
                f"the reply to {verdict.command} is {reply} bytes, its outcome has room for {room}: keep less in it, "
                "and let the asker query for the rest"
            )
        elif room < 0:
            raise UnencodableError(f"{verdict.command} has too many events for its outcome: split it")

    def page(self, transaction: Transaction, partition: int) -> OutcomeBatch:
        """Return a page for the verdicts on one partition's commands; it is written once their events are out."""
        page = OutcomeBatch(self, transaction, partition)
        transaction.after_flush.append(page.write)
        transaction.after_commit.append(page.tell)
        return page


class OutcomeBatch:
    """The lines of one partition in one transaction."""

    def __init__(self, ledger: OutcomeLog, transaction: Transaction, partition: int) -> None:
        self.transaction = transaction
        self._ledger = ledger
        self._partition = partition
        self._verdicts: list[OutcomeEntry] = []
        self._told: list[tuple[int, str, bytes]] = []  # partition of the asker, id, outcome
        self._again: list[tuple[int, str]] = []

    def enter(self, verdict: OutcomeEntry) -> None:
        """Enter a verdict."""
        self._verdicts.append(verdict)

    def refuse(self, verdict: OutcomeEntry) -> None:
        """Only tell the asker: the ledger holds one outcome per id, and this is not it."""
        if verdict.asker is not None:
            self._told.append((verdict.asker, verdict.command_id, self._ledger.encode(verdict.line())))

    def repeat(self, command_id: str, asker: int | None) -> None:
        """Tell the asker the outcome that this id has already."""
        if asker is not None:
            self._again.append((asker, command_id))

    def write(self) -> None:
        """Produce the lines. They arrive in order, so the last alone tells how far the ledger is."""
        ledger, transaction, partition = self._ledger, self.transaction, self._partition
        answers, last = transaction.of(partition).answers, len(self._verdicts) - 1
        for index, verdict in enumerate(self._verdicts):
            record, line = verdict.record, verdict.line()
            value = ledger.encode(line)
            headers = ledger.headers.headers(
                f"{verdict.command_id}:outcome",
                Envelope(
                    correlation_id=verdict.correlation_id,
                    causation_id=verdict.command_id,
                    traceparent=verdict.traceparent,
                ),
            )
            if verdict.undertaking is not None:
                headers.append((UNDERTAKING_HEADER, verdict.undertaking))
            note = transaction.note_position(partition, ANSWERS) if index == last else None
            # A key that is too large for the ledger is left out: who looks for the outcome knows its place, or its id.
            key = record.key if ledger.limits.fits(ledger.topic, record.key, value, headers) else None
            transaction.produce(ledger.topic, partition, key, value, headers, on_delivery=note)
            answers[verdict.command_id] = answer_of(line, value, record.timestamp)
            if verdict.asker is not None:
                self._told.append((verdict.asker, verdict.command_id, value))

    def tell(self) -> None:
        """Send the hints, once it is committed and the copy has it: who is told may ask here and find it."""
        if self._again:
            known = self.transaction.shards[self._partition].store.recall(name for _, name in self._again)
            self._told += [(asker, name, known[name].outcome) for asker, name in self._again if name in known]
        for asker, name, outcome in self._told:
            self._ledger.hints.send(asker, name, outcome)
