"""The outcome log (ledger): one ``verbwire.Outcome`` per command, in the command's own partition.

Its schema is a contract of verbwire's own: deployed like the others, readable by anybody who can ask the registry.
Written and read by the same :class:`~verbwire.wire.avro.messages.Encoder` and
:class:`~verbwire.wire.avro.messages.Reader`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

import msgspec

from verbwire.contracts.schema.model import Schema
from verbwire.messages import Accepted, Expired, Failed, Outcome, Rejected, Row
from verbwire.wire.records.internal_contracts import own_contract

_SCHEMA: Schema = {
    "type": "record",
    "namespace": "verbwire",
    "name": "Outcome",
    "doc": "What became of one command; the record's key is the command's key.",
    "kind": "row",
    "key": "command_id",
    "fields": [
        {"name": "command_id", "type": "string", "doc": "ce_id of the command"},
        {"name": "command", "type": "string", "doc": "full name of the command's contract"},
        {"name": "fingerprint", "type": "bytes", "doc": "BLAKE2b, 16 bytes, of the command's value"},
        {
            "name": "status",
            "type": {
                "type": "enum",
                "name": "OutcomeStatus",
                "symbols": ["ACCEPTED", "REJECTED", "FAILED", "EXPIRED"],
            },
        },
        {"name": "code", "type": ["null", "string"], "default": None, "doc": "why it was rejected"},
        {"name": "reason", "type": ["null", "string"], "default": None, "doc": "for people"},
        {"name": "details", "type": {"type": "map", "values": "string"}, "default": {}},
        {"name": "reply", "type": ["null", "bytes"], "default": None, "doc": "a framed Avro record"},
        {"name": "partition", "type": "int", "doc": "of the command"},
        {"name": "offset", "type": "long", "doc": "of the command"},
        {
            "name": "events",
            "type": {
                "type": "array",
                "items": {
                    "type": "record",
                    "name": "EventPosition",
                    "fields": [
                        {"name": "topic", "type": "string"},
                        {"name": "partition", "type": "int"},
                        {"name": "offset", "type": "long"},
                    ],
                },
            },
            "default": [],
        },
    ],
}
OUTCOME = own_contract(_SCHEMA, __file__)


class OutcomeStatus(StrEnum):
    """Which of the four outcomes."""

    ACCEPTED = "ACCEPTED"
    REJECTED = "REJECTED"
    FAILED = "FAILED"
    EXPIRED = "EXPIRED"


class EventPosition(msgspec.Struct, frozen=True, kw_only=True):
    """Where an event of the command went."""

    topic: str
    partition: int
    offset: int


class OutcomeRecord(Row, frozen=True, kw_only=True):
    """One line of the outcome log."""

    __contract__: ClassVar[str] = OUTCOME.name
    __fingerprint__: ClassVar[str] = OUTCOME.fingerprint

    command_id: str
    command: str
    fingerprint: bytes
    status: OutcomeStatus
    code: str | None = None
    reason: str | None = None
    details: dict[str, str] = msgspec.field(default_factory=dict)
    reply: bytes | None = None
    partition: int
    offset: int
    events: tuple[EventPosition, ...] = ()

    def outcome(self) -> Outcome:
        """Return the outcome as the value that senders match on, without its reply, which `replies.Replies` reads."""
        match self.status:
            case OutcomeStatus.ACCEPTED:
                return Accepted()
            case OutcomeStatus.REJECTED:
                return Rejected(self.code or "", self.reason or "", self.details)
            case OutcomeStatus.FAILED:
                return Failed(reason=self.reason or "")
            case OutcomeStatus.EXPIRED:
                return Expired()
