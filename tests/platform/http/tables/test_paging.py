"""Pages and cursors: whatever the partitions, they are one list in the order of its keys, and nothing is met twice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kit.http import EVENTS, SHELVES, Http, ShelfRow, Table, problem, serving, shelf
from verbwire.engine.state.partition_state import PartitionState
from verbwire.http.base import limits
from verbwire.http.base.limits import PageLimits, RequestLimits
from verbwire.http.forwarding.partial_list import merged, size_of
from verbwire.http.tables.lists import Lists
from verbwire.http.tables.paging import cursor
from verbwire.queries.plan import every_filter
from verbwire.wire.keys import key_of
from verbwire.wire.partitioner import partition_of

PATH = "/tables/shelves"


@pytest.fixture
def shelves(tmp_path: Path) -> Table:
    return Table(tmp_path, SHELVES, ShelfRow)


@pytest.fixture
def http(shelves: Table) -> Iterator[Http]:
    with serving([shelves]) as running:
        yield running


def names(answer: dict[str, Any]) -> list[str]:
    return [row["shelf"] for row in answer["rows"]]


def walk(http: Http, first: str) -> Iterator[dict[str, Any]]:
    """Follow `next` to the end."""
    following: str | None = first
    seen: set[str] = set()
    while following is not None:
        assert following not in seen, "walking in a circle"
        seen.add(following)
        answer = http.operator.get(following).json()
        yield answer
        following = answer["next"]


def test_a_page_says_where_it_stands(http: Http, shelves: Table) -> None:
    shelves.put(shelf(number) for number in range(120))
    answer = http.operator.get(PATH).json()
    assert names(answer) == [f"shelf {n:05}" for n in range(50)]
    following = answer.pop("next")
    assert following.startswith(f"/tables/{SHELVES}?page_size=50&cursor=")
    assert {key: value for key, value in answer.items() if key != "rows"} == {
        "table": SHELVES,
        "page": 1,
        "page_size": 50,
        "complete": True,
        "missing_partitions": [],
        "behind": {},
        "parked": 0,
        "positions": {str(partition): {EVENTS: partition * 100} for partition in range(4)},
    }
    last = http.operator.get(f"{PATH}?page=3").json()
    assert (names(last), last["next"]) == ([f"shelf {n:05}" for n in range(100, 120)], None)
    beyond = http.operator.get(f"{PATH}?page=4").json()
    assert (beyond["rows"], beyond["next"]) == ([], None)
    assert http.operator.get(following).json()["page"] is None


def test_a_last_page_that_is_full_has_no_next(http: Http, shelves: Table) -> None:
    shelves.put(shelf(number) for number in range(4))
    assert http.operator.get(f"{PATH}?page=2&page_size=2").json()["next"] is None


def test_an_empty_table_is_an_empty_list(http: Http) -> None:
    answer = http.operator.get(PATH).json()
    assert (answer["rows"], answer["next"], answer["complete"]) == ([], None, True)


@settings(max_examples=60, deadline=None)
@given(
    keys=st.sets(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6), max_size=60),
    partitions=st.integers(1, 6),
    size=st.integers(1, 20),
    page=st.integers(1, 5),
    split=st.integers(0, 6),
)
def test_pages_are_slices_of_one_sorted_list(keys: set[str], partitions: int, size: int, page: int, split: int) -> None:
    """Whoever has the partitions: `split` of them another worker."""
    ordered = sorted(keys, key=str.encode)
    with TemporaryDirectory() as folder:
        table = Table(Path(folder), SHELVES, ShelfRow, partitions)
        table.put(ShelfRow(shelf=key, books=0) for key in keys)
        served = table.served()
        listing = Lists(SHELVES, PATH, every_filter(served.rows)).read(b"page=%d&page_size=%d" % (page, size))
        every = range(partitions)
        parts = [
            served.find(some, listing.selection, listing.window, PageLimits(), whole=len(some) == partitions)
            for some in (every[:split], every[split:])
        ]
        answer = json.loads(listing.answer({}, merged(parts), PageLimits().page))
        table.close()
    assert names(answer) == ordered[(page - 1) * size : page * size]
    assert (answer["next"] is not None) == (len(ordered) > page * size)


@settings(max_examples=60, deadline=None)
@given(
    keys=st.sets(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40), max_size=40),
    partitions=st.integers(1, 6),
    room=st.integers(1, 300),
    split=st.integers(0, 6),
)
def test_a_page_too_large_for_one_answer_is_walked_through_by_cursor(
    keys: set[str], partitions: int, room: int, split: int
) -> None:
    """However few bytes an answer, or another worker's part of it, may have: nothing is left out or met twice."""
    pages = PageLimits(page=room, part=room // 3, chunk=room // 2 + 1)
    with TemporaryDirectory() as folder:
        table = Table(Path(folder), SHELVES, ShelfRow, partitions)
        table.put(ShelfRow(shelf=key, books=0) for key in keys)
        served, seen, query = table.served(), list[str](), b""
        lists = Lists(SHELVES, PATH, every_filter(served.rows))
        for _ in range(len(keys) + 1):
            listing = lists.read(query)
            every = range(partitions)
            parts = [
                served.find(some, listing.selection, listing.window, pages, whole=len(some) == partitions)
                for some in (every[:split], every[split:])
            ]
            assert all(len(part.rows) <= 1 or size_of(part) <= room for part in parts)
            answer = json.loads(listing.answer({}, merged(parts), room))
            seen += names(answer)
            assert len(answer["rows"]) <= 1 or sum(map(_bytes_of, answer["rows"])) <= room
            assert answer["page"] is None or (not query and answer["next"] is None), "a page that was cut has no number"
            if answer["next"] is None:
                break
            query = answer["next"].partition("?")[2].encode()
        table.close()
    assert seen == sorted(keys, key=str.encode)


def _bytes_of(row: dict[str, Any]) -> int:
    return len(json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode())


def test_a_page_by_number_is_never_cut(shelves: Table) -> None:
    """Its number would no longer say which rows it has: the answer names the cursor that goes on from there."""
    shelves.put(shelf(number) for number in range(100))
    with serving([shelves], limits=RequestLimits(pages=PageLimits(page=500))) as http:
        told = problem(http.operator.get(f"{PATH}?page=3&page_size=20"), 400, "page_too_large")
        assert names(http.operator.get(told["next"]).json())[:5] == [f"shelf {n:05}" for n in range(40, 45)]
        assert len(names(http.operator.get(f"{PATH}?page=3&page_size=10").json())) == 10


def test_one_row_that_is_too_large_is_a_page_of_its_own(shelves: Table) -> None:
    shelves.put([shelf(1), ShelfRow(shelf="shelf 00002" + "x" * 900, books=2), shelf(3)])
    with serving([shelves], limits=RequestLimits(pages=PageLimits(page=100))) as http:
        assert [len(answer["rows"]) for answer in walk(http, PATH)] == [1, 1, 1]


def test_rows_are_read_by_their_size(shelves: Table) -> None:
    """120 rows of 920 kB were read at once, whatever was to be shown of them."""
    shelves.put(ShelfRow(shelf="x" * 900 + str(number), books=number) for number in range(100))
    every = shelves.store_reader.page(0, b"", 100)
    some = shelves.store_reader.page(0, b"", 100, size=3000)
    assert (len(some), some) == (4, every[:4])
    shelves.close()


@pytest.mark.parametrize("size", [1, 7, 64, 1000])
def test_a_cursor_walks_through_everything_exactly_once(http: Http, shelves: Table, size: int) -> None:
    count = 90 if size == 1 else 2500
    shelves.put(shelf(number) for number in range(count))
    seen = [name for answer in walk(http, f"{PATH}?page_size={size}") for name in names(answer)]
    assert seen == [f"shelf {n:05}" for n in range(count)]


def test_a_walk_meets_what_stays_once_while_other_rows_come_and_go(http: Http, shelves: Table) -> None:
    shelves.put(shelf(number) for number in range(0, 400, 2))
    seen: list[str] = []
    for turn, answer in enumerate(walk(http, f"{PATH}?page_size=30")):
        seen += names(answer)
        shelves.put(shelf(number) for number in range(1 + 40 * turn, 40 * turn + 41, 2))
    assert len(seen) == len(set(seen))
    assert {f"shelf {n:05}" for n in range(0, 400, 2)} <= set(seen)
    assert seen == sorted(seen)


def test_beyond_the_last_numbered_row_there_is_the_cursor(http: Http, shelves: Table) -> None:
    shelves.put(shelf(number) for number in range(limits.MAX_ROW + 30))
    page = limits.MAX_ROW // 1000
    deepest = http.operator.get(f"{PATH}?page={page}&page_size=1000").json()
    assert names(deepest)[-1] == f"shelf {limits.MAX_ROW - 1:05}"
    for query in (f"page={page + 1}&page_size=1000", "page=201", "page=10001&page_size=1", "page=999999999"):
        assert "cursor" in problem(http.operator.get(f"{PATH}?{query}"), 400, "page_too_deep")["detail"]
    assert len(http.operator.get(deepest["next"]).json()["rows"]) == 30


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Http]:
    with serving([Table(tmp_path_factory.mktemp("tables"), SHELVES, ShelfRow)]) as running:
        yield running


