"""Building the context of a record for the handlers that ask for one."""

from __future__ import annotations

from datetime import UTC, datetime

from verbwire.declarations.context import Context
from verbwire.engine.records import Record
from verbwire.errors import UndecodableError
from verbwire.wire.headers import Headers


def id_of(record: Record, headers: Headers) -> str:
    """Return the message's id; its place, which is as unique, where a foreign producer gave none."""
    return headers.id or f"{record.topic}/{record.partition}/{record.offset}"


def correlation_of(headers: Headers, name: str) -> str:
    """Return the id of the message that started the flow of the message `name`.

    One that names only its parent is that one's outcome, or as near to it.
    """
    return headers.text("ce_correlationid") or headers.causation_id or name


def context_of(record: Record, headers: Headers | None = None) -> Context:
    """Return the facts of a record, the same on every replay; UndecodableError when they cannot be read."""
    headers = headers or Headers(record.headers)
    name = id_of(record, headers)
    return Context(
        id=name,
        time=_time_of(record),
        actor=headers.actor,
        scopes=frozenset(headers.scopes),
        correlation_id=correlation_of(headers, name),
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
    )


def _time_of(record: Record) -> datetime:
    try:
        return datetime.fromtimestamp(record.timestamp / 1000, UTC)
    except (OverflowError, ValueError, OSError) as error:
        raise UndecodableError(f"the record's timestamp {record.timestamp} is no time: {error}") from error
