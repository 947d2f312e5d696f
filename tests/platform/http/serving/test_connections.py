"""What strangers' connections may hold: every one ends by itself, and none keeps others from being answered."""

from __future__ import annotations

import gc
import logging
import math
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.kit.cluster import eventually
from tests.kit.http import SHELVES, Http, ShelfRow, Table, serving
from tests.platform.http.serving.test_limits import request, status
from verbwire.http.base import limits
from verbwire.http.base.limits import ConnectionLimits, PageLimits, RequestLimits
from verbwire.http.serving.connections import ConnectionTable, Stage
from verbwire.http.serving.protocol import LimitedProtocol

LIVE = request()
BODY = "Content-Length: 100"
QUICK = ConnectionLimits(head_seconds=0.4, idle_seconds=0.4, linger_seconds=0.4, write_seconds=0.4)
LARGE = PageLimits(page=10_000_000)


@pytest.fixture
def quick() -> Iterator[Http]:
    """A server whose patience is short."""
    with serving(connections=QUICK) as running:
        yield running


@contextmanager
def connected(http: Http, *sent: bytes) -> Iterator[socket.socket]:
    with socket.create_connection(http.address, timeout=10) as connection:
        for each in sent:
            connection.sendall(each)
        yield connection


def rest_of(connection: socket.socket) -> bytes:
    """Read until the server closes; what a reset cuts off is gone."""
    received = b""
    try:
        while part := connection.recv(65536):
            received += part
    except ConnectionResetError:
        pass
    return received


STORIES = {
    "a byte of a body behind its answer": (request("GET /health/live HTTP/1.1", BODY), b"x"),
    "an empty line behind an answer": (LIVE, b"\r\n"),
    "a body behind a refusal": (request("POST /commands/Buy HTTP/1.1", BODY), b"x"),
    "a head that stops": (b"GET /health/live HTT", b"P"),
    "nothing at all": (b"", b""),
    "an empty line": (b"\r\n", b"\r\n"),
    "a request and half of one": (LIVE + b"GET /", b"x"),
    "two answers and an empty line": (LIVE + LIVE, b"\r\n\r\n"),
}


@pytest.mark.parametrize("story", STORIES)
def test_an_idle_connection_ends_by_itself(quick: Http, story: str) -> None:
    first, second = STORIES[story]
    with connected(quick, first) as connection:
        if first.startswith((b"GET /health/live HTTP", b"POST")):
            assert connection.recv(65536)
        connection.sendall(second)
        rest_of(connection)  # it would wait for its time-out otherwise


@pytest.mark.parametrize("line", ["GET /health/live HTTP/1.1", "GET /tables HTTP/1.1", "POST /commands/Buy HTTP/1.1"])
def test_an_answer_before_the_end_of_its_request_is_the_last_and_arrives_whole(quick: Http, line: str) -> None:
    with connected(quick, request(line, BODY)) as connection:
        answer = rest_of(connection)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"connection: close" in head.lower()
    assert b"content-length: %d" % len(body) in head.lower()
    with connected(quick, request(line, BODY) + b"x" * 100) as connection:
        assert b"connection: close" not in connection.recv(65536).lower(), "one that is whole is no reason to close"


