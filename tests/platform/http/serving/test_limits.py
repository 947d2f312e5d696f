"""How much a request may be: what is too much is said as a problem, whatever layer noticed."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator

import pytest

from tests.kit.http import Http, serving
from verbwire.http.base import limits
from verbwire.http.base.limits import ConnectionLimits


@pytest.fixture
def http() -> Iterator[Http]:
    with serving() as running:
        yield running


def status(answer: bytes) -> int:
    """Check that the bytes are one whole answer that is a problem; return its status."""
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = head.decode().lower().split("\r\n")
    number = int(lines[0].split(" ")[1])
    assert "content-type: application/problem+json" in lines
    assert "connection: close" in lines
    assert f"content-length: {len(body)}" in lines
    assert json.loads(body)["status"] == number
    return number


def request(line: str = "GET /health/live HTTP/1.1", *headers: str) -> bytes:
    return "\r\n".join([line, "Host: x", *headers, "", ""]).encode("latin-1")


def test_a_target_has_a_limit(http: Http) -> None:
    assert b"200 OK" in http.raw(request("GET /health/live HTTP/1.1", "Connection: close"))
    assert status(http.raw(request(f"GET /health/live?{'a' * limits.REQUEST_LINE} HTTP/1.1"))) == 414


@pytest.mark.parametrize(
    "headers",
    [
        ("A: " + "x" * limits.HEAD,),
        tuple(f"A{n}: {'x' * 1000}" for n in range(17)),
        tuple(f"A{n}: x" for n in range(limits.HEADER_FIELDS + 1)),
    ],
    ids=["one long", "many bytes", "many fields"],
)
def test_headers_have_a_limit(http: Http, headers: tuple[str, ...]) -> None:
    assert status(http.raw(request("GET /health/live HTTP/1.1", *headers))) == 431


@pytest.mark.parametrize("piece", [b"x", b"A: b\r\n"], ids=["one header without end", "headers without end"])
def test_a_head_that_never_ends_is_not_collected(http: Http, piece: bytes) -> None:
    endless = [piece * (65536 // len(piece))] * 4
    assert status(http.raw(b"GET / HTTP/1.1\r\nHost: x\r\nA: ", *endless)) == 431


def test_a_target_that_never_ends_is_not_collected(http: Http) -> None:
    assert status(http.raw(b"GET /" + b"x" * limits.REQUEST_LINE, *[b"x" * 4096] * 16)) in (414, 431)


def test_a_head_that_comes_too_slowly_is_given_up() -> None:
    with serving(connections=ConnectionLimits(head_seconds=0.3)) as http:
        assert status(http.raw(b"GET / HTTP/1.1\r\nHost")) == 408
        assert http.raw(b"") == b"", "one that sends nothing is closed without a word"
        assert http.nobody.get("/health/live").status_code == 200
        first = request("GET /health/live HTTP/1.1")
        assert b'{"status":"live"}HTTP/1.1 408' in http.raw(first + b"GET /health"), "also behind a good request"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ((f"Content-Length: {limits.BODY + 1}",), 413),
        (("Content-Length: 99999999999",), 413),
        (("Transfer-Encoding: chunked",), 411),
        (("Content-Length: x",), 400),
        (("Content-Length: -1",), 400),
        (("Content-Length: 1", "Content-Length: 2"), 400),
        (("Content-Length: 3", "Transfer-Encoding: chunked"), 400),
    ],
)
def test_a_body_has_a_limit_and_says_its_length(http: Http, headers: tuple[str, ...], expected: int) -> None:
    assert status(http.raw(request("GET /health/live HTTP/1.1", *headers))) == expected


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"hello\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nA\x00: b\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n",
        b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
def test_bytes_that_are_no_http_are_a_problem_too(http: Http, sent: bytes) -> None:
    assert status(http.raw(sent)) == 400
    assert http.nobody.get("/health/live").status_code == 200


def test_a_refused_client_need_not_wait_for_the_end() -> None:
    """The answer ends with the end of the stream, while what is still being sent is read and dropped."""
    with serving(connections=ConnectionLimits(linger_seconds=60.0)) as http:
        assert status(http.raw(b"hello\r\n\r\n")) == 400


def test_requests_in_one_read_are_answered_in_order(http: Http) -> None:
    answer = http.raw(request() + request("GET /health/ready HTTP/1.1", "Connection: close"))
    assert answer.index(b'{"status":"live"}') < answer.index(b'{"status":"ready"')


def test_a_websocket_is_not_spoken(http: Http) -> None:
    upgrade = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: eA==")
    began = time.monotonic()
    with socket.create_connection(http.address, timeout=10) as connection:
        connection.sendall(request("GET /health/live HTTP/1.1", *upgrade))
        assert connection.recv(100).startswith(b"HTTP/1.1 200")
    assert time.monotonic() - began < 5
