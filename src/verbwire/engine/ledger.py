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
        self._encoder = encoder
        self._headers = headers

    def require_fit(self, verdict: Verdict) -> None:
        """Raise UnencodableError where the line of a refusal cannot be written: it carries the handler's own texts."""
        sized(self._encoder(verdict.line()), f"the outcome of {verdict.command}")

    def enter(self, verdict: Verdict, transaction: Transaction, remember: bool) -> None:
        """Enter a verdict once its events are on the broker; `remember` it for the same id coming again."""
        transaction.after_flush.append(lambda: self._write(verdict, transaction, remember))

    def _write(self, verdict: Verdict, transaction: Transaction, remember: bool) -> None:
        record, value = verdict.record, self._encoder(verdict.line())
        headers = self._headers.headers(f"{verdict.command_id}:outcome", causation_id=verdict.command_id)
        note = transaction.note_position(record.partition, ANSWERS)
        transaction.produce(self.topic, record.partition, record.key, value, headers, on_delivery=note)
        if remember:
            answer = Answer(verdict.fingerprint, value, record.timestamp)
            transaction.of(record.partition).answers[verdict.command_id] = answer
