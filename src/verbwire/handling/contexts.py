"""Builds the context of a record for the handlers that ask for one."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime

from verbwire.declarations.context import Context, OutcomeContext
from verbwire.errors import UndecodableError
from verbwire.kafka.record import Record, place_of
from verbwire.wire.headers import MAX_ID, Headers
from verbwire.wire.ids import derived_id


def id_of(record: Record, headers: Headers) -> str:
    """Return the message's id; its place, which is as unique, where a foreign producer gave none."""
    return headers.id or place_id(record)


def place_id(record: Record) -> str:
    """Return the place of a record as an id; hashed where the topic's name is too long to be part of one."""
    place = place_of(record)
    return place if len(place) <= MAX_ID else derived_id("", place)


def correlation_of(headers: Headers, name: str) -> str:
    """Return the id of the message that started the flow of the message `name`.

    One that names only its parent is that one's outcome, or as near to it.
    """
    return headers.started_by or headers.causation_id or name


def context_of(record: Record, headers: Headers | None = None) -> Context:
    """Return the facts of a record, the same on every replay; UndecodableError when they cannot be read."""
    headers = headers or Headers.of(record)
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


def outcome_context_of(record: Record, tag: str | None) -> OutcomeContext:
    """Return the facts of an outcome for a process, and which of its commands it answers."""
    headers = Headers.of(record)
    facts = context_of(record, headers)
    given = {each.name: getattr(facts, each.name) for each in fields(facts)}
    return OutcomeContext(**given, command_id=headers.causation_id or "", tag=tag)


def _time_of(record: Record) -> datetime:
    try:
        return datetime.fromtimestamp(record.timestamp / 1000, UTC)
    except (OverflowError, ValueError, OSError) as error:
        raise UndecodableError(f"the record's timestamp {record.timestamp} is no time: {error}") from error
