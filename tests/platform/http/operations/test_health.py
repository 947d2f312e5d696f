"""Health, metrics and the server itself: what an orchestrator relies on."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.cluster import eventually
from tests.kit.http import SHELVES, Group, Http, ShelfRow, Table, problem, serving, shelf
from verbwire.errors import ConfigurationError
from verbwire.http.access.auth import Authenticator, AuthSettings
from verbwire.http.app import Access, Readable, build_app
from verbwire.http.application import Application
from verbwire.http.base import limits
from verbwire.http.base.limits import RequestLimits
from verbwire.http.operations.health import Health
from verbwire.http.serving.server import HttpServer
from verbwire.observability.metrics.registry import Metrics


@pytest.fixture
def shelves(tmp_path: Path) -> Table:
    return Table(tmp_path, SHELVES, ShelfRow)


@pytest.fixture
def http(shelves: Table) -> Iterator[Http]:
    shelves.put(shelf(number) for number in range(20))
    with serving([shelves]) as running:
        yield running


def bare_app() -> Application:
    return build_app(Access(Authenticator(AuthSettings(secret="s" * 32))), Readable(), Health([]), Metrics())


def test_health_asks_for_no_token_and_turns_with_the_groups() -> None:
    carts, orders = Group("shop.carts"), Group("shop.orders")
    with serving(groups=[carts, orders]) as http:
        assert http.nobody.get("/health/live").json() == {"status": "live"}
        assert http.nobody.get("/health/ready").json() == {"status": "ready", "stopped": {}, "behind": {}}
        carts.missing = ["partition 3: restoring"]
        answer = http.nobody.get("/health/ready")
        body = problem(answer, 503, "not_ready")
        assert body["groups"] == {"shop.carts": ["partition 3: restoring"]}
        assert answer.headers["retry-after"] == "1"
        assert http.nobody.get("/health/live").status_code == 200, "unready is no reason to be killed"
        orders.dead = "its coordination task has ended"
        body = problem(http.nobody.get("/health/live"), 503, "dead")
        assert body["groups"] == {"shop.orders": "its coordination task has ended"}


def test_a_worker_of_no_groups_yet_is_live_but_not_ready() -> None:
    groups: list[Group] = []
    with serving(groups=groups) as http:
        assert http.nobody.get("/health/live").status_code == 200
        assert http.nobody.get("/health/ready").status_code == 503
        groups.append(Group())
        assert http.nobody.get("/health/ready").status_code == 200


@pytest.mark.parametrize("path", ["/tables/shelves", "/tables/shelves/shelf%2000001"])
def test_health_answers_while_every_reader_is_busy(http: Http, shelves: Table, path: str) -> None:
    release, entered = threading.Event(), threading.Semaphore(0)

    def slow(value: bytes) -> None:
        entered.release()
        assert release.wait(30)

    shelves.on_decode = slow
    answers: list[int] = []
    get = [threading.Thread(target=lambda: answers.append(http.get(path))) for _ in range(limits.READERS)]
    for each in get:
        each.start()
    try:
        assert entered.acquire(timeout=10)
        for _ in range(20):
            began = time.perf_counter()
            assert http.nobody.get("/health/live", timeout=5).status_code == 200
            assert time.perf_counter() - began < 2
    finally:
        release.set()
        for each in get:
            each.join()
    assert answers == [200] * limits.READERS


def test_requests_beyond_the_queue_are_a_503(http: Http, shelves: Table) -> None:
    release = threading.Event()
    shelves.on_decode = lambda _: release.wait(30)
    with serving([shelves], limits=RequestLimits(readers=1, waiting=2)) as small:
        answers: list[int] = []
        asking = [threading.Thread(target=lambda: answers.append(small.get("/tables/shelves"))) for _ in range(6)]
        for each in asking:
            each.start()
        try:
            eventually(lambda: len(answers) == 3)
        finally:
            release.set()
            for each in asking:
                each.join()
    assert sorted(answers) == [200] * 3 + [503] * 3


def test_metrics_are_prometheus_text_and_count_by_route(http: Http) -> None:
    http.metrics.group("shop.carts").committed(500, 0.02)
    for number in range(3):
        http.operator.get(f"/tables/shelves/shelf%20{number:05}")
    http.operator.get("/tables/shelves/none")
    http.nobody.get("/tables")
    answer = http.operator.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = answer.text.splitlines()
    assert 'verbwire_records_total{group="shop.carts"} 500.0' in lines
    assert 'verbwire_http_requests_total{route="/tables/{name}/{key}",status="200"} 3.0' in lines
    assert 'verbwire_http_requests_total{route="/tables/{name}/{key}",status="404"} 1.0' in lines
    assert 'verbwire_http_requests_total{route="none",status="401"} 1.0' in lines
    assert 'verbwire_http_seconds_count{route="/tables/{name}/{key}"} 4.0' in lines


def test_every_count_of_a_group_is_shown(http: Http) -> None:
    group = http.metrics.group("g")
    group.committed(2, 0.1)
    group.aborted("ILLEGAL_GENERATION")
    group.reset()
    group.dead_lettered("undecodable", 3)
    group.duplicates(4)
    group.receives({"carts.Add": ["no_room", "no_stock"]})
    group.outcome("carts.Add", "rejected", "no_room", 5)
    group.outcome("a header's own word", "failed")
    group.restored(6)
    group.states({"running": 7, "stopped": 1, "retrying": 2})
    lines = http.operator.get("/metrics").text.splitlines()
    assert {
        'verbwire_records_total{group="g"} 2.0',
        'verbwire_transactions_total{group="g",result="committed"} 1.0',
        'verbwire_transactions_total{group="g",result="aborted"} 1.0',
        'verbwire_commit_seconds_count{group="g"} 1.0',
        'verbwire_aborts_total{group="g",reason="ILLEGAL_GENERATION"} 1.0',
        'verbwire_resets_total{group="g"} 1.0',
        'verbwire_dead_letters_total{group="g",reason="undecodable"} 3.0',
        'verbwire_duplicates_total{group="g"} 4.0',
        'verbwire_outcomes_total{code="no_room",command="carts.Add",group="g",status="rejected"} 5.0',
        'verbwire_outcomes_total{code="no_stock",command="carts.Add",group="g",status="rejected"} 0.0',
        'verbwire_outcomes_total{code="",command="none",group="g",status="failed"} 1.0',
        'verbwire_restore_rows_total{group="g"} 6.0',
        'verbwire_partitions{group="g",state="running"} 7.0',
    } <= set(lines)


def test_the_server_binds_the_loopback_address_unless_told() -> None:
    server = HttpServer(bare_app())
    host, port = server.start()
    try:
        assert host == "127.0.0.1"
        assert port > 0
    finally:
        server.stop()


def test_a_taken_port_is_a_setting_to_change() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(ConfigurationError, match="VERBWIRE_HTTP_PORT"),
    ):
        HttpServer(bare_app(), port=taken.getsockname()[1]).start()


def test_an_unknown_host_is_a_setting_to_change() -> None:
    with pytest.raises(ConfigurationError, match="VERBWIRE_HTTP_HOST"):
        HttpServer(bare_app(), "no such host.invalid").start()


def test_a_small_answer_is_not_held_back_for_an_acknowledgement(http: Http) -> None:
    """40 ms each, were Nagle's algorithm on: asyncio turns it off only where the socket names its protocol."""
    took = []
    for _ in range(40):
        began = time.perf_counter()
        http.operator.get("/tables/shelves/shelf%2000001")
        took.append(time.perf_counter() - began)
    assert sorted(took)[10] < 0.03


