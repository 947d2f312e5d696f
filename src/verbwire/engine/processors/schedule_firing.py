"""Fires schedules: each due time once, whose command goes out in the transaction that moves on to the next."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from verbwire.contracts.schema.model import Contract
from verbwire.declarations.requirements import require_schedule
from verbwire.declarations.schedule import Schedule
from verbwire.engine.processors.scheduled_rows import STATUS, a_row
from verbwire.engine.state.partition_cache import PartitionCache
from verbwire.engine.transactions.record_limits import RecordLimits
from verbwire.engine.transactions.transaction import Transaction
from verbwire.errors import ContractError
from verbwire.messages import Command
from verbwire.principal import Principal
from verbwire.wire.avro.messages import Encoder
from verbwire.wire.grants.policy import Grantor
from verbwire.wire.headers import MAX_ID, HeaderTemplate
from verbwire.wire.ids import derived_id
from verbwire.wire.keys import key_of
from verbwire.wire.partitioner import partition_of
from verbwire.wire.records.scheduled import SCHEDULE_ID, ScheduledRecord, ScheduledStatus

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


@dataclass(frozen=True)
class ScheduledSending:
    """How one type of command is sent by schedules."""

    contract: Contract
    encoder: Encoder
    grantor: Grantor | None


@dataclass(kw_only=True)
class ScheduleFiring:
    """The schedules of one context, each in the partition of its name; `sending` is asked at a type's first command."""

    schedules: Mapping[str, Schedule]
    topic: str
    source: str
    partitions: int
    sending: Callable[[type[Command]], ScheduledSending]
    limits: RecordLimits

    def begin(self, cache: PartitionCache, now: int) -> None:
        """Begin those that are new or changed with their next due time, forget those that are declared no more."""
        declared = {
            key: each
            for name, each in self.schedules.items()
            for key in [key_of_schedule(name)]
            if partition_of(key, self.partitions) == cache.partition
        }
        kept = cache.store.equal(STATUS, ScheduledStatus.SCHEDULE.value)
        cache.begin({*declared, *kept})
        for key in kept:
            if key not in declared:
                cache.put(key, None)
        for key, schedule in declared.items():
            known = cache.get(key)
            row = None if known is None else a_row(known)
            if row is None or row.command != schedule.said:
                cache.put(key, _first(schedule, row, now))
            elif row.again:  # what failed may be mended by now
                cache.put(key, replace(row, again=0))

    def fire(self, row: ScheduledRecord, now: int, transaction: Transaction) -> ScheduledRecord | None:
        """Send what a schedule sends now, and return its row for the next due time, None where there is none."""
        schedule = self.schedules.get(row.actor)
        if schedule is None:
            return None
        due, upcoming = schedule.fired(_moment(row.due), _moment(now))
        if due is not None:
            self._send(schedule, due, transaction)
            transaction.count("scheduled", "fired")
        if upcoming is None:
            return None
        changed = row.changed if due is None else _milliseconds(due)
        return replace(row, due=_milliseconds(upcoming), changed=changed, again=0, failure="")

    def _send(self, schedule: Schedule, due: datetime, transaction: Transaction) -> None:
        command = schedule.command(due)
        if not isinstance(command, Command):
            raise ContractError(f"schedule {schedule.name} gave {type(command).__name__}, which is no command")
        sending = self.sending(type(command))
        contract = sending.contract
        require_schedule(schedule, contract)
        principal, id = Principal(schedule.name, schedule.scopes), id_of_firing(schedule.name, due)
        key, value = key_of(contract, command), sending.encoder(command)
        headers = HeaderTemplate(contract, self.source, principal).headers(id)
        if sending.grantor is not None:
            headers += sending.grantor.headers(principal, id, key, value)
        self.limits.sized(self.topic, key, value, contract.name, headers)
        transaction.produce(self.topic, partition_of(key, self.partitions), key, value, headers)


def key_of_schedule(name: str) -> bytes:
    """Return the key of a schedule's row."""
    return f"{SCHEDULE_ID}{name}".encode()


def id_of_firing(name: str, due: datetime) -> str:
    """Return the id of the command that a schedule sends at a due time."""
    id = f"{name}@{due.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    return id if len(id) <= MAX_ID else derived_id(name, id)


def _first(schedule: Schedule, row: ScheduledRecord | None, now: int) -> ScheduledRecord | None:
    upcoming = schedule.after(_moment(now))
    if upcoming is None:
        return None
    return ScheduledRecord(
        id=f"{SCHEDULE_ID}{schedule.name}",
        status=ScheduledStatus.SCHEDULE,
        command=schedule.said,
        due=_milliseconds(upcoming),
        place=0,
        changed=row.changed if row is not None else 0,
        actor=schedule.name,
    )


def _moment(milliseconds: int) -> datetime:
    return _EPOCH + milliseconds * _MILLISECOND


def _milliseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // _MILLISECOND
