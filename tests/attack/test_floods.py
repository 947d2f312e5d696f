"""One principal's floods: waits for what does not come, commands that are refused, more questions than anybody may ask.

Somebody else's answers are timed meanwhile.
"""

from __future__ import annotations

import asyncio
import statistics
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import httpx2 as httpx
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from schemas.orders import GetOrder, PlaceOrder
from tests.attack.trying import tried
from tests.kit.cluster import Cluster
from tests.kit.http import SECRET, SHELVES, ShelfRow, Table, serving
from tests.test_own_writes import SECONDS, Shop
from verbwire.http.access.rates import Rates
from verbwire.http.base import limits
from verbwire.security.tokens import OPERATOR, mint_token

pytestmark = [pytest.mark.attack, pytest.mark.kafka]

WAITS = 300
FLOOD_SECONDS = 9.0
SAMPLE_SECONDS = 3.0  # for which somebody else asks meanwhile
COMMAND = 8192  # bytes of a refused command
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


@dataclass(frozen=True)
class Flood:
    """What one principal sends, by a process of its own: the client that is timed has another one."""

    url: str
    token: str

    def waits(self, path: str, position: str) -> Counter[int]:
        """Ask again as soon as there is an answer, after a refusal when it says so; return what was answered."""
        return asyncio.run(self._waits(path, position))

    async def _waits(self, path: str, position: str) -> Counter[int]:
        told: Counter[int] = Counter()
        until = time.monotonic() + FLOOD_SECONDS
        places = httpx.Limits(max_connections=WAITS, max_keepalive_connections=WAITS)
        headers = {"Authorization": f"Bearer {self.token}", "Verbwire-Position": position}
        async with httpx.AsyncClient(base_url=self.url, headers=headers, limits=places, timeout=30) as client:

            async def one() -> None:
                while time.monotonic() < until:
                    answer = await client.get(path)
                    told[answer.status_code] += 1
                    if answer.status_code != 503:
                        await asyncio.sleep(1)

            await asyncio.gather(*(one() for _ in range(WAITS)))
        return told

    def commands(self) -> Counter[int]:
        """Send commands one after the other; return how they were answered."""
        told: Counter[int] = Counter()
        until = time.monotonic() + FLOOD_SECONDS
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        with httpx.Client(base_url=self.url, headers=headers, timeout=30) as client:
            while time.monotonic() < until:
                told[client.post("/commands/PlaceOrder", content=b" " * COMMAND).status_code] += 1
        return told


@contextmanager
def meanwhile(
    shop: Shop, processes: int, sends: Callable[[Flood], Counter[int]]
) -> Iterator[list[Future[Counter[int]]]]:
    """Have others flood the shop's worker during the block; it begins once they have."""
    this = Flood(shop.url("one"), shop.token("eve", ("sales:read",)))
    with ProcessPoolExecutor(processes, get_context("spawn")) as pool:
        flooding = [pool.submit(sends, this) for _ in range(processes)]
        time.sleep(FLOOD_SECONDS - SAMPLE_SECONDS - 2)
        yield flooding


def milliseconds(shop: Shop) -> float:
    """Return the median time of somebody else's GetOrder."""
    headers = {"Authorization": f"Bearer {shop.token('4711')}"}
    seconds: list[float] = []
    with httpx.Client(base_url=shop.url("one"), headers=headers, timeout=30) as client:
        while sum(seconds) < SAMPLE_SECONDS:
            began = time.perf_counter()
            assert client.get(f"/queries/GetOrder?order_id={ORDERS[len(seconds) % len(ORDERS)]}").status_code == 200
            seconds.append(time.perf_counter() - began)
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
    position = f"{shop.names.events('shop.orders')}=0:999999999999,1:999999999999"
    flooded(shop, f"{WAITS} waits of {path} for offsets beyond the end", 1, partial(waits, path, position))


@pytest.mark.parametrize("path", PATHS)
def test_waits_for_what_does_not_come(shop: Shop, path: str) -> None:
    with held_back(shop) as position:
        flooded(shop, f"{WAITS} waits of {path} for what a transaction holds back", 1, partial(waits, path, position))


def test_commands_without_permission(shop: Shop) -> None:
    """What is refused is kept by nobody: it used to fill the command topic for a month."""
    topic = shop.names.commands("shop.orders")
    stored = end_of(shop, topic)
    told = flooded(shop, f"commands of {COMMAND} bytes by one principal without the scope", 2, Flood.commands)
    assert end_of(shop, topic) == stored
    assert set(told) <= {403, 429}


def waits(path: str, position: str, this: Flood) -> Counter[int]:
    return this.waits(path, position)


def flooded(shop: Shop, what: str, processes: int, sends: Callable[[Flood], Counter[int]]) -> Counter[int]:
    """Time somebody else's answers before and during a flood, and return what was answered to the flood."""
    before = milliseconds(shop)
    with tried(what) as t:
        with meanwhile(shop, processes, sends) as flooding:
            during = milliseconds(shop)
        told = sum((each.result() for each in flooding), Counter[int]())
        t.inputs = told.total()
        t.told = f"GetOrder of somebody else {before:.1f} -> {during:.1f} ms; {dict(told)}"
        assert during < SLOWER * before
    return told


def end_of(shop: Shop, topic: str) -> int:
    """Return how many records a topic of two partitions has had."""
    consumer = Consumer({"bootstrap.servers": shop.cluster.bootstrap, "group.id": "unused"})
    try:
        return sum(consumer.get_watermark_offsets(TopicPartition(topic, each), 10)[1] for each in range(2))
    finally:
        consumer.close()


def test_more_questions_than_one_may_ask(tmp_path: Path) -> None:
    rate, seconds = 200, 6.0
    with serving([Table(tmp_path, SHELVES, ShelfRow)], rates=Rates(queries=rate)) as http:
        told: Counter[int] = Counter()
        headers = {"Authorization": f"Bearer {mint_token(SECRET, 'eve', [OPERATOR])}"}
        with (
            tried(f"questions by one principal who may ask {rate} a second, for {seconds:.0f} s") as t,
            httpx.Client(base_url=http.operator.base_url, headers=headers) as eve,
        ):
            began = time.monotonic()
            while time.monotonic() - began < seconds:
                told[eve.get("/tables").status_code] += 1
                if told.total() % 100 == 0:
                    assert http.operator.get("/tables").status_code == 200
            t.inputs, t.told = told.total(), str(dict(told))
            assert told[200] <= rate * (time.monotonic() - began + limits.BURST_SECONDS) + 1