def test_a_client_that_sends_a_large_body_nobody_reads_gets_its_answer(quick: Http) -> None:
    """Closed at once, the socket would be reset, and the answer be lost with it."""
    size = limits.BODY - 1
    with connected(quick, request("POST /commands/Buy HTTP/1.1", f"Content-Length: {size}")) as connection:
        connection.sendall(b"x" * (size // 2))
        assert status(rest_of(connection)) == 401


def test_idle_connections_do_not_take_http_away(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "verbwire.http")
    with serving(connections=ConnectionLimits(connections=8)) as http, ExitStack() as held:
        for first, second in [*STORIES.values()] * 5:
            held.enter_context(connected(http, first, second))
            assert http.raw(request("GET /health/live HTTP/1.1", "Connection: close")).startswith(b"HTTP/1.1 200")
            refused = http.raw(request("GET /tables HTTP/1.1", "Connection: close"))
            assert refused.startswith(b"HTTP/1.1 401"), "of those that are for all there is one, too"
        lines = [each.getMessage() for each in caplog.records if "connections are in use" in each.getMessage()]
    assert len(lines) == 1
    assert lines[0].startswith("all 8 connections are in use, by 127.0.0.1 (9); stages: ")


def test_health_has_connections_of_its_own_where_all_are_busy(tmp_path: Path) -> None:
    table, release, reading = Table(tmp_path, SHELVES, ShelfRow), threading.Event(), threading.Semaphore(0)
    table.put([ShelfRow(shelf="a", books=1)])

    def slowly(_: bytes) -> None:
        reading.release()
        assert release.wait(30)

    table.on_decode = slowly
    with serving([table], connections=ConnectionLimits(connections=2)) as http:
        asking = [threading.Thread(target=http.get, args=("/tables/shelves/a",)) for _ in range(2)]
        for each in asking:
            each.start()
        try:
            assert reading.acquire(timeout=10)
            eventually(lambda: [each.stage for each in connections_of(http)] == [Stage.ANSWER] * 2)
            answer = http.raw(request("GET /tables/shelves/a HTTP/1.1"))
            assert status(answer) == 503
            assert b"busy" in answer
            assert b"retry-after" in answer
            alive = http.raw(LIVE)
            assert alive.startswith(b"HTTP/1.1 200")
            assert b"connection: close" in alive
        finally:
            release.set()
            for each in asking:
                each.join()


def test_no_more_than_a_little_is_read_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """asyncio would take memory for 256 KiB at each read, which costs fifteen microseconds in a young process."""
    read: list[int] = []
    received = LimitedProtocol.data_received

    def counted(protocol: LimitedProtocol, data: bytes) -> None:
        read.append(len(data))
        received(protocol, data)

    monkeypatch.setattr(LimitedProtocol, "data_received", counted)
    with serving([Table(tmp_path, SHELVES, ShelfRow)]) as http:
        http.raw(request("GET /health/live HTTP/1.1", "Content-Length: 900000"), b"x" * 900_000)
    assert sum(read) > 2 * limits.READ
    assert max(read) <= limits.READ


def connections_of(http: Http) -> set[LimitedProtocol]:
    running = http.server._server
    assert running is not None
    return running.server_state.connections  # type: ignore[return-value]


LIST = "GET /tables/shelves?page_size=1000 HTTP/1.1"


@pytest.fixture
def large(tmp_path: Path) -> Table:
    """A table whose page has nine megabytes."""
    table = Table(tmp_path, SHELVES, ShelfRow)
    table.put(ShelfRow(shelf="a" * 9000 + str(number), books=number) for number in range(1000))
    return table


@contextmanager
def asking_without_reading(http: Http) -> Iterator[socket.socket]:
    """Ask for more than the buffers between a server and its client hold."""
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(http.address)
        connection.sendall(request(LIST, f"Authorization: {http.operator.headers['authorization']}"))
        yield connection


def test_an_answer_that_nobody_reads_is_cut_off(large: Table) -> None:
    with serving([large], limits=RequestLimits(pages=LARGE), connections=QUICK) as http, asking_without_reading(http):
        eventually(lambda: any(each.stage is Stage.ANSWER for each in connections_of(http)))
        eventually(lambda: not connections_of(http))


def test_an_answer_is_its_askers_until_it_has_been_read(large: Table) -> None:
    one = RequestLimits(memory_each=20_000_000, pages=LARGE)  # what an answer is made of, and itself
    path = LIST.split(" ")[1]
    with serving([large], limits=one) as http, asking_without_reading(http) as connection:
        assert connection.recv(12, socket.MSG_PEEK) == b"HTTP/1.1 200"  # whoever asks from here on comes second
        eventually(lambda: http.get(path) == 429)
        assert http.get("/tables/shelves?page_size=10") == 200, "what is small is not counted"
        for each in connections_of(http):
            each.until = 0.0
        eventually(lambda: http.get(path) == 200)


def test_a_connection_that_was_reset_is_not_kept() -> None:
    def kept() -> int:
        gc.collect()
        return sum(isinstance(each, LimitedProtocol) for each in gc.get_objects())

    with serving(connections=replace(QUICK, idle_seconds=60.0)) as http:
        for _ in range(20):
            with connected(http, LIVE) as connection:
                assert connection.recv(65536)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        eventually(lambda: kept() == 0, 10)


def test_requests_that_wait_for_an_earlier_answer_have_a_limit(quick: Http) -> None:
    answers = quick.raw(LIVE * 200)
    assert answers.count(b"HTTP/1.1 200") == limits.PIPELINED + 2, "one at once, one while all others wait"


@pytest.mark.parametrize(
    "head",
    [
        b"GET /health/live HTTP/1.1\r\n\r\n",
        b"GET /health/live HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        b"GET /health/live HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n",
        b"GET /health/live HTTP/1.1\r\nHost: a b\r\n\r\n",
        b"GET /health/live HTTP/1.1\r\nHost: a, b@c\r\n\r\n",
        b"GET /health/live HTTP/1.1\r\nHost: a/b\r\n\r\n",
        b"GET /health/live HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n",
    ],
)
def test_a_request_names_one_host(quick: Http, head: bytes) -> None:
    answer = quick.raw(head)
    assert status(answer) == 400
    assert b"bad_host" in answer


@pytest.mark.parametrize("host", ["", "a", "a.example:8000", "[::1]:8000", "%C3%A4.example"])
def test_a_host_header_may_name_any_host(quick: Http, host: str) -> None:
    assert quick.raw(request("GET /health/live HTTP/1.1", "Connection: close").replace(b"x", host.encode(), 1))
    assert quick.raw(b"GET /health/live HTTP/1.0\r\n\r\n").startswith(b"HTTP/1.1 200"), "HTTP/1.0 knows no Host"


class Held:
    """A connection that waits."""

    def __init__(self, address: str, since: float, stage: Stage = Stage.IDLE) -> None:
        self.address = address
        self.since = since
        self.stage = stage
        self.until = math.inf if stage is Stage.ANSWER else since + 30

    def time_is_over(self) -> None:
        self.stage = Stage.GONE

    make_room = time_is_over


def test_connections_of_who_holds_most_make_room_and_of_them_the_longest_idle() -> None:
    table = ConnectionTable(ConnectionLimits(connections=4))
    others = [Held("10.0.0.9", 1), Held("10.0.0.7", 3), Held("10.0.0.7", 2, Stage.HEAD), Held("10.0.0.8", 0)]
    newcomer = Held("10.0.0.9", 9, Stage.HEAD)
    assert table.places_left([*others, newcomer], newcomer) == 0
    assert [each.stage is Stage.GONE for each in others] == [True, False, False, False]
    busy = [Held("10.0.0.7", 1, Stage.ANSWER) for _ in range(3)] + [Held("10.0.0.8", 0)]
    another = Held("10.0.0.7", 9, Stage.HEAD)
    assert table.places_left([*busy, another], another) == -1, "it would push out somebody who holds less"
    assert busy[3].stage is Stage.IDLE


def test_answers_that_are_not_read_make_room_after_all_others() -> None:
    """Whoever says `Connection: close` and does not read holds a place as well."""
    held = [Held("10.0.0.7", 1, Stage.CLOSING), Held("10.0.0.7", 2, Stage.ANSWER), *[Held("10.0.0.7", 3)] * 2]
    held[1].until = 32.0
    for number, expected in enumerate([[2, 3], [0, 2, 3]]):
        newcomer = Held(f"10.0.0.{number + 8}", 9, Stage.HEAD)
        held.append(newcomer)
        assert ConnectionTable(ConnectionLimits(connections=4 - number)).places_left(held, newcomer) == 0
        assert [number for number, each in enumerate(held) if each.stage is Stage.GONE] == expected
