"""Rows read on HTTP's loop, and when they are not."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.kit.http import SHELVES, Http, ShelfRow, Table, serving, shelf
from verbwire.engine.state import row_query
from verbwire.http.tables import short_reads
from verbwire.http.tables.short_reads import ShortReads

PATH = "/tables/shelves/shelf%2000003"


@pytest.fixture
def shelves(tmp_path: Path) -> Table:
    table = Table(tmp_path, SHELVES, ShelfRow)
    table.put(shelf(number) for number in range(20))
    return table


@pytest.fixture
def http(shelves: Table) -> Iterator[Http]:
    with serving([shelves]) as running:
        yield running


def readers_of(shelves: Table) -> list[str]:
    """The threads that read, from now on."""
    read, get = list[str](), shelves.store_reader.get_from

    def noting(partition: int, key: bytes, patient: bool = True) -> bytes | None:
        read.append(threading.current_thread().name)
        return get(partition, key, patient)

    shelves.store_reader.get_from = noting  # type: ignore[method-assign]
    return read


def test_a_row_is_read_on_the_loop_where_its_schema_is_known(http: Http, shelves: Table) -> None:
    read = readers_of(shelves)
    assert http.operator.get(PATH).json()["books"] == 3
    assert read == ["verbwire-http"]


@pytest.mark.parametrize(("query", "thread"), [("", "verbwire-http"), ("?page_size=101", "verbwire-read")])
def test_a_short_page_is_read_on_the_loop_and_a_long_one_off_it(
    http: Http, shelves: Table, query: str, thread: str
) -> None:
    read, page = set[str](), shelves.store_reader.page

    def noting(*given: Any) -> list[tuple[bytes, bytes]]:
        read.add(threading.current_thread().name.rpartition("_")[0] or threading.current_thread().name)
        return page(*given)

    shelves.store_reader.page = noting  # type: ignore[assignment, method-assign]
    assert len(http.operator.get(f"/tables/shelves{query}").json()["rows"]) == 20
    assert read == {thread}


def test_a_page_that_takes_long_to_find_is_found_off_the_loop(
    http: Http, shelves: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_query, "_STEPS", 1)
    assert len(http.operator.get("/tables/shelves").json()["rows"]) == 20


def test_a_row_whose_schema_would_have_to_be_asked_for_is_read_off_the_loop(http: Http, shelves: Table) -> None:
    decoded = list[str]()
    shelves.on_decode = lambda _: decoded.append(threading.current_thread().name)
    assert http.operator.get(PATH).json()["books"] == 3
    assert len(decoded) == 1
    assert decoded[0].startswith("verbwire-read")


def test_reads_that_were_slow_are_left_to_threads_for_a_while(http: Http, shelves: Table) -> None:
    read = readers_of(shelves)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(short_reads, "MOST_SECONDS", 0.0)
        assert http.operator.get(PATH).status_code == 200
    assert http.operator.get(PATH).status_code == 200
    assert [each.rpartition("_")[0] or each for each in read] == ["verbwire-http", "verbwire-read"]


def test_one_read_that_had_to_wait_for_its_turn_does_not_make_them_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("time.perf_counter", lambda: now)
    reads = ShortReads()

    def reading(seconds: float) -> bool:
        nonlocal now
        may = reads.begin()
        now += seconds
        if may:
            reads.end()
        return may

    assert all(reading(seconds) for seconds in [*[0.00001] * 100, 0.05, *[0.00001] * 100])
    assert not all(reading(0.01) for _ in range(20)), "a disk that takes ten milliseconds for each"
    now += short_reads.PAUSE_SECONDS
    assert reading(0.00001)
    assert reading(short_reads.MOST_SECONDS * 2)
    assert not reading(0.00001)
