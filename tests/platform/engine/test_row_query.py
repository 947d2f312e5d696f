"""Filters, orders and full text of a real store, page by page."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.http import Table
from tests.kit.samples.town.market import StallRow
from verbwire.engine.state.store import PartitionStore
from verbwire.queries.selection import Condition, Operator, Selection

INDEX = ("owner", "rating", "visitors")
OWNERS, RATINGS = (None, "ann", "bob", ""), (None, 1.5, -2.0, 4.0)


def stalls(count: int, seed: int = 1) -> list[StallRow]:
    chance = random.Random(seed)  # noqa: S311 (the same on every run)
    return [
        StallRow(
            stall_id=f"{number:03}",
            owner=chance.choice(OWNERS),
            rating=chance.choice(RATINGS),
            visitors=chance.randrange(5),
        )
        for number in range(count)
    ]


@pytest.fixture
def table(tmp_path: Path) -> Iterator[Table]:
    opened = Table(tmp_path, "town.stalls", StallRow, 1, index=INDEX, search=["note"])
    yield opened
    opened.close()


def walk(table: Table, selection: Selection, limit: int) -> list[str]:
    """Every row of a selection, some at a time."""
    found: list[str] = []
    after = b""
    while page := table.store_reader.page(0, after, limit, selection):
        assert len(page) <= limit
        found += [table.read(value).stall_id for _, value in page]
        after = page[-1][0]
    return found


@pytest.mark.parametrize("limit", [1, 3, 7, 100])
@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("sort", INDEX)
def test_sorted_lists_are_walked_whole_and_in_order(table: Table, sort: str, descending: bool, limit: int) -> None:
    rows = stalls(60)
    table.put(rows)

    def order(row: StallRow) -> tuple[bool, object, str]:
        value = getattr(row, sort)
        return (value is not None, value, row.stall_id)

    expected = [row.stall_id for row in sorted(rows, key=order, reverse=descending)]
    assert walk(table, Selection(sort=sort, descending=descending), limit) == expected


@pytest.mark.parametrize(
    ("conditions", "test"),
    [
        ([("owner", Operator.IS, "ann")], lambda row: row.owner == "ann"),
        ([("owner", Operator.IS, None)], lambda row: row.owner is None),
        ([("visitors", Operator.FROM, 2), ("visitors", Operator.UNTIL, 4)], lambda row: 2 <= row.visitors < 4),
        ([("rating", Operator.UNTIL, 1.5)], lambda row: row.rating is not None and row.rating < 1.5),
        (
            [("owner", Operator.IS, "bob"), ("visitors", Operator.IS, 1)],
            lambda row: (row.owner, row.visitors) == ("bob", 1),
        ),
        ([("owner", Operator.IS, "ann"), ("owner", Operator.IS, "bob")], lambda _: False),
    ],
)
@pytest.mark.parametrize("sort", [None, "visitors"])
def test_filters_keep_what_fits(table: Table, conditions: list[tuple[str, Operator, object]], test, sort) -> None:  # type: ignore[no-untyped-def]
    rows = stalls(80)
    table.put(rows)
    selection = Selection(tuple(Condition(*each) for each in conditions), sort=sort)  # type: ignore[arg-type]
    assert sorted(walk(table, selection, 9)) == [row.stall_id for row in rows if test(row)]


def note(number: int, text: str | None) -> StallRow:
    return StallRow(stall_id=f"{number:03}", note=text)


def found(table: Table, term: str) -> list[str]:
    return walk(table, Selection(search=term), 2)


def test_full_text_words_are_found_and_forgotten_with_their_rows(table: Table) -> None:
    table.put([note(1, "Green tea"), note(2, "tea, black"), note(3, "Café"), note(4, None)])
    assert found(table, '"tea"') == ["001", "002"]
    assert found(table, '"cafe"') == ["003"]
    table.put([note(1, "coffee"), note(2, None), note(3, "Café"), note(4, "tea")])
    assert found(table, '"tea"') == ["004"]
    assert found(table, '"coffee"') == ["001"]
    table.delete([note(4, None)])
    assert found(table, '"tea"') == []


def test_the_index_is_whole_after_many_changes(table: Table) -> None:
    chance = random.Random(7)  # noqa: S311 (the same on every run)
    for _ in range(30):
        table.put(
            note(number, chance.choice([None, "tea", "green tea", "x"])) for number in chance.sample(range(300), 40)
        )
        table.delete(note(number, None) for number in chance.sample(range(300), 10))
    expected = sorted(row.stall_id for row in table.everything() if row.note and "tea" in row.note)
    assert sorted(found(table, '"tea"')) == expected


def test_a_store_of_other_searched_fields_is_another(tmp_path: Path) -> None:
    path = tmp_path / "0.db"
    for search, rebuilt in (
        ((), None),
        (("note",), "its search has changed"),
        (("note",), None),
        (("note", "x"), "its search has changed"),
    ):
        store = PartitionStore(path, search=search)
        assert store.rebuilt == rebuilt
        store.close()


def test_equal_rows_are_found_by_their_index(table: Table) -> None:
    """Not by reading everything: what a filter costs must not grow with the table."""
    table.put(stalls(50))
    database = sqlite3.connect(table.store_reader.states[0].path or "")
    plans = [
        database.execute("explain query plan select key from rows where " + where).fetchall()  # noqa: S608
        for where in (
            "f_owner is 'ann' and key > x'' order by key limit 9",
            "(f_rating, key) > (1, x'') order by f_rating, key",
        )
    ]
    database.close()
    assert "SEARCH rows USING" in str(plans[0])
    assert "by_f_owner" in str(plans[0])
    assert "by_f_rating" in str(plans[1])
    assert "TEMP B-TREE" not in str(plans)