def test_stopping_lets_an_answer_end_and_takes_no_more(http: Http, shelves: Table) -> None:
    entered, release = threading.Event(), threading.Event()

    def slow(value: bytes) -> None:
        entered.set()
        release.wait(30)

    shelves.on_decode = slow
    answers: list[int] = []
    asking = threading.Thread(target=lambda: answers.append(http.get("/tables/shelves/shelf%2000001")))
    asking.start()
    assert entered.wait(10)
    stopping = threading.Thread(target=http.server.stop, args=(20,))
    stopping.start()
    eventually(lambda: not _accepts(*http.address))
    release.set()
    stopping.join()
    asking.join()
    assert answers == [200]


def test_the_server_stops_without_waiting_for_ever(http: Http, shelves: Table) -> None:
    entered, release = threading.Event(), threading.Event()

    def stuck(value: bytes) -> None:
        entered.set()
        release.wait(60)

    shelves.on_decode = stuck
    answers: list[int] = []
    asking = threading.Thread(target=lambda: answers.append(http.get("/tables/shelves/shelf%2000001")))
    asking.start()
    try:
        assert entered.wait(10)
        began = time.monotonic()
        http.server.stop(timeout=1)
        assert time.monotonic() - began < 10
        asking.join(10)
        assert not asking.is_alive(), "the connection is cut"
        assert answers != [200]
    finally:
        release.set()


def test_stopping_twice_is_stopping_once(http: Http) -> None:
    http.server.stop()
    http.server.stop()


def _accepts(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True
