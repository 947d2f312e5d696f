"""Messages from JSON: what our own JSON writes comes back as it was, what does not fit is told by its field."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.kit import notes
from tests.kit.http import CATALOG, ShelfRow
from tests.kit.samples.office.notes import NoteTaken, TakeNote
from verbwire.http.avro_json.decode import JsonMismatch, reader
from verbwire.http.avro_json.encode import encoder
from verbwire.http.base.problem import HttpProblem
from verbwire.http.commands.body import message_reader

NOTE = notes.CATALOG.of(NoteTaken)
TAKE = notes.CATALOG.of(TakeNote)
WRITTEN: dict[str, Any] = json.loads(encoder(NOTE)(notes.EVENT))
read_note = message_reader(NOTE, NoteTaken)
read_take = message_reader(TAKE, TakeNote)
read_shelf = message_reader(CATALOG.of(ShelfRow), ShelfRow)
write_shelf = encoder(CATALOG.of(ShelfRow))


def refused(read: Any, body: Any) -> HttpProblem:
    with pytest.raises(HttpProblem) as caught:
        read(body if isinstance(body, bytes) else json.dumps(body).encode())
    assert caught.value.status_code == 400
    return caught.value


def test_every_type_of_avro_comes_back() -> None:
    assert read_note(json.dumps(WRITTEN).encode()) == notes.EVENT


@given(st.integers(-(2**63), 2**63 - 1), st.floats())
def test_every_number_comes_back(books: int, metres: float) -> None:
    row = ShelfRow(shelf="a", books=books, metres=metres)
    assert repr(read_shelf(write_shelf(row))) == repr(row)  # by its text: NaN equals nothing


def test_fields_with_a_default_may_be_left_out() -> None:
    least = {name: value for name, value in WRITTEN.items() if name not in ("author", "links", "any")}
    note = read_note(json.dumps(least).encode())
    assert (note.author, note.links, note.any) == (None, None, None)


def test_numbers_may_be_written_in_any_way_that_means_the_same() -> None:
    assert read_shelf(b'{"shelf": "a", "books": 9007199254740993, "metres": 2}').books == 2**53 + 1
    assert read_shelf(b'{"shelf": "a", "books": 5.0}').books == 5
    assert read_shelf(b'{"shelf": "a", "books": "-0"}').books == 0


def test_a_number_that_was_rounded_when_it_was_read_is_no_integer() -> None:
    for literal in ("9007199254740993.0", "1e18", "9007199254740992.0"):
        assert refused(read_shelf, f'{{"shelf": "a", "books": {literal}}}'.encode()).more == {"field": "books"}


def test_in_a_union_text_is_text() -> None:
    for value in ("5", 5, True, None):
        assert read_note(json.dumps(WRITTEN | {"any": value}).encode()).any == value


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("note_id", 5),
        ("note_id", None),
        ("taken_at", "2010-12-01T08:26:00"),
        ("taken_at", 1291191960),
        ("desk_time", "2010-12-01T08:26:00Z"),
        ("due", "2010-12-32"),
        ("at_time", "23:59:59Z"),
        ("folder", "no"),
        ("price", 12.5),
        ("price", "NaN"),
        ("price", "0.001"),
        ("price", "1234567.00"),
        ("pages", 2**31),
        ("pages", "5"),
        ("pages", 1.5),
        ("pages", True),
        ("letters", 2**63),
        ("letters", "9223372036854775808"),
        ("letters", "0x10"),
        ("letters", "٣"),
        ("weight", "0.5"),
        ("weight", False),
        ("secret", "true"),
        ("secret", 1),
        ("picture", "AP8"),
        ("checksum", "YWJj"),
        ("colour", "RED"),
        ("colour", ["WHITE"]),
        ("author", 5),
        ("links", "ab"),
        ("marks", {}),
        ("tags", []),
        ("any", 1.5),
        ("any", {}),
    ],
)
def test_a_value_of_another_kind_is_refused(field: str, value: Any) -> None:
    problem = refused(read_note, WRITTEN | {field: value})
    assert problem.code == "not_the_contract"
    assert problem.more == {"field": field}
    assert field in problem.detail


def test_a_wrong_field_is_told_however_deep_it_lies() -> None:
    marks = [WRITTEN["marks"][0], {"at": 1, "colour": "WHITE", "size": 3}]
    assert refused(read_note, WRITTEN | {"marks": marks}).more == {"field": "marks[1].size"}
    assert refused(read_note, WRITTEN | {"tags": {"ü": "x"}}).more == {"field": "tags.ü"}


def test_missing_and_unknown_fields_are_told() -> None:
    assert refused(read_take, {}).more == {"field": "note_id"}
    problem = refused(read_take, {"note_id": "n1", "words": "x", "wrods": "y"})
    assert problem.more == {"field": "wrods"}
    assert "words" in problem.detail


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff",
        b"\xef\xbb\xbf{}",
        b"NaN",
        b'{"note_id": "\\ud800"}',
        b'{"note_id": 1e999}',
        b"[" * 100_000,
        b"9" * 10_000,
    ],
)
def test_a_body_that_is_no_json_is_refused(body: bytes) -> None:
    assert refused(read_take, body).code == "not_json"


@pytest.mark.parametrize(
    "body",
    [
        b'{"note_id":"n1","words":"a","words":"b"}',
        b'{"note_id": "n1", "words": "a", "w\\u006frds": "a"}',
        b'{"note_id":"n1","priority":{"words":1,"words":1}}',
        b'{"note_id": "n1", "priority": {"words": "a", "words": "a"}}',
        b'{"note_id": "\\u0022\\u0022", "words": 1, "words": 2}',
        b'[{"words":[[{"words":1, "words":9007199254740993000000000}]]}]',
    ],
)
def test_a_name_that_stands_twice_is_named(body: bytes) -> None:
    problem = refused(read_take, body)
    assert (problem.code, problem.more) == ("repeated_name", {"name": "words"})
    assert "'words' stands twice" in problem.detail


def test_a_body_may_be_written_in_any_way_that_means_the_same() -> None:
    body = b' {\t"words": "\\u0061\\/b", "priority": 3.0, "note_id" : "n1"}\n'
    assert read_take(body) == TakeNote(note_id="n1", words="a/b", priority=3)


NAMES = st.lists(st.sampled_from(("a", "b", 'q"', "\\", "e\u0301")), min_size=1, max_size=3)


@given(NAMES, st.sampled_from((", ", ",")))
def test_no_object_keeps_a_name_that_stands_twice(names: list[str], between: str) -> None:
    members = [f"{json.dumps(name, ensure_ascii=False)}: {json.dumps(name)}" for name in names]
    body = f'[{{"x": {{{between.join(members)}}}}}]'.encode()
    code = "repeated_name" if len(set(names)) < len(names) else "not_the_contract"
    assert refused(read_take, body).code == code


@pytest.mark.parametrize("body", [b"[]", b"null", b'"text"', b"5"])
def test_a_body_is_one_object(body: bytes) -> None:
    problem = refused(read_take, body)
    assert (problem.code, problem.more) == ("not_the_contract", {"field": None})


def test_a_refusal_repeats_little_of_what_was_sent() -> None:
    assert len(refused(read_take, {"note_id": ["x" * 10_000]}).detail) < 300
    assert len(refused(read_take, {"x" * 10_000: 1}).detail) < 300


def test_decimals_fit_by_their_digits() -> None:
    amount = {"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 8}
    read = reader(replace(TAKE, schema={**TAKE.schema, "fields": [{"name": "amount", "type": amount}]}))
    for text in ("0E-8", "-0.00000001", "12.5", "99.99999999"):
        assert read({"amount": text}) == {"amount": Decimal(text)}
    for text in ("100", "0.000000001", "1E-9", "1e-8", "1E+1", " 1", "Infinity", "1_0", "", "1" * 500):
        with pytest.raises(JsonMismatch):
            read({"amount": text})
