"""Cancels commands that are sent for later, and answers who asks for it: in a log of outcomes, and at once.

The command itself has an outcome by that, too: rejected, since it was cancelled. It stands in the same log, which is
the scheduler's, and not in that of the command's receiver, which has never seen it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from verbwire.contracts.schema.model import Contract
from verbwire.engine.processors.outcomes import OutcomeEntry, OutcomeLog
from verbwire.engine.processors.received_command import ReceivedRecord
from verbwire.engine.processors.scheduled_commands import settled
from verbwire.engine.transactions.dead_letters import legible
from verbwire.engine.transactions.transaction import Transaction
from verbwire.handling.permission import refusal
from verbwire.kafka.record import ConsumedRecord, is_stamped
from verbwire.messages import CANCELLED, FORBIDDEN, Accepted, Outcome, Rejected
from verbwire.wire.grants.policy import GrantCheck
from verbwire.wire.headers import Headers
from verbwire.wire.records.scheduled import ScheduledRecord, ScheduledStatus
from verbwire.wire.scheduling import TOO_LATE, UNKNOWN


@dataclass(kw_only=True)
class Cancellations:
    """Cancels the commands of one context. Who has sent a command may cancel it, and nobody else."""

    name: str  # of what is asked, in outcomes
    outcome_log: OutcomeLog  # of the scheduler
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
            self._enter(_cancelled(row, received), transaction)
            row = settled(row, ScheduledStatus.CANCELLED, received.record.timestamp)
            transaction.count("scheduled", "cancelled")
        record, reply_partition = received.record, received.headers.reply_partition
        self._enter(OutcomeEntry(received.name, self.name, b"", record, reply_partition, outcome), transaction)
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

    def _enter(self, entry: OutcomeEntry, transaction: Transaction) -> None:
        """Write an outcome, and tell who waits for it once it is committed."""
        outcome_log, partition = self.outcome_log, entry.record.partition
        value = outcome_log.encode(entry)
        key, headers = outcome_log.record(entry, value)
        transaction.produce(outcome_log.topic, partition, key, value, headers)
        if entry.reply_partition is not None:
            tell = partial(outcome_log.notifier.send, [(entry.reply_partition, entry.command_id, value)])
            transaction.after_commit.append(tell)


def _cancelled(row: ScheduledRecord, received: ReceivedRecord) -> OutcomeEntry:
    """Return the outcome of the command that is cancelled; its place is that of the record that scheduled it."""
    record, headers = received.record, Headers(row.raw_headers)
    by = legible(f"cancelled by {received.headers.actor or 'nobody known'}")
    return OutcomeEntry(
        *(row.id, row.command, row.fingerprint),
        ConsumedRecord(record.topic, record.partition, row.place, record.timestamp, row.key, None, ()),
        headers.reply_partition,
        Rejected(CANCELLED, by),
        correlation_id=headers.started_by,
        traceparent=headers.traceparent,
        process_instance_key=headers.process_instance_key,
    )
