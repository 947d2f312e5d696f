"""Entering outcomes: one record per command, in the command's own partition, with the places of its events."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from verbwire.engine.plan import ANSWERS
from verbwire.engine.records import Record
from verbwire.engine.store import Answer
from verbwire.engine.transaction import Transaction, sized
from verbwire.messages import Failed, Outcome, Rejected
from verbwire.wire.avro import Encoder
from verbwire.wire.headers import HeaderTemplate
from verbwire.wire.outcomes import EventPosition, OutcomeRecord, OutcomeStatus

_STATUS = {
    "Accepted": OutcomeStatus.ACCEPTED,
    "Rejected": OutcomeStatus.REJECTED,
    "Failed": OutcomeStatus.FAILED,
    "Expired": OutcomeStatus.EXPIRED,
}


@dataclass(slots=True)
class Verdict:
    """What was decided on one command; learns where its events went as they are delivered."""

    command_id: str
    command: str
    fingerprint: bytes
    outcome: Outcome
    record: Record
    events: list[EventPosition] = field(default_factory=list)

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
            partition=self.record.partition,
            offset=self.record.offset,
            events=tuple(self.events),
        )


class Ledger:
    """Writes the outcomes of one aggregate."""

    def __init__(self, topic: str, encoder: Encoder, headers: HeaderTemplate) -> None:
        self.topic = topic
        self.headers = headers
        self._encoder = encoder

    def require_fit(self, verdict: Verdict) -> None:
        """Raise UnencodableError where the line of a refusal cannot be written: it carries the handler's own texts."""
        sized(verdict.record.key or b"", self.value(verdict), f"the outcome of {verdict.command}")

    def value(self, verdict: Verdict) -> bytes:
        """Return the record's value."""
        return self._encoder(verdict.line())

    def page(self, transaction: Transaction, partition: int) -> Page:
        """Return a page for the verdicts on one partition's commands; it is written once their events are out."""
        page = Page(self, transaction, partition)
        transaction.after_flush.append(page.write)
        return page


class Page:
    """The lines of one partition in one transaction."""

    def __init__(self, ledger: Ledger, transaction: Transaction, partition: int) -> None:
        self.transaction = transaction
        self._ledger = ledger
        self._partition = partition
        self._verdicts: list[tuple[Verdict, bool]] = []

    def enter(self, verdict: Verdict, remember: bool) -> None:
        """Enter a verdict; `remember` it for the same id coming again."""
        self._verdicts.append((verdict, remember))

    def write(self) -> None:
        """Produce the lines. They arrive in order, so the last alone tells how far the ledger is."""
        ledger, transaction, partition = self._ledger, self.transaction, self._partition
        answers, last = transaction.of(partition).answers, len(self._verdicts) - 1
        for index, (verdict, remember) in enumerate(self._verdicts):
            record, value = verdict.record, ledger.value(verdict)
            headers = ledger.headers.headers(f"{verdict.command_id}:outcome", causation_id=verdict.command_id)
            note = transaction.note_position(partition, ANSWERS) if index == last else None
            transaction.produce(ledger.topic, partition, record.key, value, headers, on_delivery=note)
            if remember:
                answers[verdict.command_id] = Answer(verdict.fingerprint, value, record.timestamp)
