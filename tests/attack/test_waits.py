"""Waits for positions: of places that are not there, and of places that a table cannot get to."""

from __future__ import annotations

import asyncio
import statistics
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

import httpx2 as httpx
import pytest
from confluent_kafka import Producer

from schemas.orders import GetOrder, PlaceOrder
from tests.attack.trying import tried
from tests.cluster import Cluster
from tests.test_own_writes import SECONDS, Shop

pytestmark = [pytest.mark.attack, pytest.mark.kafka]

WAITS = 300
ASKED = 400  # by somebody else meanwhile
ORDERS = [f"W{number}" for number in range(20)]
PATHS = ["/queries/GetOrder?order_id=W1", "/queries/GetCustomerSales?customer_id=4711"]  # the second is re-keyed
SLOWER = 4.0  # times as slow as before may the others' answers be


@pytest.fixture(scope="module")
def shop(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    opened = Shop(cluster, tmp_path_factory.mktemp("shop"))
    opened.deploy()
    opened.start("one", "shop.orders.aggregate", "shop.orders", "shop.sales_per_customer")
    with opened.client() as client:
        for order in ORDERS:
            placed = PlaceOrder(
                order_id=order, customer_id="4711", country="France", total_pence=1, placed_at=datetime.now(UTC)
            )
            client.ask(placed).result(SECONDS)
            client.query(GetOrder(order_id=order), SECONDS).result()
    yield opened
    opened.stop()


@dataclass
class Flood:
    """Somebody's questions, each sent again as soon as it is answered; after a refusal when it says so."""

    url: str
    token: str
    path: str
    position: str
    told: Counter[int] = field(default_factory=Counter)
    over: threading.Event = field(default_factory=threading.Event)

    async def run(self) -> None:
        limits = httpx.Limits(max_connections=WAITS, max_keepalive_connections=WAITS)
        headers = {"Authorization": f"Bearer {self.token}", "Verbwire-Position": self.position}
        async with httpx.AsyncClient(base_url=self.url, headers=headers, limits=limits, timeout=30) as client:
            await asyncio.gather(*(self._one(client) for _ in range(WAITS)))

    async def _one(self, client: httpx.AsyncClient) -> None:
        while not self.over.is_set():
            with suppress(httpx.HTTPError):
                answer = await client.get(self.path)
                self.told[answer.status_code] += 1
                if answer.status_code != 503:
                    await asyncio.sleep(1)


@contextmanager
def flood(shop: Shop, path: str, position: str) -> Iterator[Flood]:
    this = Flood(shop.url("one"), shop.token("eve"), path, position)
    thread = threading.Thread(target=lambda: asyncio.run(this.run()))
    thread.start()
    try:
        time.sleep(1)  # they are all there
        yield this
    finally:
        this.over.set()
        thread.join()


def milliseconds(shop: Shop) -> float:
    """Return the median time of somebody else's GetOrder."""
    headers = {"Authorization": f"Bearer {shop.token('4711')}"}
    seconds = []
    with httpx.Client(base_url=shop.url("one"), headers=headers, timeout=30) as client:
        for number in range(ASKED):
            began = time.perf_counter()
            assert client.get(f"/queries/GetOrder?order_id={ORDERS[number % len(ORDERS)]}").status_code == 200
            seconds.append(time.perf_counter() - began)
            if sum(seconds) > 30:
                break
    return statistics.median(seconds) * 1000


@contextmanager
def held_back(shop: Shop) -> Iterator[str]:
    """A transaction that stays open: the log goes on behind it, and no table may read on. The positions behind it."""
    topic = shop.names.events("shop.orders")
    producer = Producer(
        {
            "bootstrap.servers": shop.cluster.bootstrap,
            "transactional.id": uuid.uuid4().hex,
            "transaction.timeout.ms": 60_000,
        }
    )
    producer.init_transactions()
    producer.begin_transaction()
    places: dict[int, int] = {}
    for partition in range(2):
        producer.produce(
            topic, b"x", b"x", partition, on_delivery=lambda _, m: places.update({m.partition(): m.offset()})
        )
    producer.flush()
    try:
        yield f"{topic}=" + ",".join(f"{partition}:{offset + 1}" for partition, offset in places.items())
    finally:
        producer.abort_transaction()


@pytest.mark.parametrize("path", PATHS)
def test_waits_for_what_is_not_there(shop: Shop, path: str) -> None:
    before = milliseconds(shop)
    with tried(f"{WAITS} waits of {path} for offsets beyond the end, by one principal") as t:
        with flood(shop, path, f"{shop.names.events('shop.orders')}=0:999999999999,1:999999999999") as flooding:
            during = milliseconds(shop)
        t.inputs = flooding.told.total()
        t.told = f"GetOrder of somebody else {before:.1f} -> {during:.1f} ms; {dict(flooding.told)}"
        assert during < SLOWER * before


@pytest.mark.parametrize("path", PATHS)
def test_waits_for_what_does_not_come(shop: Shop, path: str) -> None:
    before = milliseconds(shop)
    with tried(f"{WAITS} waits of {path} for what a transaction holds back") as t, held_back(shop) as at:
        with flood(shop, path, at) as flooding:
            during = milliseconds(shop)
        t.inputs = flooding.told.total()
        t.told = f"GetOrder of somebody else {before:.1f} -> {during:.1f} ms; {dict(flooding.told)}"
        assert during < SLOWER * before
