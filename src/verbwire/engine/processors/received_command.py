"""A command as it was received: its record, its id, its sender, and everything that its outcome names."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, partial
from typing import TypeVar

import msgspec

from verbwire.engine.processors.outcomes import OutcomeEntry
from verbwire.errors import UndecodableError
from verbwire.handling.contexts import place_id
from verbwire.handling.dispatch import CommandHandling
from verbwire.kafka.record import Record
from verbwire.messages import Failed, Message, Outcome
from verbwire.principal import Principal
from verbwire.wire.avro.fingerprints import fingerprint_of
from verbwire.wire.headers import Envelope, Headers

T = TypeVar("T")


class ReceivedRecord:
    """A record, and the id that it goes by: its place, which is as unique, where it names none legibly."""

    __slots__ = ("headers", "name", "record", "unnamed")

    def __init__(self, record: Record) -> None:
        self.record = record
        self.headers = Headers.of(record)
        self.unnamed: UndecodableError | None = None  # why its own cannot be read
        try:
            self.name = self.headers.command_id or place_id(record)
        except UndecodableError as error:
            self.name, self.unnamed = place_id(record), error


class CommandSender(msgspec.Struct, frozen=True, gc=False):
    """What a command's headers say that its events inherit, or that permission is decided by."""

    correlation_id: str
    actor: str | None
    scopes: tuple[str, ...]
    traceparent: str | None

    def envelope(self, command_id: str) -> Envelope:
        """Return what goes with each event of a command: events have its actor, and nobody's scopes."""
        return Envelope(
            principal=_acting(self.actor or ""),
            correlation_id=self.correlation_id,
            causation_id=command_id,
            traceparent=self.traceparent,
        )


@lru_cache(maxsize=1024)
def _acting(actor: str) -> Principal:
    return Principal(actor)


class ReceivedCommand(msgspec.Struct, frozen=True, gc=False):
    """A command that can be read, and everything that its outcome names."""

    record: Record
    key: bytes
    headers: Headers
    name: str  # its id
    message: Message
    handling: CommandHandling
    fingerprint: bytes
    sender: CommandSender
    expiry: int | None
    reply_partition: int | None  # of the caller that waits for its outcome
    process_instance_key: bytes | None

    def entry(self, outcome: Outcome, reply: bytes | None = None) -> OutcomeEntry:
        """Return the entry of its outcome."""
        name, sender = self.name, self.sender
        return OutcomeEntry(
            *(name, self.handling.contract.name, self.fingerprint, self.record, self.reply_partition, outcome, reply),
            correlation_id=None if sender.correlation_id == name else sender.correlation_id,
            traceparent=sender.traceparent,
            process_instance_key=self.process_instance_key,
        )


def unreadable_entry(record: Record, headers: Headers, name: str) -> Callable[[Failed], OutcomeEntry]:
    """The outcome entry of an undecodable record, from whatever headers it has."""
    command, reply_partition = _or_none(lambda: headers.type) or "", _or_none(lambda: headers.reply_partition)
    return partial(
        OutcomeEntry,
        name,
        command,
        fingerprint_of(record.value or b""),
        record,
        reply_partition,
        correlation_id=_or_none(lambda: headers.started_by),
        traceparent=_or_none(lambda: headers.traceparent),
        process_instance_key=_or_none(lambda: headers.process_instance_key),
    )


def _or_none(read: Callable[[], T | None]) -> T | None:
    try:
        return read()
    except UndecodableError:
        return None
