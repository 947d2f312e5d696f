"""What operators ask of a group: one ``verbwire.Request`` each, in the partition of what it is about.

A request is an input of its group like any other: dealt with once, in the group's own transaction, by whoever owns the
partition. Its schema is a contract of verbwire's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import msgspec

from verbwire.contracts.schema.model import Schema
from verbwire.messages import Row
from verbwire.wire.records.internal_contracts import own_contract

_SCHEMA: Schema = {
    "type": "record",
    "namespace": "verbwire",
    "name": "Request",
    "doc": "What an operator asks of a group; the record's key is the key that it is about.",
    "kind": "row",
    "key": "id",
    "fields": [
        {"name": "id", "type": "string", "doc": "the same in each piece of what takes several transactions"},
        {"name": "kind", "type": "string", "doc": "what is asked: retry, skip, cancel, ..."},
        {"name": "key", "type": "bytes", "default": "", "doc": "of the row or instance; empty where it is about none"},
        {"name": "place", "type": "string", "default": "", "doc": "topic/partition/offset, of a record it is about"},
        {"name": "who", "type": "string", "doc": "the operator"},
        {"name": "why", "type": "string", "default": ""},
        {"name": "at", "type": "long", "doc": "milliseconds since the epoch, by the operator's clock"},
        {"name": "details", "type": {"type": "map", "values": "string"}, "default": {}, "doc": "by the kind"},
    ],
}
REQUEST = own_contract(_SCHEMA, __file__)

RETRY, SKIP, SKIP_RECORD = "retry", "skip", "skip-record"
"""Kinds of every group: handle a parked key again; give up its first record; that at which a partition stands."""


class RequestRecord(Row, frozen=True, kw_only=True):
    """One request."""

    __contract__: ClassVar[str] = REQUEST.name
    __fingerprint__: ClassVar[str] = REQUEST.fingerprint

    id: str
    kind: str
    key: bytes = b""
    place: str = ""
    who: str
    why: str = ""
    at: int
    details: Mapping[str, str] = msgspec.field(default_factory=dict)


def asked(request: RequestRecord, about: str) -> str:
    """Return who asks for what, `about` which key or record, and why, as a log says it."""
    why = f" ({request.why[:200]})" if request.why else ""
    return f"{request.who!r:.200} asks: {request.kind} {about}{why}"


def who_skips(request: RequestRecord) -> str:
    """Return who wants a record skipped, and why, as its dead letter says it."""
    return f"{request.who} says to skip it: {request.why}" if request.why else f"{request.who} says to skip it"
