"""Cancels commands that are sent for later, and answers who asks for it: in a log of outcomes, and at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from verbwire.contracts.schema.model import Contract
from verbwire.engine.processors.outcomes import OutcomeEntry
from verbwire.engine.processors.received_command import ReceivedRecord
from verbwire.engine.processors.reply_notifier import ReplyNotifier
from verbwire.engine.processors.scheduled_commands import settled
from verbwire.engine.transactions.transaction import Transaction
from verbwire.handling.permission import refusal
from verbwire.kafka.record import is_stamped
from verbwire.messages import FORBIDDEN, Accepted, Outcome, Rejected
from verbwire.wire.avro.messages import Encoder
from verbwire.wire.grants.policy import GrantCheck
from verbwire.wire.headers import Envelope, HeaderTemplate
from verbwire.wire.records.scheduled import ScheduledRecord, ScheduledStatus
from verbwire.wire.scheduling import TOO_LATE, UNKNOWN


@dataclass(kw_only=True)
class Cancellations:
    """Cancels the commands of one context. Who has sent a command may cancel it, and nobody else."""

    name: str  # of what is asked, in outcomes
    topic: str  # of the outcomes
    encoder: Encoder
    headers: HeaderTemplate
    notifier: ReplyNotifier
    contracts: Mapping[str, Contract]
    checks: Mapping[str, GrantCheck]

    def cancel(
        self, received: ReceivedRecord, row: ScheduledRecord | None, transaction: Transaction
    ) -> ScheduledRecord | None:
        """Return the row as it is then; who asked is told."""
        if received.unnamed is not None:
            raise received.unnamed
        outcome = self._decide(received, row)
        if isinstance(outcome, Accepted) and row is not None and row.status is ScheduledStatus.PENDING:
            row = settled(row, ScheduledStatus.CANCELLED, received.record.timestamp)
            transaction.count("scheduled", "cancelled")
        self._answer(received, outcome, transaction)
        return row

    def _decide(self, received: ReceivedRecord, row: ScheduledRecord | None) -> Outcome:
        if row is None:
            return Rejected(UNKNOWN, "no command of this id is scheduled, nor was one in the last days")
        if refused := self._refusal(received, row):
            return refused
        if row.status is ScheduledStatus.DELIVERED:
            return Rejected(TOO_LATE, "it has been delivered")
        return Accepted()

    def _refusal(self, received: ReceivedRecord, row: ScheduledRecord) -> Rejected | None:
        headers, record = received.headers, received.record
        if check := self.checks.get(row.command):
            refused = check.refusal(headers, received.name, record, is_stamped(record))
            if refused:
                return refused
        contract = self.contracts.get(row.command)
        if contract is not None and (refused := refusal(contract, headers.actor, headers.scopes)):
            return refused
        if (headers.actor or "") != row.actor:
            return Rejected(FORBIDDEN, "another actor has sent it")
        return None

    def _answer(self, received: ReceivedRecord, outcome: Outcome, transaction: Transaction) -> None:
        record, name, reply_partition = received.record, received.name, received.headers.reply_partition
        value = self.encoder(OutcomeEntry(name, self.name, b"", record, reply_partition, outcome).line(""))
        headers = self.headers.headers(f"{name}:outcome", Envelope(causation_id=name))
        transaction.produce(self.topic, record.partition, record.key, value, headers)
        if reply_partition is not None:
            transaction.after_commit.append(partial(self.notifier.send, reply_partition, name, value))
