"""Commands that are sent for later: taken as they are, delivered as they would have been sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from msgspec.structs import replace

from verbwire.engine.processors.received_command import ReceivedRecord
from verbwire.engine.transactions.record_limits import RecordLimits
from verbwire.engine.transactions.transaction import Transaction
from verbwire.errors import UndecodableError
from verbwire.kafka.record import is_stamped
from verbwire.wire.avro.fingerprints import fingerprint_of
from verbwire.wire.grants.policy import GrantCheck, Grantor
from verbwire.wire.headers import GRANT_HEADER, Headers, RawHeaders
from verbwire.wire.records.scheduled import ScheduledHeader, ScheduledRecord, ScheduledStatus
from verbwire.wire.scheduling import due_of, without_time

_DEADLINE = "ce_deadline"


@dataclass(kw_only=True)
class ScheduledCommands:
    """Takes and delivers the commands of one context; `checks` and `grantors` are of those that carry grants.

    A grant is good for minutes: it is checked when the command is taken, by the secrets of the receiver, and made anew
    when it is delivered. What cannot be believed is handed on at once, for the receiver to refuse it.
    """

    topic: str
    checks: Mapping[str, GrantCheck]
    grantors: Mapping[str, Grantor]
    limits: RecordLimits

    def take(
        self, received: ReceivedRecord, known: ScheduledRecord | None, transaction: Transaction
    ) -> ScheduledRecord | None:
        """Return a command's row, None where nothing changes; UndecodableError for what is none.

        The same again is the same command.
        """
        record, headers = received.record, received.headers
        if received.unnamed is not None:
            raise received.unnamed
        if not record.key or record.value is None:
            raise UndecodableError("a command has a key and a value")
        due, command = due_of(headers, record.timestamp), headers.type or ""
        raw = without_time(record.headers)
        check = self.checks.get(command)
        if check is not None and check.fault(headers, received.name, record, is_stamped(record)):
            transaction.produce(self.topic, record.partition, record.key, record.value, raw)
            transaction.count("scheduled", "refused")
            return None
        fingerprint = fingerprint_of(record.value)
        if known is not None:
            if known.fingerprint != fingerprint:
                raise UndecodableError(
                    f"{received.name} has named another payload: give every command an id of its own"
                )
            transaction.count("duplicate")
            return None
        transaction.count("scheduled", "taken")
        return ScheduledRecord(
            id=received.name,
            status=ScheduledStatus.PENDING,
            command=command,
            due=due,
            place=record.offset,
            changed=record.timestamp,
            actor=headers.actor or "",
            granted=check is not None,
            fingerprint=fingerprint,
            key=record.key,
            value=record.value,
            headers=[ScheduledHeader(name=name, value=value) for name, value in raw if name != GRANT_HEADER],
        )

    def deliver(self, row: ScheduledRecord, partition: int, now: int, transaction: Transaction) -> ScheduledRecord:
        """Deliver a command, and return its row as it is then; whatever keeps it from being delivered is raised."""
        headers, value = self._headers(row), row.value or b""
        self.limits.sized(self.topic, row.key, value, row.command, headers)
        transaction.produce(self.topic, partition, row.key, value, headers)
        transaction.count("scheduled", "delivered")
        return settled(row, ScheduledStatus.DELIVERED, now)

    def _headers(self, row: ScheduledRecord) -> RawHeaders:
        found = _with_deadline(row.raw_headers, row.due)
        grantor = self.grantors.get(row.command)
        if grantor is not None and row.granted:
            found += grantor.headers(Headers(found).principal, row.id, row.key, row.value or b"")
        return found


def settled(row: ScheduledRecord, status: ScheduledStatus, now: int) -> ScheduledRecord:
    """Return a row whose command is delivered or cancelled: what became of it, without its payload."""
    return replace(row, status=status, changed=now, value=None, headers=(), again=0, failure="")


def _with_deadline(raw: RawHeaders, due: int) -> RawHeaders:
    """Return the headers of a command whose time to live begins when it is due, however late it is delivered."""
    headers = Headers(raw)
    expiry = headers.expiry(due)
    if expiry is None:
        return raw
    deadline = datetime.fromtimestamp(expiry / 1000, UTC).isoformat(timespec="milliseconds")
    return [*(each for each in raw if each[0] != _DEADLINE), (_DEADLINE, deadline.encode())]