@pytest.mark.parametrize(
    "query",
    [
        "page=0",
        "page=-1",
        "page=x",
        "page=",
        "page=1.0",
        "page=%C2%B2",
        "page=+1",
        "page=99999999999999999999",
        "page_size=0",
        "page_size=1001",
        "page_size=x",
        "page=1&cursor=AA",
    ],
)
def test_a_page_that_makes_no_sense_is_refused(empty: Http, query: str) -> None:
    problem(empty.operator.get(f"{PATH}?{query}"), 400, "bad_page")


@pytest.mark.parametrize(
    "text", ["", "x", "AA", "%C3%BC", cursor(SHELVES, b"k")[:-1], cursor("another.table", b"k"), cursor(SHELVES, b"")]
)
def test_a_cursor_that_is_not_ours_is_refused(empty: Http, text: str) -> None:
    problem(empty.operator.get(f"{PATH}?cursor={text}"), 400, "bad_cursor")


def test_a_list_says_when_a_partition_is_missing(http: Http, shelves: Table) -> None:
    shelves.put(shelf(number) for number in range(100))
    shelves.store_reader.states[1].state = PartitionState.RESTORING
    seen: list[str] = []
    for answer in walk(http, f"{PATH}?page_size=13"):
        assert (answer["complete"], answer["missing_partitions"]) == (False, [1])
        assert sorted(answer["positions"]) == ["0", "2", "3"]
        seen += names(answer)
    here = [shelf(n) for n in range(100) if partition_of(key_of(shelves.contract, shelf(n)), 4) != 1]
    assert seen == [row.shelf for row in here]


def test_a_list_of_nothing_that_is_ready_is_not_an_empty_list(http: Http, shelves: Table) -> None:
    shelves.put(shelf(number) for number in range(10))
    for state in shelves.store_reader.states.values():
        state.state = PartitionState.RESTORING
    answer = http.operator.get(PATH)
    problem(answer, 503, "not_ready")
    assert answer.headers["retry-after"] == "1"
