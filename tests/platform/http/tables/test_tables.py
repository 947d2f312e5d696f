"""Tables over HTTP: found by name, one row by its key, and every way of asking wrongly."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from urllib.parse import quote

import httpx2 as httpx
import pytest

from tests.kit.http import EVENTS, SHELVES, CounterRow, Http, LoanRow, ShelfRow, Table, problem, serving, shelf
from verbwire.engine.state.partition_state import PartitionState
from verbwire.engine.state.reader import EndOffsets
from verbwire.errors import UnavailableError, UndecodableError
from verbwire.http.base import limits
from verbwire.wire.keys import key_of, key_text
from verbwire.wire.partitioner import partition_of

COUNTERS, LOANS = "town.library.counters", "town.library.loans"
ODD_KEYS = ("a/b", "a%2Fb", "50 %", "a+b", "ü/\U0001f4da", "a,b", "?x=1#y", "..a", "a\\b", "x" * 900)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Http, Table]]:
    folder = tmp_path_factory.mktemp("tables")
    shelves = Table(folder, SHELVES, ShelfRow)
    shelves.put(shelf(number) for number in range(20))
    with serving([shelves, Table(folder, COUNTERS, CounterRow), Table(folder, LOANS, LoanRow)]) as http:
        yield http, shelves


@pytest.fixture
def http(running: tuple[Http, Table]) -> Http:
    return running[0]


@pytest.fixture
def shelves(running: tuple[Http, Table]) -> Iterator[Table]:
    yield running[1]
    running[1].mend()


def test_the_list_says_what_there_is_and_how_far_it_is(tmp_path: Path) -> None:
    shelves = Table(tmp_path, SHELVES, ShelfRow)
    shelves.put(shelf(number) for number in range(20))
    stopped = shelves.store_reader.states[2]
    stopped.state, stopped.reason = PartitionState.STOPPED, "a handler raised"
    shelves.store_reader.states[1].end_offsets = EndOffsets({EVENTS: 140})
    shelves.store_reader.states[0].dead_letters, shelves.store_reader.states[2].dead_letters = 2, 3
    shelves.store_reader.states[0].other_code = "changed: on town.library.BookShelved (since town.library.events@7)"
    with serving([shelves, Table(tmp_path, COUNTERS, CounterRow)]) as http:
        answer = http.operator.get("/tables").json()
    assert [table["name"] for table in answer["tables"]] == [COUNTERS, SHELVES]
    rows = sum(partition_of(key_of(shelves.contract, shelf(n)), 4) != 2 for n in range(20))
    assert answer["tables"][1] == {
        "name": SHELVES,
        "short_names": ["library.shelves", "shelves"],
        "row": "town.library.ShelfRow",
        "key": ["shelf"],
        "index": [],
        "search": [],
        "partitions": 4,
        "ready_partitions": [0, 1, 3],
        "missing_partitions": [2],
        "states": {"0": "running", "1": "running", "2": "stopped", "3": "running"},
        "stopped": {"2": "a handler raised"},
        "other_code": {"0": "changed: on town.library.BookShelved (since town.library.events@7)"},
        "behind": {"1": 40},
        "complete": False,
        "dead_letters": 5,
        "parked": {},
        "rows": rows,
        "here": [0, 1, 3],
    }


@pytest.mark.parametrize("name", [SHELVES, "library.shelves", "shelves"])
def test_a_table_has_its_full_name_and_every_end_of_it(http: Http, name: str) -> None:
    assert http.operator.get(f"/tables/{name}").json()["table"] == SHELVES
    assert http.operator.get(f"/tables/{name}/shelf%2000003").json() == {
        "shelf": "shelf 00003",
        "books": 3,
        "metres": 0.0,
    }


def test_an_end_that_several_tables_share_is_refused_with_the_choices(tmp_path: Path) -> None:
    with serving([Table(tmp_path, "a.x", ShelfRow), Table(tmp_path, "b.x", ShelfRow)]) as http:
        for path in ("/tables/x", "/tables/x/k", "/tables/x?no=1"):
            assert problem(http.operator.get(path), 400, "ambiguous_table")["choices"] == ["a.x", "b.x"]
        assert [table["short_names"] for table in http.operator.get("/tables").json()["tables"]] == [[], []]


def test_a_full_name_wins_over_an_end(tmp_path: Path) -> None:
    with serving([Table(tmp_path, "x.y", ShelfRow), Table(tmp_path, "a.x.y", ShelfRow)]) as http:
        assert http.operator.get("/tables/x.y").json()["table"] == "x.y"


@pytest.mark.parametrize("path", ["/tables/nothing", "/tables/nothing/k", "/tables/nothing?no=1", "/tables/helves"])
def test_an_unknown_table_is_not_found_before_anything_else_is_looked_at(http: Http, path: str) -> None:
    problem(http.operator.get(path), 404, "no_such_table")


@pytest.mark.parametrize("path", ["/", "/tables/", "/nothing", "/tables/shelves/a/b", "//tables", "/tables/shelves/"])
def test_an_unknown_path_is_a_problem_too(http: Http, path: str) -> None:
    problem(http.operator.get(path), 404, "no_such_page")


@pytest.mark.parametrize("key", ODD_KEYS)
def test_any_text_can_be_a_key(http: Http, shelves: Table, key: str) -> None:
    shelves.put([ShelfRow(shelf=key, books=1)])
    answer = http.operator.get(f"/tables/shelves/{quote(key, safe='')}")
    assert answer.json()["shelf"] == key


def test_an_integer_is_a_key(tmp_path: Path) -> None:
    counters = Table(tmp_path, COUNTERS, CounterRow)
    counters.put([CounterRow(number=-7, visitors=3)])
    with serving([counters]) as http:
        assert http.operator.get("/tables/counters/-7").json() == {"number": -7, "visitors": 3}
        problem(http.operator.get("/tables/counters/seven"), 400, "bad_key")
        problem(http.operator.get("/tables/counters/7"), 404, "no_such_row")


@pytest.mark.parametrize("reader", ["ann", "ann,bob", "a\\b,", "ü/ x"])
def test_a_key_of_several_fields_is_written_with_commas(tmp_path: Path, reader: str) -> None:
    loans = Table(tmp_path, LOANS, LoanRow)
    row = LoanRow(reader=reader, day=date(2010, 12, 1), loans=2)
    loans.put([row])
    text = key_text(loans.contract, key_of(loans.contract, row))
    with serving([loans]) as http:
        found = http.operator.get(f"/tables/loans/{quote(text, safe='')}").json()
        assert found == {"reader": reader, "day": "2010-12-01", "loans": 2, "hours": 0.0}
        problem(http.operator.get("/tables/loans/ann"), 400, "bad_key")


def test_a_row_that_is_not_there_is_not_found(http: Http) -> None:
    problem(http.operator.get("/tables/shelves/none"), 404, "no_such_row")


@pytest.mark.parametrize("name", ["key", "name"])
def test_a_key_that_is_not_utf8_is_refused(http: Http, name: str) -> None:
    path = "/tables/shelves/%FF" if name == "key" else "/tables/%FF"
    problem(http.operator.get(path), 400, f"bad_{name}")


def test_a_key_has_a_limit(http: Http) -> None:
    assert http.operator.get("/tables/shelves/" + "x" * limits.KEY).status_code == 404
    problem(http.operator.get("/tables/shelves/" + "x" * (limits.KEY + 1)), 400, "bad_key")


def test_a_partition_that_is_not_ready_answers_nobody(http: Http, shelves: Table) -> None:
    row = shelf(5)
    home = partition_of(key_of(shelves.contract, row), 4)
    state = shelves.store_reader.states[home]
    state.state = PartitionState.RESTORING
    answer = http.operator.get(f"/tables/shelves/{row.shelf}")
    assert str(home) in problem(answer, 503, "not_ready")["detail"]
    assert answer.headers["retry-after"] == "1"
    state.state, state.reason = PartitionState.STOPPED, "handler shop.fold raised at some.topic/3/17"
    answer = http.operator.get(f"/tables/shelves/{row.shelf}")
    assert int(answer.headers["retry-after"]) > 1
    assert "some.topic" not in answer.text
    state.state = PartitionState.RUNNING
    assert http.operator.get(f"/tables/shelves/{row.shelf}").status_code == 200


def test_a_silent_registry_is_not_an_error_of_the_asker(http: Http, shelves: Table) -> None:
    def unreachable(value: bytes) -> None:
        raise UnavailableError("registry at some.host is silent")

    shelves.on_decode = unreachable
    answer = http.operator.get("/tables/shelves/shelf%2000001")
    assert "some.host" not in problem(answer, 503, "no_schema")["detail"]
    assert answer.headers["retry-after"] == "1"


def test_a_row_that_cannot_be_read_leaves_out_its_partition_and_no_other(http: Http, shelves: Table) -> None:
    unread = shelf(3)

    def unreadable(value: bytes) -> None:
        if shelves.read(value).shelf == unread.shelf:
            raise UndecodableError("a decimal of 9 digits in 20 bytes")

    shelves.on_decode = unreadable
    partition = shelves.store_reader.partition_of(unread.shelf.encode())
    problem(http.operator.get(f"/tables/shelves/{quote(unread.shelf)}"), 503, "unreadable_row")
    listed = http.operator.get("/tables/shelves?page_size=1000").json()
    assert (listed["complete"], listed["missing_partitions"]) == (False, [partition])
    assert {row["shelf"] for row in listed["rows"]} == {
        row.shelf for row in shelves.everything() if shelves.store_reader.partition_of(row.shelf.encode()) != partition
    }
    assert http.operator.get("/tables/shelves/shelf%2000001").status_code == 200


def test_an_internal_error_says_nothing_but_an_id_that_the_log_has(
    http: Http, shelves: Table, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(value: bytes) -> None:
        raise RuntimeError("/some/path of some.topic")

    shelves.on_decode = broken
    body = problem(http.operator.get("/tables/shelves/shelf%2000001"), 500, "broken")
    assert "some" not in body["detail"].replace("something", "")
    (record,) = [each for each in caplog.records if body["correlation_id"] in each.getMessage()]
    assert record.exc_info is not None
    assert "/some/path" in str(record.exc_info[1])


def test_head_is_get_without_a_body(http: Http) -> None:
    for path in ("/tables", "/tables/shelves", "/tables/shelves/shelf%2000003", "/health/live", "/metrics"):
        head, get = http.operator.head(path), http.operator.get(path)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-type"] == get.headers["content-type"]
    assert head.headers["content-length"]
    assert http.operator.head("/tables/shelves/none").status_code == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
@pytest.mark.parametrize("path", ["/tables", "/tables/shelves", "/tables/shelves/k", "/metrics", "/health/ready"])
def test_other_methods_are_refused_with_those_that_are_allowed(http: Http, method: str, path: str) -> None:
    answer = http.operator.request(method, path)
    problem(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize(
    "path", ["/tables", "/tables/shelves", "/tables/shelves/shelf%2000003", "/metrics", "/health/live", "/health/ready"]
)
def test_a_parameter_that_nobody_knows_is_named(http: Http, path: str) -> None:
    body = problem(http.operator.get(f"{path}?pagesize=3&Page=1"), 400, "unknown_parameter")
    assert "'Page', 'pagesize'" in body["detail"]


@pytest.mark.parametrize("query", ["page=1&page=2", "page=%FF", "page=1&page=1"])
def test_a_query_that_can_be_read_in_two_ways_is_refused(http: Http, query: str) -> None:
    assert http.operator.get(f"/tables/shelves?{query}").status_code == 400


def test_no_answer_may_be_kept_by_a_cache(http: Http) -> None:
    for path in ("/tables", "/tables/shelves", "/tables/shelves/shelf%2000003", "/tables/shelves/none"):
        assert http.operator.get(path).headers["cache-control"] == "no-store"


def test_many_may_ask_at_once(http: Http) -> None:
    wrong: list[str] = []

    def ask(start: int) -> None:
        with httpx.Client(base_url=str(http.operator.base_url), headers=http.operator.headers) as client:
            for number in range(start, start + 50):
                row = client.get(f"/tables/shelves/shelf%20{number % 20:05}").json()
                if row["books"] != number % 20:
                    wrong.append(str(row))

    threads = [threading.Thread(target=ask, args=(start,)) for start in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
