"""A rogue that may write the directory's topic: it is asked nothing, shown nothing, and believed nowhere."""

from __future__ import annotations

import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest
from confluent_kafka import Producer

from tests.kit.bank import Bank
from tests.kit.cluster import eventually
from tests.kit.http import CATALOG, SECRET
from tests.kit.market import Market, open_market, stall
from tests.kit.samples.town.market import GetStall
from verbwire.client.base.connection import Connection
from verbwire.client.base.positions import SeenPositions
from verbwire.client.querying.querier import Querier
from verbwire.discovery.announcer import Announcer
from verbwire.discovery.directory import Directory
from verbwire.engine.state.partition_state import PartitionState
from verbwire.errors import ConfigurationError, UnavailableError
from verbwire.http.access.peer_tokens import PeerTokens
from verbwire.http.forwarding.peers import Peers
from verbwire.security.tokens import mint_token
from verbwire.security.workers_key import SigningKey, VerifyingKey
from verbwire.wire.codec.topics import Codec
from verbwire.wire.records.workers import WORKER, GroupShare, WorkerRecord

pytestmark = pytest.mark.kafka
WORKERS = "the secret of the workers of this town, long enough"
KEY = SigningKey(b"a key of these workers, 32 bytes")
STALLS, PARTITIONS = "town.stalls", (0, 1, 2, 3)


class Rogue:
    """Listens where it says that a worker is, and keeps whatever comes."""

    def __init__(self) -> None:
        collected: list[bytes] = []

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                collected.append(self.request.recv(65536))
                self.request.sendall(
                    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
                )

        self.collected = collected
        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self.url = "http://{}:{}".format(*self._server.server_address[:2])
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def writes(self, bank: Bank, *names: str) -> None:
        """Say that it is each of these workers, and has every partition since the latest generation."""
        producer, share = (
            Producer({**bank.kafka, "log_level": 3}),
            GroupShare(group=STALLS, generation=1_000_000, owned=PARTITIONS, ready=PARTITIONS, caught_up=PARTITIONS),
        )
        for name in names:
            record = WorkerRecord(name=name, url=self.url, started_at=0, beat=0, groups=(share,))
            value = bank.codec.encoder(WORKER)(record)
            producer.produce(bank.names.workers(), value, name.encode(), partition=0)
        producer.flush(10)


@contextmanager
def announced(bank: Bank, name: str, url: str, *owned: int) -> Iterator[None]:
    """A worker that says, signed, what it has."""
    shares = [GroupShare(group=STALLS, generation=1, owned=owned, ready=owned, caught_up=owned)]
    announcer = Announcer(
        *(bank.kafka, bank.codec, name, lambda: shares, lambda _: None),
        now_ms=lambda: round(time.time() * 1000),
        sign=KEY.sign,
    )
    announcer.start(url)
    try:
        yield
    finally:
        announcer.close()


@pytest.fixture
def rogue() -> Iterator[Rogue]:
    with closing(Rogue()) as opened:
        yield opened


@contextmanager
def asking(bank: Bank, key: str | None = KEY.public()) -> Iterator[Querier]:
    """A client that knows the workers' public key, or does not; it shows a token that is good for a day."""
    connection = Connection(
        *(bank.cluster.bootstrap, bank.cluster.registry_url, bank.names, CATALOG),
        token=lambda: mint_token(SECRET, "ann", ["stalls:read", "stalls:all"], 86_400),
        workers_key=lambda: key,
    )
    codec = Codec(CATALOG, bank.registry, bank.names)
    with closing(Querier(connection, lambda: codec, SeenPositions())) as querier:
        yield querier


def test_a_forged_directory_entry_collects_no_token(bank: Bank, rogue: Rogue, tmp_path: Path) -> None:
    """Neither what clients show nor what workers show each other, whichever name the rogue takes."""
    with ExitStack() as stack:
        markets = dict[str, Market]()
        directory = stack.enter_context(closing(Directory(bank.kafka, bank.codec, VerifyingKey(KEY.public()).verify)))
        directory.start()
        directory.wait(30)
        for name, owned in (("m0", PARTITIONS[:2]), ("m1", PARTITIONS[2:])):
            tokens = PeerTokens(WORKERS, name)
            market = markets[name] = stack.enter_context(
                open_market(tmp_path / name, Peers(directory, name, tokens), tokens)
            )
            for partition, state in market.stalls.store_reader.states.items():
                state.state = PartitionState.RUNNING if partition in owned else PartitionState.CLOSED
            stack.enter_context(announced(bank, name, "http://{}:{}".format(*market.http.address), *owned))
        eventually(lambda: all(directory.owner(STALLS, partition) for partition in PARTITIONS), 30)
        rogue.writes(bank, "m0", "rogue", "m1")
        eventually(lambda: [each.name for each in directory.doubted() if each.url == rogue.url], 30)
        for _ in range(2):
            with asking(bank) as querier:
                answers = [querier.query(GetStall(stall_id=f"{number:02}"), 10.0, None) for number in range(12)]
                assert [answer.result(10) for answer in answers] == [stall(number) for number in range(12)]
        for market in markets.values():
            page = market.ask("/queries/FindStalls?page_size=24").json()
            assert (page["complete"], len(page["rows"])) == (True, 24)
    assert rogue.collected == []


def test_a_client_that_cannot_tell_workers_from_others_refuses(bank: Bank, rogue: Rogue) -> None:
    rogue.writes(bank, "rogue-6")
    with asking(bank, None) as querier, pytest.raises(ConfigurationError) as refused:
        querier.query(GetStall(stall_id="07"), 1.0, None)
    assert "VERBWIRE_HTTP_WORKERS_KEY" in str(refused.value)
    assert "VERBWIRE_HTTP_ENDPOINTS" in str(refused.value)
    with asking(bank, SigningKey(b"o" * 32).public()) as querier, pytest.raises(UnavailableError, match="not believed"):
        querier.query(GetStall(stall_id="07"), 0.2, None).result()
    assert rogue.collected == []
