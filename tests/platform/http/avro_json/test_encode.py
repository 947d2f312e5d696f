"""Avro as JSON: what a reader in any language gets right."""

from __future__ import annotations

import json
import math
from datetime import date
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.kit import notes
from tests.kit.http import CATALOG, LoanRow, ShelfRow
from verbwire.http.avro_json.encode import encoder
from verbwire.wire.json.numbers import exact

SHELF = encoder(CATALOG.of(ShelfRow))


def test_every_type_of_avro() -> None:
    assert json.loads(encoder(notes.CATALOG.of(notes.EVENT))(notes.EVENT)) == {
        "note_id": "n1",
        "taken_at": "2010-12-01T08:26:00.123000Z",
        "filed_at": "1969-12-31T23:59:59.999999Z",
        "desk_time": "2010-12-01T09:26:00.000001",
        "due": "2010-12-24",
        "at_time": "23:59:59.999999",
        "folder": "12345678-1234-5678-1234-567812345678",
        "price": "-12.50",
        "words": "Zwölf Pakete \U0001f375",
        "pages": -1,
        "letters": "9223372036854775807",
        "weight": 0.1,
        "share": 0.5,
        "secret": True,
        "picture": "AP8=",
        "checksum": "YWJjZA==",
        "colour": "YELLOW",
        "author": "ann",
        "links": ["a", "b"],
        "marks": [{"at": 1, "colour": "WHITE", "says": None}, {"at": 2, "colour": "YELLOW", "says": "here"}],
        "tags": {"a": 1, "ü": "-9223372036854775808"},
        "any": "text",
    }


@given(st.integers(-(2**63), 2**63 - 1))
@example(2**53 - 1)
@example(2**53)
@example(2**53 + 1)
@example(1 - 2**53)
@example(-(2**53))
def test_an_integer_survives_readers_that_know_only_doubles(number: int) -> None:
    written = json.loads(SHELF(ShelfRow(shelf="a", books=number)), parse_int=lambda text: int(float(text)))["books"]
    assert int(written) == number
    assert isinstance(written, str) == (abs(number) > 2**53 - 1)


@pytest.mark.parametrize(("number", "text"), [(math.inf, "Infinity"), (-math.inf, "-Infinity"), (math.nan, "NaN")])
def test_a_float_that_json_has_no_number_for_is_text(number: float, text: str) -> None:
    assert json.loads(SHELF(ShelfRow(shelf="a", books=0, metres=number)))["metres"] == text
    loan = LoanRow(reader="a", day=date(2010, 12, 1), hours=number)
    assert json.loads(encoder(CATALOG.of(LoanRow))(loan))["hours"] == text


@given(st.recursive(st.none() | st.booleans() | st.integers(-9, 9) | st.text() | st.floats(-9, 9), st.lists))
def test_what_is_exact_already_stays_as_it_is(value: Any) -> None:
    assert exact(value) == value


def test_messages_without_wide_numbers_are_written_the_same_way() -> None:
    written = encoder(notes.CATALOG.of(notes.COMMAND))(notes.COMMAND)
    assert json.loads(written) == {"note_id": "n1", "words": "buy tea", "priority": 3, "author": "ann"}
