"""Keys: what any other client writes, an order that holds, and texts that come back."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kit.notes import CATALOG, COMMAND, ROW, changed
from verbwire.errors import UndecodableError, UnkeyableError
from verbwire.wire.keys import key_bytes, key_of, key_text, keyer, keys_of, parse_key, parse_key_text

NOTE = CATALOG.of(COMMAND)
PER_DAY = CATALOG.of(ROW)

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
longs = st.integers(-(2**63), 2**63 - 1) | st.integers(-300, 300)
bytestrings = st.binary(min_size=1) | st.text("\0\x01\xff", min_size=1).map(lambda each: each.encode("latin-1"))
uuids = st.uuids()
moments = st.datetimes(timezones=st.just(UTC))
dates = st.dates()
tuples = st.tuples(texts | st.text("\0\x01a", min_size=1), longs, bytestrings, uuids, moments, dates)


def keyed_by(avro_type: Any) -> Any:
    return changed(NOTE, fields=[{"name": "note_id", "type": avro_type}])


@pytest.mark.parametrize(
    ("value", "key"),
    [
        ("536365", b"536365"),
        ("Zwölf", b"Zw\xc3\xb6lf"),
        (0, b"0"),
        (-7, b"-7"),
        (2**63 - 1, b"9223372036854775807"),
        (UUID("12345678-1234-5678-1234-567812345678"), b"12345678-1234-5678-1234-567812345678"),
        (b"\x00\xff", b"\x00\xff"),
    ],
)
def test_a_key_of_one_field_is_what_any_other_client_writes(value: object, key: bytes) -> None:
    assert key_bytes(value) == key


@pytest.mark.parametrize(
    ("value", "key"),
    [
        # Vectors of FoundationDB's design/tuple.md.
        ((b"foo\x00bar",), b"\x01foo\x00\xffbar\x00"),
        (("F\u00d4O\u0000bar",), b"\x02F\xc3\x94O\x00\xffbar\x00"),
        ((-5551212,), b"\x11\xabK\x93"),
        ((0,), b"\x14"),
        ((255, 256, -255, -256), b"\x15\xff\x16\x01\x00\x13\x00\x12\xfe\xff"),
        ((2**63 - 1,), b"\x1c\x7f\xff\xff\xff\xff\xff\xff\xff"),
        ((-(2**63),), b"\x0c\x7f\xff\xff\xff\xff\xff\xff\xff"),
        ((UUID(int=5),), b"\x30" + bytes(15) + b"\x05"),
        (("a", datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)), b"\x02a\x00\x17\x0f\x42\x40"),
        ((date(1970, 1, 2),), b"\x15\x01"),
    ],
)
def test_a_tuple_is_written_as_documented(value: tuple[object, ...], key: bytes) -> None:
    assert key_bytes(value) == key


@given(tuples, tuples)
def test_keys_compare_as_their_tuples_do(one: tuple[Any, ...], other: tuple[Any, ...]) -> None:
    assert (key_bytes(one) < key_bytes(other)) == (one < other)
    assert (key_bytes(one) == key_bytes(other)) == (one == other)


@given(st.lists(texts, min_size=1, max_size=3), st.lists(texts, min_size=1, max_size=3))
def test_a_shorter_tuple_comes_before_what_it_begins(one: list[str], other: list[str]) -> None:
    assert (key_bytes(tuple(one)) < key_bytes(tuple(other))) == (one < other)


@given(st.lists(longs, min_size=1, max_size=3), st.lists(longs, min_size=1, max_size=3))
def test_integers_of_any_size_keep_their_order(one: list[int], other: list[int]) -> None:
    assert (key_bytes(tuple(one)) < key_bytes(tuple(other))) == (one < other)


@given(st.tuples(texts, longs, uuids, moments, dates))
def test_a_tuple_comes_back_from_its_bytes_and_from_its_text(values: tuple[Any, ...]) -> None:
    key = key_bytes(values)
    assert parse_key(PER_DAY, key) == values
    assert parse_key_text(PER_DAY, key_text(PER_DAY, key)) == key


@pytest.mark.parametrize(
    ("avro_type", "value", "text"),
    [
        ("string", "a,b\\c", "a,b\\c"),
        ("int", -7, "-7"),
        ({"type": "string", "logicalType": "uuid"}, UUID(int=5), str(UUID(int=5))),
        ("bytes", b"\x00\xff", "00ff"),
        ({"type": "fixed", "name": "F", "size": 2}, b"\x00\xff", "00ff"),
        ({"type": "enum", "name": "E", "symbols": ["A"]}, "A", "A"),
    ],
)
def test_a_key_of_one_field_comes_back(avro_type: Any, value: Any, text: str) -> None:
    contract = keyed_by(avro_type)
    key = key_bytes(value)
    assert parse_key(contract, key) == (value,)
    assert key_text(contract, key) == text
    assert parse_key_text(contract, text) == key


def test_a_uuid_is_read_from_any_of_its_spellings() -> None:
    contract = keyed_by({"type": "string", "logicalType": "uuid"})
    assert parse_key_text(contract, str(UUID(int=171)).upper()) == str(UUID(int=171)).encode()


@pytest.mark.parametrize(
    "value",
    [
        *(None, "", b"", (), ("a", None), ("a", ""), (b"",), True, (True,), 1.5, 2**63, (-(2**63) - 1,), "\ud800"),
        *(["a"], datetime(2020, 1, 1, tzinfo=UTC), (datetime(2020, 1, 1),)),
    ],
)
def test_a_key_that_identifies_nothing_is_refused(value: object) -> None:
    with pytest.raises(UnkeyableError):
        key_bytes(value)


def test_a_message_that_cannot_be_keyed_is_named_with_its_field() -> None:
    with pytest.raises(UnkeyableError, match=r"office\.notes\.TakeNote cannot be keyed by note_id: the key is empty"):
        key_of(NOTE, msgspec.structs.replace(COMMAND, note_id=""))


@pytest.mark.parametrize("others", [[], [ROW] * 2, [msgspec.structs.replace(COMMAND, note_id="n2")]])
def test_the_keys_of_many_messages_are_those_of_each(others: list[Any]) -> None:
    messages, contract = ([COMMAND, *others], NOTE) if ROW not in others else (others, PER_DAY)
    assert keys_of(contract, messages) == [key_of(contract, each) for each in messages]
    assert [*map(keyer(contract), messages)] == [key_of(contract, each) for each in messages]


@pytest.mark.parametrize("wrong", ["", "\ud800", 7.5, None])
def test_a_key_that_identifies_nothing_is_refused_among_many(wrong: Any) -> None:
    with pytest.raises(UnkeyableError, match=r"office\.notes\.TakeNote cannot be keyed by note_id"):
        keys_of(NOTE, [COMMAND, msgspec.structs.replace(COMMAND, note_id=wrong)])
    with pytest.raises(UnkeyableError, match=r"office\.notes\.TakeNote cannot be keyed by note_id"):
        keyer(NOTE)(msgspec.structs.replace(COMMAND, note_id=wrong))


def test_a_window_is_keyed_by_all_its_fields() -> None:
    assert key_of(PER_DAY, ROW) == key_bytes((ROW.author, ROW.number, ROW.folder, ROW.window, ROW.day))


@given(st.binary())
def test_foreign_bytes_are_a_key_or_undecodable(key: bytes) -> None:
    for contract in (PER_DAY, keyed_by("int"), keyed_by({"type": "string", "logicalType": "uuid"}), NOTE):
        try:
            values = parse_key(contract, key)
        except UndecodableError:
            continue
        assert key_bytes(values if len(values) > 1 else values[0]) == key


@given(st.text())
def test_any_text_is_a_key_or_unkeyable(text: str) -> None:
    for contract in (PER_DAY, keyed_by("int"), keyed_by("bytes"), NOTE):
        try:
            key = parse_key_text(contract, text)
        except UnkeyableError:
            continue
        assert parse_key(contract, key)


@pytest.mark.parametrize(("avro_type", "key"), [("int", b"007"), ("int", b"+7"), ("int", b" 7"), ("int", b"1_0")])
def test_another_spelling_of_a_number_is_no_key(avro_type: str, key: bytes) -> None:
    with pytest.raises(UndecodableError):
        parse_key(keyed_by(avro_type), key)


def test_a_wrong_key_text_says_what_to_write() -> None:
    with pytest.raises(
        UnkeyableError, match=r"has 2 part\(s\), a key of office.notes.NotesPerDay has 5: author,number"
    ):
        parse_key_text(PER_DAY, "ann,7")
    with pytest.raises(UnkeyableError, match=r"number \(long\)"):
        parse_key_text(PER_DAY, f"ann,seven,{UUID(int=5)},2010-12-01T08:00:00Z,2010-12-01")


def test_moments_of_one_instant_are_one_key() -> None:
    summer = datetime(2020, 1, 1, 12, tzinfo=UTC)
    assert key_bytes(("a", summer)) == key_bytes(("a", summer.astimezone(None) + timedelta(0)))
