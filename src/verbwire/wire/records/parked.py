"""The parked records of a group: one ``verbwire.ParkedRecord`` each, in the group's own compacted topic.

A record's key there is the key under which it counts and its number among those of the key: of a subscriber, whose
writes are in no transaction, its offset, so that one which is written twice is the same record. Once it is handled, or
skipped, a record without a value takes its place.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import msgspec

from verbwire.contracts.schema.model import Schema
from verbwire.errors import UndecodableError
from verbwire.kafka.record import ConsumedRecord, Record
from verbwire.messages import Row
from verbwire.wire.records.internal_contracts import own_contract

_NUMBER = 8  # bytes of the number behind the key
_BEHIND_NAMESPACE = b"/"
_NULLABLE = ["null", "bytes"]
_SCHEMA: Schema = {
    "type": "record",
    "namespace": "verbwire",
    "name": "ParkedRecord",
    "doc": "A record that waits for an operator, whole, and why.",
    "kind": "row",
    "key": "topic",
    "fields": [
        {"name": "topic", "type": "string", "doc": "where it lay"},
        {"name": "partition", "type": "int"},
        {"name": "offset", "type": "long"},
        {"name": "timestamp", "type": "long", "doc": "its own, milliseconds since the epoch"},
        {"name": "key", "type": _NULLABLE, "default": None},
        {"name": "value", "type": _NULLABLE, "default": None},
        {
            "name": "headers",
            "type": {
                "type": "array",
                "items": {
                    "type": "record",
                    "name": "ParkedHeader",
                    "fields": [
                        {"name": "name", "type": "string"},
                        {"name": "value", "type": _NULLABLE, "default": None},
                    ],
                },
            },
            "default": [],
        },
        {"name": "reason", "type": "string", "doc": "why it cannot be handled; empty: it waits behind one that cannot"},
        {"name": "detail", "type": "string", "default": "", "doc": "the traceback"},
        {"name": "since", "type": "long", "doc": "when it was parked, milliseconds since the epoch"},
        {"name": "attempts", "type": "int", "default": 0, "doc": "how often its handler has failed"},
        {"name": "request", "type": "string", "default": "", "doc": "the id of the one by which it was tried last"},
    ],
}
PARKED_RECORD = own_contract(_SCHEMA, __file__)


class ParkedHeader(msgspec.Struct, frozen=True, kw_only=True):
    """A header of a parked record."""

    name: str
    value: bytes | None = None


class ParkedRecord(Row, frozen=True, kw_only=True):
    """One parked record."""

    __contract__: ClassVar[str] = PARKED_RECORD.name
    __fingerprint__: ClassVar[str] = PARKED_RECORD.fingerprint

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None = None
    value: bytes | None = None
    headers: Sequence[ParkedHeader] = ()
    reason: str
    detail: str = ""
    since: int
    attempts: int = 0
    request: str = ""

    @classmethod
    def of(cls, record: Record, since: int, reason: str = "", detail: str = "", attempts: int = 0) -> ParkedRecord:
        """Return how a record is parked, `since` then (milliseconds); without a reason it waits behind another."""
        return cls(
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            timestamp=record.timestamp,
            key=record.key,
            value=record.value,
            headers=tuple(ParkedHeader(name=name, value=value) for name, value in record.headers),
            reason=reason,
            detail=detail,
            since=since,
            attempts=attempts,
        )

    @property
    def original(self) -> ConsumedRecord:
        """The record as it was read from its topic."""
        headers: list[tuple[str, Any]] = [(each.name, each.value) for each in self.headers]
        return ConsumedRecord(self.topic, self.partition, self.offset, self.timestamp, self.key, self.value, headers)


def parked_key(key: bytes, number: int) -> bytes:
    """Return the key of a parked record: in the order of keys, and within them of numbers."""
    return key + number.to_bytes(_NUMBER, "big")


def subscriber_key(namespace: str, key: bytes) -> bytes:
    """Return the key under which subscribers park: two namespaces may have the same key, and are not in one order."""
    return namespace.encode() + _BEHIND_NAMESPACE + key


def read_subscriber_key(key: bytes) -> tuple[str, bytes]:
    """Return namespace and key of one under which a subscriber parks."""
    namespace, _, its = key.partition(_BEHIND_NAMESPACE)
    return namespace.decode(errors="replace"), its


def read_parked_key(key: bytes) -> tuple[bytes, int]:
    """Return key and number; UndecodableError where there are none."""
    if len(key) <= _NUMBER:
        raise UndecodableError(f"{key!r} is no key of a parked record")
    return key[:-_NUMBER], int.from_bytes(key[-_NUMBER:], "big")
