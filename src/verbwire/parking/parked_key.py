"""A parked key as operators see it, and which of them are meant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from verbwire.errors import UndecodableError
from verbwire.kafka.record import place_of
from verbwire.wire.headers import Headers
from verbwire.wire.records.parked import ParkedRecord


class ParkedKeyView(msgspec.Struct, frozen=True, kw_only=True):
    """A key that waits: `place`, `type`, `id`, `reason` and `attempts` are those of its first record."""

    group: str
    key: str
    partition: int
    records: int
    since: int  # when the first was parked, milliseconds
    place: str
    type: str
    id: str
    reason: str
    attempts: int


class ParkedRecordView(msgspec.Struct, frozen=True, kw_only=True):
    """One parked record; an empty `reason`: it waits behind one that cannot be handled."""

    place: str
    type: str
    id: str
    time: int
    since: int
    reason: str
    detail: str
    attempts: int
    headers: Sequence[tuple[str, str]]
    message: Any
    unread: str | None


class ParkedFilter(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What parked keys must be like, also as HTTP takes it; what is not said does not matter.

    `type` is the full name of the first record's contract, or the end of it, `text` is somewhere in its reason; `since`
    and `until` are when it was parked, in milliseconds, from inclusive, until exclusive.
    """

    type: str | None = None
    text: str | None = None
    since: int | None = None
    until: int | None = None

    def fits(self, key: ParkedKeyView) -> bool:
        """Whether a key is like that."""
        return (
            (self.type is None or f".{key.type}".endswith(f".{self.type}"))
            and (self.text is None or self.text in key.reason)
            and (self.since is None or key.since >= self.since)
            and (self.until is None or key.since < self.until)
        )


ANY = ParkedFilter()


def view_of(group: str, key: str, partition: int, first: ParkedRecord, records: int) -> ParkedKeyView:
    """Return how a key is shown, by its first record."""
    return ParkedKeyView(
        group=group,
        key=key,
        partition=partition,
        records=records,
        since=first.since,
        place=place_of(first.original),
        type=said(first, "ce_type"),
        id=said(first, "ce_id"),
        reason=first.reason,
        attempts=first.attempts,
    )


def said(record: ParkedRecord, name: str) -> str:
    """Return what a header of a parked record says, as its sender wrote it."""
    try:
        return Headers(record.original.headers).text(name) or ""
    except UndecodableError:
        return "?"
