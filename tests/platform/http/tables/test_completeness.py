"""What has not caught up since it was started says so, in every answer, and "not found" is said with a doubt."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx2 as httpx
import msgspec
import pytest

from tests.kit.http import EVENTS, SHELVES, Group, Http, ShelfRow, Table, problem, serving, shelf
from tests.platform.http.forwarding.test_peers import Three, number_in, path_of, three
from verbwire.engine.state.partition_state import PartitionState
from verbwire.engine.state.reader import EndOffsets
from verbwire.http.operations.health import PartitionHealth
from verbwire.http.tables.summaries import merge_summaries

LIST = f"/tables/{SHELVES}"
INSISTING = {"Verbwire-Freshness": "complete"}


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
def shelves(running: tuple[Http, Table]) -> Iterator[Table]:
    yield running[1]
    running[1].mend()


def hold_back(table: Table, partition: int, records: int) -> None:
    """Let a partition be so many records behind where its inputs ended when it was prepared."""
    state = table.store_reader.states[partition]
    state.end_offsets = EndOffsets({EVENTS: state.inputs[EVENTS] + records})


def told(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.headers["verbwire-freshness"]


def test_a_list_is_complete_only_when_every_partition_has_caught_up(http: Http, shelves: Table) -> None:
    hold_back(shelves, 1, 12)
    hold_back(shelves, 3, 0)
    answer = http.operator.get(LIST).json()
    assert (answer["complete"], answer["behind"], answer["missing_partitions"]) == (False, {"1": 12}, [])
    (table,) = http.operator.get("/tables").json()["tables"]
    assert (table["complete"], table["behind"], table["missing_partitions"]) == (False, {"1": 12}, [])
    refused = http.operator.get(LIST, headers=INSISTING)
    assert problem(refused, 503, "catching_up")["behind"] == 12
    assert refused.headers["retry-after"] == "1"
    shelves.store_reader.states[1].inputs = {EVENTS: 112}
    assert http.operator.get(LIST, headers=INSISTING).json()["complete"]
    shelves.store_reader.states[1].state = PartitionState.RESTORING
    problem(http.operator.get(LIST, headers=INSISTING), 503, "catching_up")


def test_a_row_says_whether_it_may_be_an_old_one(http: Http, shelves: Table) -> None:
    path, home = path_of(3), shelves.served().partition_of(shelves.served().key(shelf(3).shelf))
    assert told(http.operator.get(path, headers=INSISTING)) == (200, "complete")
    hold_back(shelves, home, 7)
    hold_back(shelves, (home + 1) % 4, 100)  # somebody else's
    assert told(http.operator.get(path)) == (200, "behind=7")
    refused = http.operator.get(path, headers=INSISTING)
    assert told(refused) == (503, "behind=7")
    assert problem(refused, 503, "catching_up")["behind"] == 7
    problem(http.operator.get(path, headers={"Verbwire-Freshness": "new"}), 400, "bad_freshness")


def test_not_found_is_doubtful_while_a_table_is_behind(http: Http, shelves: Table) -> None:
    path, home = f"{LIST}/none", shelves.served().partition_of(b"none")
    known = http.operator.get(path)
    assert (told(known), "behind" in problem(known, 404, "no_such_row")) == ((404, "complete"), False)
    hold_back(shelves, home, 5)
    doubtful = http.operator.get(path)
    assert told(doubtful) == (404, "behind=5")
    body = problem(doubtful, 404, "no_such_row")
    assert (body["behind"], "so far" in body["detail"]) == (5, True)
    problem(http.operator.get(path, headers=INSISTING), 503, "catching_up")


def test_completeness_is_not_said_while_repartitioning_is_unknown(http: Http, shelves: Table) -> None:
    shelves.store_reader.states[2].end_offsets = EndOffsets({EVENTS: 200}, complete=False)
    answer = http.operator.get(LIST).json()
    assert (answer["complete"], answer["behind"]) == (False, {"2": 0})


def test_a_partition_that_is_started_over_while_it_is_read_tells_nothing(http: Http, shelves: Table) -> None:
    """It may be behind again, though what was looked at before the row said that it was not."""
    path, home = path_of(3), shelves.served().partition_of(shelves.served().key(shelf(3).shelf))
    get = shelves.store_reader.get_from

    def starting_over(partition: int, key: bytes, patient: bool = True) -> bytes | None:
        shelves.store_reader.states[home].epoch += 1
        return get(partition, key, patient)

    shelves.store_reader.get_from = starting_over  # type: ignore[method-assign]
    try:
        problem(http.operator.get(path), 503, "not_ready")
    finally:
        shelves.store_reader.get_from = get  # type: ignore[method-assign]
    assert http.operator.get(path).status_code == 200


def test_workers_agree_on_what_is_behind(tmp_path: Path) -> None:
    with three(tmp_path) as shared:
        hold_back(shared.tables["w1"], 1, 9)  # its own
        hold_back(shared.tables["w0"], 1, 5)  # nobody's concern: it does not have that one
        shared.tables["w2"].store_reader.states[2].dead_letters = 4
        for worker in shared.all:
            answer = worker.operator.get(LIST).json()
            assert (answer["complete"], answer["behind"]) == (False, {"1": 9})
            problem(worker.operator.get(LIST, headers=INSISTING), 503, "catching_up")
            (table,) = worker.operator.get("/tables").json()["tables"]
            assert (table["complete"], table["behind"], table["dead_letters"]) == (False, {"1": 9}, 4)
            path = path_of(number_in(1, shared.tables["w0"]))
            assert told(worker.operator.get(path)) == (200, "behind=9")
            assert told(worker.operator.get(path, headers=INSISTING)) == (503, "behind=9")
        _caught_up(shared)


def _caught_up(shared: Three) -> None:
    shared.tables["w1"].mend()
    for partition in (0, 2, 3):
        shared.tables["w1"].store_reader.states[partition].state = PartitionState.RESTORING
    for worker in shared.all:
        assert worker.operator.get(LIST, headers=INSISTING).json()["complete"]
        assert worker.operator.get("/tables").json()["tables"][0]["complete"]


def test_a_worker_that_does_not_say_whether_it_has_caught_up_is_not_believed_to_have() -> None:
    """As in a rolling update from a version that knows of no such thing."""
    mine = {"name": "t", "partitions": 2, "ready_partitions": [0], "missing_partitions": [1], "rows": 1, "stopped": {}}
    mine |= {"behind": {}, "complete": False, "dead_letters": 0, "other_code": {}, "states": {"0": "running"}}
    old = {**mine, "ready_partitions": [1]}
    del old["states"]
    new = msgspec.json.encode({"tables": [old]})
    del old["behind"]
    for body, missing in ((new, []), (msgspec.json.encode({"tables": [old]}), [1])):
        (table,) = merge_summaries([mine], [body])
        assert (table["missing_partitions"], table["complete"]) == (missing, not missing)


def test_one_stopped_partition_makes_no_worker_unready() -> None:
    carts, orders = Group("shop.carts"), Group("shop.orders")
    with serving(groups=[carts, orders]) as http:
        carts.health = PartitionHealth(owned=[0, 1, 2], stopped=[2], behind={1: 40})
        orders.health = PartitionHealth(owned=[0])
        answer = http.nobody.get("/health/ready")
        assert answer.status_code == 200
        told = {"status": "ready", "stopped": {"shop.carts": [2]}, "behind": {"shop.carts": {"1": 40}}}
        assert answer.json() == told
        carts.missing = ["partition 0: restoring"]
        problem(http.nobody.get("/health/ready"), 503, "not_ready")


def test_a_worker_of_which_everything_stands_still_is_not_ready_and_not_dead() -> None:
    carts, spare = Group("shop.carts"), Group("shop.orders")
    with serving(groups=[carts, spare]) as http:
        carts.health = PartitionHealth(owned=[0, 1], stopped=[0, 1])
        answer = http.nobody.get("/health/ready")
        assert problem(answer, 503, "stopped")["stopped"] == {"shop.carts": [0, 1]}
        assert http.nobody.get("/health/live").status_code == 200
        spare.health = PartitionHealth(owned=[3])
        assert http.nobody.get("/health/ready").status_code == 200
        carts.health = spare.health = PartitionHealth()
        assert http.nobody.get("/health/ready").status_code == 200, "a spare owns nothing"
