"""Commands over HTTP when there is no Kafka to take them, or no room: nobody waits for ever."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace

import httpx2 as httpx
import pytest

from tests.kit.bank import CATALOG
from tests.kit.cluster import eventually
from tests.kit.http import SECRET, Http, problem, serving
from tests.kit.samples.bank import books, jars
from tests.platform.http.serving.test_connections import connected
from tests.platform.http.serving.test_limits import status
from verbwire.client.base.connection import Connection
from verbwire.http.access.rates import Rates
from verbwire.http.base import limits
from verbwire.http.base.limits import CommandLimits, RequestLimits
from verbwire.http.commands.endpoint import Commands
from verbwire.http.commands.gateway import Gateway
from verbwire.http.commands.outcome_links import OutcomeLinks
from verbwire.messages import Message
from verbwire.names import Names
from verbwire.security.tokens import mint_token

CLASSES = {
    each.__contract__: each
    for module in (books, jars)
    for each in vars(module).values()
    if isinstance(each, type) and issubclass(each, Message) and each.__contract__
}
COINS = {"jar_id": "a", "pence": 1}
SECONDS = 1.0
PUT = "/commands/PutCoins"
FEW = RequestLimits(commands=5, commands_each=2)


@contextmanager
def silent_kafka(limits: RequestLimits = FEW, body_seconds: float = 0.3, rates: Rates | None = None) -> Iterator[Http]:
    """HTTP in front of a broker that listens and says nothing, with little patience and little room."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        broker = f"127.0.0.1:{silent.getsockname()[1]}"
        gateway = Gateway(Connection(broker, f"http://{broker}", Names("bank"), CATALOG, delivery_seconds=SECONDS))
        soon = CommandLimits(body_seconds, SECONDS)
        commands = Commands(CATALOG, CLASSES, gateway, OutcomeLinks(None), command_limits=soon)
        with serving(parts=[commands], rates=rates, limits=limits) as running:
            yield running
        gateway.close()


@pytest.fixture(scope="module")
def http() -> Iterator[Http]:
    with silent_kafka() as running:
        yield running


def post(http: Http, actor: str, path: str = PUT) -> httpx.Response:
    headers = {"Authorization": f"Bearer {mint_token(SECRET, actor, ())}"}
    return httpx.post(str(http.operator.base_url.join(path)), json=COINS, headers=headers, timeout=20)


def test_kafka_that_does_not_answer_is_told_in_time(http: Http) -> None:
    began = time.monotonic()
    answer = post(http, "ann")
    assert "Idempotency-Key" in problem(answer, 503, "not_taken")["detail"]
    assert answer.headers["retry-after"]
    assert time.monotonic() - began < 4 * SECONDS


def test_concurrency_limits_of_waits_are_each_principals_own(http: Http) -> None:
    with ThreadPoolExecutor(5) as pool:
        asked = [pool.submit(post, http, actor) for actor in ("ann", "ann", "ann", "ann", "bob")]
        answers = [each.result() for each in asked]
    assert sorted(each.status_code for each in answers[:4]) == [429, 429, 503, 503]
    assert answers[4].status_code == 503
    refused = next(each for each in answers if each.status_code == 429)
    problem(refused, 429, "too_many")
    assert refused.headers["retry-after"]


def test_permission_is_checked_before_anything_is_read_or_sent(http: Http) -> None:
    """Kafka says nothing here, and the body never comes."""
    head = begun(http, "ann").replace(b"PutCoins", b"bank.jars.TakeCoins")
    answer = http.raw(head)
    assert status(answer) == 403
    assert b'"code":"forbidden","outcome":"rejected","id":"' in answer


def test_a_body_must_come_in_time_and_whole(http: Http) -> None:
    head = (
        f"POST {PUT} HTTP/1.1\r\nHost: x\r\nAuthorization: {http.operator.headers['authorization']}\r\n"
        "Content-Type: application/json\r\nContent-Length: 30\r\n\r\n"
    ).encode()
    answer = http.raw(head, b'{"jar_id":')
    assert b" 408 " in answer.split(b"\r\n")[0]
    assert b"connection: close" in answer.lower()


def begun(http: Http, actor: str, length: int = 30) -> bytes:
    """A request whose body is still to come."""
    token = mint_token(SECRET, actor, ())
    head = f"POST {PUT} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {length}\r\n\r\n".encode() + b'{"jar'


def test_shares_are_taken_before_bodies_are_read() -> None:
    with silent_kafka(body_seconds=20.0) as http:
        with ExitStack() as held:
            for _ in range(2):
                held.enter_context(connected(http, begun(http, "cleo")))
            eventually(lambda: status(http.raw(begun(http, "cleo"))) == 429)
            answer = http.raw(begun(http, "cleo"))
            assert b"too_many" in answer
            assert b"connection: close" in answer.lower(), "what it goes on sending is no request"
        eventually(lambda: post(http, "cleo").status_code == 503)


def test_bodies_are_read_as_far_as_there_is_room_for_them() -> None:
    room = replace(FEW, memory=3 * limits.BODY, memory_each=limits.BODY)
    with silent_kafka(room) as http, connected(http, begun(http, "ann", limits.BODY - 1)):
        eventually(lambda: status(http.raw(begun(http, "ann", limits.BODY - 1))) == 429)
        assert b" 408 " in http.raw(begun(http, "ann")).split(b"\r\n")[0], "a small one"
        assert b" 408 " in http.raw(begun(http, "bob", limits.BODY - 1)).split(b"\r\n")[0], "somebody else's"


def test_a_length_must_be_said(http: Http) -> None:
    head = (
        f"POST {PUT} HTTP/1.1\r\nHost: x\r\nAuthorization: {http.operator.headers['authorization']}\r\n"
        "Content-Type: application/json\r\n\r\n"
    ).encode()
    assert b" 411 " in http.raw(head).split(b"\r\n")[0]
