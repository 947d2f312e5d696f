"""Those who may write the directory's topic, who collect what workers show each other, or who never finish TLS."""

from __future__ import annotations

import random
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pytest
from confluent_kafka import Producer

from tests.attack.test_connections import SECONDS, SLOWEST
from tests.attack.trying import tried
from tests.kit.bank import Bank
from tests.kit.certificates import Authority
from tests.kit.cluster import Cluster, eventually
from tests.kit.http import SHELVES, Http, ShelfRow, Table, serving, shelf
from tests.platform.discovery.test_trust import KEY, announced
from tests.platform.http.forwarding.test_peers import WORKERS_SECRET, said_by
from verbwire.discovery.directory import Directory
from verbwire.http.access.peer_tokens import PeerTokens
from verbwire.http.base.limits import ConnectionLimits
from verbwire.http.serving.certificate import Certificate
from verbwire.security.tls import Authorities
from verbwire.security.tokens import OPERATOR
from verbwire.security.workers_key import SigningKey, VerifyingKey
from verbwire.wire.records.signatures import SIGNATURE, SIGNED_AT, signed
from verbwire.wire.records.workers import WORKER, WorkerRecord

pytestmark = pytest.mark.attack


@pytest.fixture
def bank(cluster: Cluster, unique: str) -> Iterator[Bank]:
    with closing(Bank(cluster, unique, 1)) as opened:
        yield opened


def test_records_of_every_sort_in_the_directory(bank: Bank) -> None:
    """Unsigned, signed by another key, mutilated, moved, and written again later: none of them is a worker's."""
    dice, topic, other = random.Random(9), bank.names.workers(), SigningKey(b"?" * 32)  # noqa: S311
    encode = bank.codec.encoder(WORKER)
    with (
        tried("records of rogues in the directory", None, 96) as t,
        closing(Directory(bank.kafka, bank.codec, VerifyingKey(KEY.public()).verify)) as directory,
        announced(bank, "genuine", "http://genuine:1", 0),
    ):
        directory.start()
        directory.wait(30)
        producer = Producer({**bank.kafka, "log_level": 3, "linger.ms": 5})
        for number in range(20_000):
            name = dice.choice(["genuine", f"rogue-{number % 500}"])
            key, now = name.encode(), round(time.time() * 1000)
            value = encode(WorkerRecord(name=name, url="http://rogue:1", started_at=now, beat=number))
            headers = dict(signed(dice.choice([other, KEY]).sign, topic, key, value, now))
            match dice.randrange(6):
                case 0:
                    headers = {}
                case 1:
                    headers[SIGNED_AT] = dice.choice([b"", b"-1", b"9" * 40, b"\xff", b"%d" % (now + 1)])
                case 2:
                    headers[SIGNATURE] = dice.randbytes(dice.choice([0, 63, 64, 65, 5000]))
                case 3:
                    value = value[:-1] + bytes([value[-1] ^ 1])
                case 4:
                    headers = dict(signed(other.sign, topic, key, value, now))
                case _:
                    headers = dict(signed(KEY.sign, dice.choice(["t.workers", ""]), key, value, now))
            with suppress(BufferError):
                producer.produce(topic, dice.choice([value, value, None]), key, partition=0, headers=[*headers.items()])
            producer.poll(0)
            t.inputs += 1
        producer.flush(60)
        eventually(lambda: directory._newest[0] >= now, 60)
        assert {each.worker.url for each in directory.seen() if each.worker.name == "genuine"} == {"http://genuine:1"}
        assert [each.url for each in directory.workers() if each.url == "http://rogue:1"] == []
        assert len(directory.doubted()) <= 100
        t.told = f"{len(directory.doubted())} are shown as not believed"


def test_tokens_that_were_collected(tmp_path: Path) -> None:
    """Shown for other requests, mutilated, and under other headers."""
    dice = random.Random(10)  # noqa: S311
    tokens, table = PeerTokens(WORKERS_SECRET, "w0"), Table(tmp_path, SHELVES, ShelfRow)
    table.put(map(shelf, range(100)))
    with serving([table], tokens=tokens) as http, tried("tokens between workers, collected", None, 48) as t:
        paths = [f"/tables/shelves/shelf%20{number:05}" for number in range(100)]
        began, answered = time.monotonic(), 0
        while time.monotonic() - began < SECONDS:
            path = dice.choice(paths)
            headers = said_by("w1", http, path, [OPERATOR])
            match dice.randrange(3):
                case 0:
                    path = dice.choice([each for each in paths if each != path])
                case 1:
                    token = bytearray(headers["Authorization"].encode())
                    place = dice.randrange(len("Bearer "), len(token) - 1)  # the last character has bits to spare
                    token[place] = ord(dice.choice("AbC9-_.")) if token[place] != ord("A") else ord("B")
                    if bytes(token) == headers["Authorization"].encode():
                        continue
                    headers["Authorization"] = token.decode()
                case _:
                    headers["Verbwire-Partitions"] = str(dice.randrange(4))
            answered += http.nobody.get(path, headers=headers).status_code != 401
            t.inputs += 1
        assert answered == 0


def test_handshakes_without_end(tmp_path: Path) -> None:
    """As many as there are places, again and again; others are answered all the time."""
    authority = Authority(tmp_path)
    begun = (b"", b"\x16\x03\x01\x02\x00\x01", b"\x16\x03\x01\x40\x00" + b"\0" * 5000, b"GET / HTTP/1.1\r\n\r\n")
    context = Authorities(authority.file).context()
    with (
        serving(certificate=Certificate(*authority.issue()), ca=authority.file) as https,
        tried("TLS handshakes that never end", None, 96) as t,
    ):
        slowest, began = 0.0, time.monotonic()
        while time.monotonic() - began < SECONDS:
            with ExitStack() as held:
                for _ in range(ConnectionLimits().connections):
                    silent = held.enter_context(socket.create_connection(https.address, timeout=10))
                    with suppress(OSError):
                        silent.sendall(random.choice(begun))  # noqa: S311
                    t.inputs += 1
                slowest = max(slowest, asked(https, context, b"/health/live", b"200"))
                slowest = max(slowest, asked(https, context, b"/tables", b"401"))
        t.told = f"the slowest answer to somebody else took {slowest * 1000:.0f} ms"
        assert slowest < SLOWEST


def asked(https: Http, context: ssl.SSLContext, path: bytes, status: bytes) -> float:
    """Ask on a connection of its own, and return how many seconds the answer took."""
    began = time.monotonic()
    with (
        socket.create_connection(https.address, timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as connection,
    ):
        connection.sendall(b"GET " + path + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 " + status), answer[:100]
    return time.monotonic() - began
