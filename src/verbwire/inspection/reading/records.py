"""One record as operators see it: where it lies, whose it is, and what it says, decoded by its writer's schema.

What cannot be decoded is shown as its bytes with the reason; what a header says is told apart from what is not known.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from verbwire.contracts.schema.model import Contract
from verbwire.engine.processors.repartition import SOURCE_HEADER
from verbwire.errors import ContractError, UndecodableError, UnkeyableError
from verbwire.handling.contexts import correlation_of, id_of
from verbwire.inspection.reading.known_topics import Holds, KnownTopic
from verbwire.inspection.reading.times import time_text
from verbwire.kafka.record import ConsumedRecord, place_of
from verbwire.messages import Kind
from verbwire.wire.codec.display import Display
from verbwire.wire.codec.topics import Codec, TopicDecoder
from verbwire.wire.headers import Headers
from verbwire.wire.json.numbers import exact
from verbwire.wire.keys import key_text
from verbwire.wire.records.changelog import MARK
from verbwire.wire.records.dead_letters import read_dead_letter, requeued_offset

SHOWN_BYTES = 256  # of a value that cannot be decoded


class RecordView(msgspec.Struct, frozen=True, kw_only=True):
    """A record, decoded.

    `kind` is what its topic holds (``command``, ``event``, ``outcome``, ``row``, ``state``, ``repartitioned``,
    ``requeued``, ``dead-letter``, ``reply``, ``worker``, or ``unknown``). `message` has its fields as JSON has them,
    None for a record without a value. One that cannot be decoded has the reason in `unreadable`, and the beginning of
    its `value` in hexadecimal. `note` says what else an operator should know.
    """

    topic: str
    partition: int
    offset: int
    timestamp: int  # milliseconds since the epoch, as the record has it
    time: str | None  # the same, RFC 3339; None where it is no time
    kind: str
    type: str | None  # full name of the schema it was written with
    key: str | None
    id: str | None
    correlation_id: str | None
    causation_id: str | None
    actor: str | None
    source: str | None
    message: Any
    unreadable: str | None = None
    value: str | None = None
    note: str | None = None

    @property
    def place(self) -> str:
        """Topic, partition and offset, as other commands take them."""
        return place_of(self)


class _Said(msgspec.Struct, frozen=True):
    """What the headers say, as far as they can be read."""

    id: str | None = None
    correlation_id: str | None = None
    causation_id: str | None = None
    actor: str | None = None
    source: str | None = None
    wrong: str | None = None


class RecordViews:
    """Decodes the records of a project's topics; remembers schemas."""

    def __init__(self, codec: Codec, topics: Mapping[str, KnownTopic], rows: Mapping[str, Contract]) -> None:
        """`rows` are the contracts of what changelogs hold, by topic: their keys are read by them."""
        self._codec = codec
        self._topics = topics
        self._rows = rows
        self._display = Display(codec.registry)
        self._admits: dict[str, TopicDecoder] = {}

    def view(self, record: ConsumedRecord) -> RecordView:
        """Return a record as it is shown; :class:`UnavailableError` when the registry is silent."""
        known = self._topics.get(record.topic)
        if known is not None and known.holds in (Holds.DEAD_LETTER, Holds.REQUEUED):
            return self._dead_letter(record, known.holds)
        return self._view(record, record, known.holds if known else None)

    def _view(
        self, record: ConsumedRecord, content: ConsumedRecord, holds: Holds | None, note: str | None = None
    ) -> RecordView:
        """`record` is what lies there, `content` the record that it stands for."""
        said = _said(content, tells_id=holds not in (Holds.ROW, Holds.STATE, Holds.WORKER, None))
        name, message, unreadable = self._read(content.value)
        notes = (note, said.wrong, None if unreadable else self._refusal(content, holds), _of_group(content, holds))
        return RecordView(
            topic=record.topic,
            partition=record.partition,
            offset=record.offset,
            timestamp=record.timestamp,
            time=time_text(record.timestamp),
            kind=holds or "unknown",
            type=name,
            key=self.key(content, name),
            id=said.id,
            correlation_id=said.correlation_id,
            causation_id=said.causation_id,
            actor=said.actor,
            source=said.source,
            message=message,
            unreadable=unreadable,
            value=None if unreadable is None or content.value is None else content.value[:SHOWN_BYTES].hex(),
            note="; ".join(filter(None, notes)) or None,
        )

    def key(self, record: ConsumedRecord, type: str | None) -> str | None:
        """Return a record's key as people read and write it; hexadecimal where it is no text."""
        key = record.key
        if key is None:
            return None
        contract = self._rows.get(record.topic) or self._codec.catalog.contracts.get(type or "")
        if contract is not None and contract.key and contract.kind is not Kind.QUERY:
            try:
                return key_text(contract, key)
            except (UndecodableError, UnkeyableError):
                pass
        try:
            return key.decode()
        except UnicodeDecodeError:
            return f"0x{key.hex()}"

    def _read(self, value: bytes | None) -> tuple[str | None, Any, str | None]:
        """Return the schema's name, the fields, and why they cannot be read."""
        if value is None:
            return None, None, None
        try:
            name, fields = self._display.read(value)
        except (UndecodableError, ContractError) as error:
            return None, None, str(error)
        if name == "verbwire.Outcome" and isinstance(fields.get("reply"), bytes):
            reply, read, why = self._read(fields["reply"])
            fields["reply"] = {"unreadable": why} if why else {"type": reply, **read}
        return name, msgspec.to_builtins(exact(fields), str_keys=True), None

    def _refusal(self, record: ConsumedRecord, holds: Holds | None) -> str | None:
        """Why a receiver takes this for no message of its topic; what is shown all the same would not be handled."""
        if holds not in (Holds.COMMAND, Holds.EVENT) or record.value is None:
            return (
                "it has no value: no receiver takes it for a message" if holds in (Holds.COMMAND, Holds.EVENT) else None
            )
        decoder = self._admits.get(record.topic)
        if decoder is None:
            owner = self._topics[record.topic].owner
            decoder = self._admits[record.topic] = self._codec.topic_decoder(record.topic, owner, {})
        try:
            decoder.decode(record.value)
        except (UndecodableError, ContractError) as error:
            return f"no receiver takes it: {error}"
        return None

    def _dead_letter(self, record: ConsumedRecord, holds: Holds) -> RecordView:
        try:
            found = read_dead_letter(record.key, record.value, record.headers)
        except UndecodableError as error:
            return self._view(record, record, holds, str(error))
        if found is not None:
            return self._view(
                record, found.original, holds, f"{found.reason}: {found.detail} (of {place_of(found.original)})"
            )
        offset = requeued_offset(record.headers)
        return self._view(record, record, holds, None if offset is None else f"dead letter {offset} was requeued")


def _said(record: ConsumedRecord, *, tells_id: bool) -> _Said:
    headers = Headers(record.headers)
    try:
        own = id_of(record, headers) if tells_id else None
        return _Said(
            own,
            None if own is None else correlation_of(headers, own),
            headers.causation_id,
            headers.actor,
            headers.source,
        )
    except UndecodableError as error:
        return _Said(wrong=str(error))


def _of_group(record: ConsumedRecord, holds: Holds | None) -> str | None:
    """What the records that a group writes for itself tell besides."""
    if holds in (Holds.ROW, Holds.STATE) and is_mark(record):
        return "no row: it says how far the inputs are"
    if holds is not Holds.REPARTITIONED:
        return None
    name, value = record.headers[-1] if record.headers else ("", b"")
    return f"of {value.rpartition(b'/')[0].decode(errors='replace')}" if name == SOURCE_HEADER and value else None


def is_mark(record: ConsumedRecord) -> bool:
    """Whether a changelog's record is no row: it only says how far the inputs are."""
    return record.key == MARK
