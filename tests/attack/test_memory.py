"""What one principal may make a worker hold: large rows, answers that are never read, bodies that never end."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import msgspec
import pytest

from tests.attack.trying import MB, tried
from tests.kit.cluster import eventually
from tests.kit.http import SECRET, Http, Table, serving
from tests.kit.market import stall
from tests.kit.samples.town.market import StallRow
from tests.platform.http.commands.test_endpoint_refused import silent_kafka
from tests.platform.http.serving.test_connections import connected, connections_of, rest_of
from tests.platform.http.serving.test_limits import request
from verbwire.http.base import limits
from verbwire.http.base.limits import ConnectionLimits, RequestLimits
from verbwire.security.tokens import OPERATOR, mint_token

pytestmark = pytest.mark.attack

ROWS = 120
LARGE = 920_000  # bytes of a row
OTHERS = 2 * RequestLimits().memory / MB  # what sockets, decoded rows and the interpreter need besides


@pytest.fixture
def market(tmp_path: Path) -> Iterator[Http]:
    table = Table(tmp_path, "town.stalls", StallRow)
    table.put(msgspec.structs.replace(stall(number), note="x" * LARGE) for number in range(ROWS))
    with serving([table], connections=ConnectionLimits(write_seconds=5.0, idle_seconds=5.0)) as http:
        yield http


def asked(actor: str, path: str) -> bytes:
    return request(f"GET {path} HTTP/1.1", f"Authorization: Bearer {mint_token(SECRET, actor, [OPERATOR])}")


def test_lists_of_large_rows_that_nobody_reads(market: Http) -> None:
    with tried("lists of rows of 920 kB, asked 400 times and not read", None, OTHERS) as t, ExitStack() as held:
        for number in range(400):
            connection = held.enter_context(socket.socket())
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect(market.address)
            connection.sendall(asked("eve", f"/tables/stalls?page_size={ROWS}&page=1") * 4)
            t.inputs += 4
            if number % 100 == 0:
                assert row_of(market, "bob").startswith(b"HTTP/1.1 200")
        eventually(lambda: not connections_of(market), 60)
        assert row_of(market, "eve").startswith(b"HTTP/1.1 200")


def row_of(http: Http, actor: str) -> bytes:
    with connected(http, asked(actor, f"/tables/stalls/{stall(1).stall_id}")) as connection:
        return connection.recv(100)


def test_bodies_that_never_end() -> None:
    with (
        silent_kafka(RequestLimits(), body_seconds=5.0) as http,
        ExitStack() as held,
    ):
        refused = 0
        with tried("450 bodies of 1 MB, begun by one principal without a scope", None, OTHERS) as t:
            head = request(
                "POST /commands/PutCoins HTTP/1.1",
                f"Authorization: Bearer {mint_token(SECRET, 'eve', [])}",
                "Content-Type: application/json",
                f"Content-Length: {limits.BODY}",
            )
            begun = []
            for _ in range(450):
                connection = held.enter_context(socket.create_connection(http.address, timeout=20))
                connection.sendall(head)
                connection.settimeout(2)
                begun.append(connection)
                t.inputs += 1
                try:
                    connection.sendall(b'"' + b"x" * (limits.BODY - 2))
                except OSError:
                    continue  # it has been refused
            for connection in begun:
                connection.settimeout(20)
                refused += b" 429 " in rest_of(connection)[:20]
            t.told = f"{refused} were refused before they were read"
        assert refused >= 450 - RequestLimits().memory_each // limits.BODY
