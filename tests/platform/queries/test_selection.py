"""Places of rows in an order: they sort as SQLite sorts the rows, and are read back."""

from __future__ import annotations

import sqlite3
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verbwire.queries.columns import _decimal, _microseconds, _since_epoch
from verbwire.queries.selection import Selection, Value

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
VALUES = st.one_of(
    st.lists(st.none() | st.integers(-(2**63), 2**63 - 1), max_size=8),
    st.lists(st.none() | st.floats(allow_nan=False), max_size=8),
    st.lists(st.none() | TEXT, max_size=8),
    st.lists(st.none() | st.binary(max_size=4), max_size=8),
)


@given(values=VALUES, keys=st.lists(st.binary(min_size=1, max_size=3), max_size=8), descending=st.booleans())
def test_places_stand_in_the_order_of_the_database(values: list[Any], keys: list[bytes], descending: bool) -> None:
    selection = Selection(sort="f", descending=descending)
    rows: list[tuple[Value, bytes]] = list(dict.fromkeys(zip(values, keys, strict=False)))
    database = sqlite3.connect(":memory:")
    database.execute("create table rows (f, key blob)")
    database.executemany("insert into rows values (?, ?)", rows)
    way = "desc" if descending else "asc"
    expected = database.execute(f"select f, key from rows order by f {way}, key {way}").fetchall()  # noqa: S608
    database.close()
    places = sorted(selection.place(*row) for row in rows)
    assert [selection.at(place) for place in places] == expected


def test_without_a_sort_the_place_is_the_key() -> None:
    assert Selection().place(None, b"k") == b"k"
    assert Selection().at(b"k") == (None, b"k")


@pytest.mark.parametrize("cut", range(1, 12))
def test_a_place_that_was_cut_is_none(cut: int) -> None:
    selection = Selection(sort="f")
    place = selection.place(5, b"key")
    with pytest.raises(ValueError, match="no place in this order"):
        selection.at(place[:-cut])
    with pytest.raises(ValueError, match="no place in this order"):
        selection.at(place + b"x")


@pytest.mark.parametrize(
    ("write", "ordered"),
    [
        (
            _since_epoch,
            [datetime(1, 1, 1, tzinfo=UTC), datetime(1969, 12, 31, tzinfo=UTC), datetime(2010, 1, 1, 0, 0, 0, 1)],
        ),
        (_microseconds, [time(0), time(8, 26), time(8, 26, 0, 500_000), time(8, 26, 1)]),
        (date.toordinal, [date(1, 1, 1), date(2010, 12, 1)]),
        (_decimal(9, 2), [Decimal("-10"), Decimal("-9.99"), Decimal(0), Decimal("9"), Decimal("10.01")]),
        (_decimal(30, 2), [Decimal(-(10**27)), Decimal("-0.01"), Decimal(0), Decimal("9"), Decimal(10**27)]),
    ],
)
def test_columns_are_ordered_as_their_values_are(write: Any, ordered: list[Any]) -> None:
    columns = [write(value) for value in ordered]
    assert columns == sorted(columns)
    assert len(set(columns)) == len(columns)
