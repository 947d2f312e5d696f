"""Avro: every type comes back, nothing is bent to fit, and foreign bytes do no harm."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import fastavro
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kit.notes import CATALOG, COMMAND, EVENT, ROW, changed, with_field
from tests.kit.samples.office.notes import Colour, Mark, NoteTaken, TakeNote
from verbwire.errors import UndecodableError, UnencodableError
from verbwire.messages import Message
from verbwire.wire.avro.messages import Encoder, Reader

TAKE, TAKEN = CATALOG.of(COMMAND), CATALOG.of(EVENT)
encode_note, encode_taken = Encoder(TAKE, 7), Encoder(TAKEN, 2**31)
read_note, read_taken = Reader(TAKE, TakeNote, TAKE.schema), Reader(TAKEN, NoteTaken, TAKEN.schema)

texts = st.text(st.characters(exclude_categories=["Cs"]))
ints, longs = st.integers(-(2**31), 2**31 - 1), st.integers(-(2**63), 2**63 - 1)
millis = st.integers(-(10**13), 10**13).map(lambda each: datetime.fromtimestamp(each // 1000, UTC))
moments = st.datetimes(timezones=st.just(UTC))
colours = st.sampled_from(Colour)
events = st.builds(
    NoteTaken,
    note_id=texts.filter(bool),
    taken_at=millis,
    filed_at=moments,
    desk_time=st.datetimes(),
    due=st.dates(),
    at_time=st.times(),
    folder=st.uuids(),
    price=st.decimals(-99999, 99999, places=2),
    words=texts,
    pages=ints,
    letters=longs,
    weight=st.floats(allow_nan=False),
    share=st.floats(width=32, allow_nan=False),
    secret=st.booleans(),
    picture=st.binary(),
    checksum=st.binary(min_size=4, max_size=4),
    colour=colours,
    author=st.none() | texts,
    links=st.none() | st.lists(texts).map(tuple),
    marks=st.lists(st.builds(Mark, at=ints, colour=colours, says=st.none() | texts)).map(tuple),
    tags=st.dictionaries(texts, longs),
    any=st.none() | st.booleans() | longs | texts,
)


@pytest.mark.parametrize("message", [COMMAND, EVENT, ROW])
def test_a_message_comes_back(message: Message) -> None:
    contract = CATALOG.of(message)
    assert Reader(contract, type(message), contract.schema)(Encoder(contract, 1)(message)) == message


@given(events)
def test_every_value_of_every_type_comes_back(event: NoteTaken) -> None:
    assert read_taken(encode_taken(event)) == event


def test_the_frame_is_a_zero_and_the_id() -> None:
    assert encode_note(COMMAND)[:5] == b"\x00\x00\x00\x00\x07"
    assert encode_taken(EVENT)[:5] == b"\x00\x80\x00\x00\x00"


def test_fastavro_reads_the_body() -> None:
    body = io.BytesIO(encode_note(COMMAND)[5:])
    assert fastavro.schemaless_reader(body, TAKE.schema, None) == msgspec.structs.asdict(COMMAND)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("pages", 2**31),
        ("pages", 1.5),
        ("pages", True),
        ("pages", "1"),
        ("pages", None),
        ("letters", 2**63),
        ("secret", "false"),
        ("weight", "0.1"),
        ("words", 5),
        ("words", b"x"),
        ("picture", "x"),
        ("checksum", b"abc"),
        ("colour", "GREEN"),
        ("author", 5),
        ("links", "abc"),
        ("marks", (Mark(at=2**31, colour=Colour.WHITE),)),
        ("marks", ("a",)),
        ("tags", {"a": 2**63}),
        ("tags", {1: 1}),
        ("any", 1.5),
        ("taken_at", datetime(2020, 1, 1)),
        ("filed_at", "2020-01-01T00:00:00Z"),
        ("desk_time", datetime(2020, 1, 1, tzinfo=UTC)),
        ("folder", "no uuid"),
    ],
)
def test_an_unencodable_value_is_refused_with_its_field(field: str, value: Any) -> None:
    with pytest.raises(UnencodableError, match=field):
        encode_taken(msgspec.structs.replace(EVENT, **{field: value}))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("words", "\ud800"),
        ("price", Decimal("1.234")),
        ("price", Decimal("1234567.89")),
        ("price", Decimal("NaN")),
        ("price", 1.5),
        ("due", 5),
        ("at_time", 5),
        ("folder", b"x"),
    ],
)
def test_unencodable_is_what_fastavro_refuses(field: str, value: Any) -> None:
    with pytest.raises(UnencodableError, match=r"office\.notes\.NoteTaken"):
        encode_taken(msgspec.structs.replace(EVENT, **{field: value}))


def test_a_pair_in_a_union_is_an_array_of_two() -> None:
    event = msgspec.structs.replace(EVENT, links=("string", "b"))
    assert read_taken(encode_taken(event)) == event


def test_a_time_is_cut_to_what_its_schema_holds() -> None:
    event = msgspec.structs.replace(EVENT, taken_at=datetime(2020, 1, 1, 0, 0, 0, 999_999, tzinfo=UTC))
    assert read_taken(encode_taken(event)).taken_at.microsecond == 999_000  # type: ignore[attr-defined]  # NoteTaken


@given(st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_foreign_bytes_are_undecodable_or_a_message(body: bytes) -> None:
    for reader in (read_note, read_taken):
        try:
            message = reader(b"\x00\x00\x00\x00\x07" + body)
        except UndecodableError:
            continue
        assert isinstance(message, TakeNote | NoteTaken)


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_one_damaged_byte_does_no_harm(data: st.DataObject) -> None:
    value = bytearray(encode_taken(EVENT))
    value[data.draw(st.integers(5, len(value) - 1))] = data.draw(st.integers(0, 255))
    try:
        read_taken(bytes(value))
    except UndecodableError:
        return


@pytest.mark.parametrize("length", range(5, len(encode_taken(EVENT))))
def test_a_record_cut_short_is_undecodable(length: int) -> None:
    with pytest.raises(UndecodableError):
        read_taken(encode_taken(EVENT)[:length])


def test_bytes_left_over_are_undecodable() -> None:
    with pytest.raises(UndecodableError, match="3 bytes are left over"):
        read_note(encode_note(COMMAND) + b"abc")


def test_a_length_of_exabytes_takes_no_memory() -> None:
    huge = bytes([0xFE, *[0xFF] * 8, 0x01])  # the long 2**63 - 1
    with pytest.raises(UndecodableError):
        read_note(b"\x00\x00\x00\x00\x07" + huge)


def test_a_record_of_an_older_version_gets_the_defaults() -> None:
    fields = [field for field in TAKE.schema["fields"] if field["name"] not in ("priority", "author")]
    older = changed(TAKE, fields=fields)
    body = io.BytesIO()
    fastavro.schemaless_writer(body, older.schema, {"note_id": "n1", "words": "w"})
    message = Reader(TAKE, TakeNote, older.schema)(b"\x00\x00\x00\x00\x01" + body.getvalue())
    assert message == TakeNote(note_id="n1", words="w", priority=0, author=None)


def test_a_renamed_field_is_found_by_its_alias() -> None:
    fields = [{**field, "aliases": ["text"]} if field["name"] == "words" else field for field in TAKE.schema["fields"]]
    ours = changed(TAKE, fields=fields)
    theirs = json.loads(json.dumps(TAKE.schema).replace('"words"', '"text"'))
    body = io.BytesIO()
    fastavro.schemaless_writer(body, theirs, {"note_id": "n1", "text": "w"})
    message = Reader(ours, TakeNote, theirs)(b"\x00\x00\x00\x00\x01" + body.getvalue())
    assert message == TakeNote(note_id="n1", words="w")


def test_a_record_of_a_newer_version_loses_what_is_unknown_here() -> None:
    newer = with_field(TAKE, name="colour", type="string", default="white")
    body = io.BytesIO()
    fastavro.schemaless_writer(body, newer.schema, {**msgspec.structs.asdict(COMMAND), "colour": "red"})
    assert Reader(TAKE, TakeNote, newer.schema)(b"\x00\x00\x00\x00\x01" + body.getvalue()) == COMMAND


def test_a_time_out_of_range_is_undecodable() -> None:
    body = bytearray(encode_taken(msgspec.structs.replace(EVENT, note_id="n")))
    moment = bytes([0xFE, *[0xFF] * 8, 0x01])
    at = 5 + 2  # after the id
    end = at
    while body[end] & 0x80:
        end += 1
    with pytest.raises(UndecodableError):
        read_taken(bytes(body[:at] + moment + body[end + 1 :]))
