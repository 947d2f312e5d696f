"""Rows as JSON without decoding them: the very bytes that are written of the decoded row, or nothing.

Both codecs are compared wherever a test reads anything (tests/kit/both_codecs.py), the values of issue 3's matrix among
it; here are what the matrix seldom draws, and that the short way is taken at all.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.kit import notes
from tests.kit.http import CATALOG, SCHEMA_ID, CounterRow, LoanRow, ShelfRow, shelf
from tests.kit.samples.town.market import StallRow
from verbwire.contracts.schema.model import Contract
from verbwire.http.avro_json.encode import encoder
from verbwire.messages import Message
from verbwire.wire.avro import compiled
from verbwire.wire.avro.messages import Encoder, Reader

pytestmark = pytest.mark.skipif(not compiled.AVAILABLE, reason="the compiled codec alone has a short way")


def shown(contract: Contract, message: Message) -> bytes | None:
    """What the short way writes, once it is compared with the long one."""
    value, reader = Encoder(contract, SCHEMA_ID)(message), Reader(contract, type(message), contract.schema)
    found = reader.shown(value)
    assert found in (None, encoder(contract)(reader(value)))
    return found


@pytest.mark.parametrize("row", [shelf(1), CounterRow(number=-(2**63)), StallRow(stall_id="a")], ids=repr)
def test_a_row_is_shown_without_decoding_it(row: Message) -> None:
    assert shown(CATALOG.of(row), row) is not None


def test_every_type_is_shown_without_decoding_it_but_for_unions_that_name_their_numbers() -> None:
    assert shown(notes.CATALOG.of(notes.ROW), notes.ROW)
    types = {each["name"]: each for each in notes.CATALOG.of(notes.EVENT).schema["fields"]}
    assert shown(notes.CATALOG.of(notes.EVENT), notes.EVENT) or isinstance(types["any"]["type"], list)


@given(st.text(st.characters(exclude_categories=["Cs"])))
@example("".join(map(chr, range(0x100))))
@example('"\\/\u2028\u2029\x7f\U0001f375')
def test_text_is_shown_with_the_escapes_of_the_long_way(text: str) -> None:
    assert shown(CATALOG.of(ShelfRow), ShelfRow(shelf=text, books=1)) is not None


@given(st.floats(allow_nan=True))
@example(1e16)
@example(1e-7)
@example(5e-324)
@example(-0.0)
def test_floats_are_shown_with_the_digits_of_the_long_way(number: float) -> None:
    assert shown(CATALOG.of(ShelfRow), ShelfRow(shelf="a", books=1, metres=number)) is not None


@given(st.integers(-(2**63), 2**63 - 1))
@example(2**53)
@example(-(2**53) + 1)
def test_integers_are_shown_with_the_digits_of_the_long_way(number: int) -> None:
    assert shown(CATALOG.of(CounterRow), CounterRow(number=number)) is not None


@pytest.mark.parametrize("change", ["reordered", "added"])
def test_a_row_of_another_version_is_shown_by_decoding_it(change: str) -> None:
    contract = CATALOG.of(LoanRow)
    fields: list[Any] = contract.schema["fields"]
    older = [*reversed(fields)] if change == "reordered" else fields[:-1]
    assert Reader(contract, LoanRow, {**contract.schema, "fields": older})._showing is None


def test_what_cannot_be_read_is_not_shown() -> None:
    contract = CATALOG.of(ShelfRow)
    reader, value = Reader(contract, ShelfRow, contract.schema), Encoder(contract, SCHEMA_ID)(shelf(1))
    assert [reader.shown(each) for each in (value[:-1], value + b"x", value.replace(b"shelf", b"\xffhelf"), b"")] == [
        None
    ] * 4
