"""Rows whose records are parked: none is read as if it were good."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.kit.http import SHELVES, Http, ShelfRow, Table, problem, serving, shelf
from verbwire.client.querying.querier import refusal_of
from verbwire.engine.state.parked import ParkedKey
from verbwire.errors import ParkedError
from verbwire.http.forwarding.partial_list import PartialList, merged, read, written
from verbwire.http.tables.summaries import merge_summaries

LIST = f"/tables/{SHELVES}"
STALE = {"Verbwire-Freshness": "stale"}
SINCE = 1_800_000_000_000


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Http, Table]]:
    shelves = Table(tmp_path_factory.mktemp("tables"), SHELVES, ShelfRow)
    shelves.put(shelf(number) for number in range(20))
    with serving([shelves]) as http:
        yield http, shelves


@pytest.fixture
def http(running: tuple[Http, Table]) -> Http:
    return running[0]


@pytest.fixture
def parked(running: tuple[Http, Table]) -> Iterator[tuple[str, int]]:
    """A key that is parked, and its partition."""
    shelves = running[1]
    key = next(iter(shelves.everything())).shelf.encode()
    partition = shelves.store_reader.partition_of(key)
    state = shelves.store_reader.states[partition]
    state.parked = {
        key: ParkedKey(3, 5, SINCE, "shop.moved raised RuntimeError: secret"),
        b"gone": ParkedKey(0, 1, SINCE, ""),
    }
    yield key.decode(), partition
    state.parked = {}


def test_a_parked_row_is_503_and_says_since_when_but_not_the_data(http: Http, parked: tuple[str, int]) -> None:
    answer = http.operator.get(f"{LIST}/{parked[0]}")
    found = problem(answer, 503, "parked")
    assert (found["records"], found["since"]) == (2, "2027-01-15T08:00:00Z")
    assert "secret" not in answer.text
    error = refusal_of(503, answer.content, "GetShelf")
    assert isinstance(error, ParkedError)
    others = http.operator.get(f"{LIST}?page_size=20").json()["rows"]
    other = next(row["shelf"] for row in others if row["shelf"] != parked[0])
    assert http.operator.get(f"{LIST}/{other}").status_code == 200


def test_a_parked_row_may_be_read_as_it_was_before_and_is_marked(http: Http, parked: tuple[str, int]) -> None:
    answer = http.operator.get(f"{LIST}/{parked[0]}", headers=STALE)
    assert (answer.status_code, answer.headers["verbwire-freshness"]) == (200, "stale")
    assert answer.json()["shelf"] == parked[0]
    problem(http.operator.get(f"{LIST}/{parked[0]}", headers={"Verbwire-Freshness": "old"}), 400, "bad_freshness")


def test_a_parked_key_without_a_row_is_not_said_to_be_absent(running: tuple[Http, Table], http: Http) -> None:
    shelves = running[1]
    missing = b"never"
    state = shelves.store_reader.states[shelves.store_reader.partition_of(missing)]
    state.parked = {missing: ParkedKey(0, 1, SINCE, "")}
    try:
        problem(http.operator.get(f"{LIST}/never"), 503, "parked")
        assert problem(http.operator.get(f"{LIST}/never", headers=STALE), 404, "no_such_row")
    finally:
        state.parked = {}


def test_parked_keys_are_told_with_lists_and_tables(http: Http, parked: tuple[str, int]) -> None:
    found = http.operator.get(LIST).json()
    assert (found["parked"], found["complete"]) == (2, True)
    (table,) = http.operator.get("/tables").json()["tables"]
    assert table["parked"] == {str(parked[1]): {"keys": 2, "records": 3, "since": SINCE}}


def test_parked_keys_of_other_workers_are_told_as_well() -> None:
    parts = [PartialList([], False, {0: {}}, [], {}, 2), PartialList([], False, {1: {}}, [], {}, 1)]
    assert read(written(merged(parts))).parked == 3
    summary = {"name": "t", "partitions": 2, "ready_partitions": [0], "missing_partitions": [1], "states": {}}
    summary |= {"stopped": {}, "other_code": {}, "behind": {}, "complete": False, "dead_letters": 0, "rows": 0}
    (found,) = merge_summaries(
        [{**summary, "parked": {}}],
        [
            b'{"tables":[{"name":"t","partitions":2,"ready_partitions":[1],"stopped":{},"behind":{},"complete":true,'
            b'"dead_letters":0,"rows":1,"parked":{"1":{"keys":1,"records":1,"since":1}}}]}'
        ],
    )
    assert found["parked"] == {"1": {"keys": 1, "records": 1, "since": 1}}
