"""What a scheduler keeps: one ``verbwire.Scheduled`` for each command that waits, or did, and for each schedule.

A command that was delivered or cancelled is kept without its payload for as long as its receiver knows its id: so it is
delivered once, however often it is sent, and who cancels it is told what has become of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import ClassVar

import msgspec

from verbwire.contracts.schema.model import Schema
from verbwire.messages import Row
from verbwire.wire.headers import RawHeaders
from verbwire.wire.records.internal_contracts import own_contract

_SCHEMA: Schema = {
    "type": "record",
    "namespace": "verbwire",
    "name": "Scheduled",
    "doc": "A command that is sent for later, or a schedule; the record's key is its id.",
    "kind": "row",
    "key": "id",
    "fields": [
        {"name": "id", "type": "string", "doc": "ce_id of the command; 'schedule ' and the name of a schedule"},
        {
            "name": "status",
            "type": {
                "type": "enum",
                "name": "ScheduledStatus",
                "symbols": ["PENDING", "DELIVERED", "CANCELLED", "SCHEDULE"],
            },
        },
        {"name": "command", "type": "string", "doc": "full name of the command's contract; what a schedule goes by"},
        {"name": "due", "type": "long", "doc": "milliseconds since the epoch; the next time of a schedule"},
        {"name": "place", "type": "long", "doc": "offset of the record by which it was scheduled"},
        {"name": "changed", "type": "long", "doc": "when it came to its status, or a schedule was fired last"},
        {"name": "actor", "type": "string", "default": ""},
        {"name": "granted", "type": "boolean", "default": False, "doc": "whether a grant has proved whose it is"},
        {"name": "again", "type": "long", "default": 0, "doc": "when it is tried again, after it could not be fired"},
        {"name": "failure", "type": "string", "default": "", "doc": "why it could not be"},
        {"name": "fingerprint", "type": "bytes", "default": "", "doc": "of the command's value"},
        {"name": "key", "type": "bytes", "default": "", "doc": "of the command"},
        {"name": "value", "type": ["null", "bytes"], "default": None, "doc": "of the command, while it is pending"},
        {
            "name": "headers",
            "type": {
                "type": "array",
                "items": {
                    "type": "record",
                    "name": "ScheduledHeader",
                    "fields": [{"name": "name", "type": "string"}, {"name": "value", "type": "bytes"}],
                },
            },
            "default": [],
        },
    ],
}
SCHEDULED = own_contract(_SCHEMA, __file__)
SCHEDULE_ID = "schedule "
"""What the id of a schedule begins with: no command's id holds a space."""


class ScheduledStatus(StrEnum):
    """What has become of it."""

    PENDING = "PENDING"
    DELIVERED = "DELIVERED"
    CANCELLED = "CANCELLED"
    SCHEDULE = "SCHEDULE"


class ScheduledHeader(msgspec.Struct, frozen=True, kw_only=True):
    """A header of a command."""

    name: str
    value: bytes


class ScheduledRecord(Row, frozen=True, kw_only=True):
    """One of them."""

    __contract__: ClassVar[str] = SCHEDULED.name
    __fingerprint__: ClassVar[str] = SCHEDULED.fingerprint

    id: str
    status: ScheduledStatus
    command: str
    due: int
    place: int
    changed: int
    actor: str = ""
    granted: bool = False
    again: int = 0
    failure: str = ""
    fingerprint: bytes = b""
    key: bytes = b""
    value: bytes | None = None
    headers: Sequence[ScheduledHeader] = ()

    @property
    def raw_headers(self) -> RawHeaders:
        """The headers as a record has them."""
        return [(each.name, each.value) for each in self.headers]
