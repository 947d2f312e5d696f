"""Whoever asks the shop to do something sees it done: whatever worker answers, and under whatever key it counts."""

from __future__ import annotations

import os
import re
import secrets
import subprocess
import sys
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx2 as httpx
import pytest
from confluent_kafka.admin import AdminClient

from schemas.orders import ConfirmOrder, FindOrders, GetOrder, OrderReceipt, OrderStatus, PlaceOrder
from schemas.sales import GetCustomerSales, SalesPerMinute
from tests.kit.cluster import Cluster, eventually
from verbwire import Accepted, Rejected
from verbwire.client import Client, Connection, Principal
from verbwire.contracts.schema.load import load_catalog
from verbwire.errors import NotAllowedError, NotFoundError
from verbwire.names import Names
from verbwire.secrets import workers_key
from verbwire.security.tokens import mint_token
from verbwire.settings import Settings

pytestmark = pytest.mark.kafka

ROOT = Path(__file__).parents[1]
SECONDS = 60.0
NOON = datetime(2010, 12, 1, 12, tzinfo=UTC)
SCOPES = ("orders:write", "sales:read")


class Shop:
    """A part of the shop's groups on two workers: no worker has all that a question needs."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self.cluster = cluster
        self._secret = secrets.token_hex(32)
        self.names = Names("shop", f"t{uuid.uuid4().hex[:10]}")
        self._environment = {
            **os.environ,
            "VERBWIRE_BOOTSTRAP": cluster.bootstrap,
            "VERBWIRE_REGISTRY": cluster.registry_url,
            "VERBWIRE_PREFIX": self.names.prefix,
            "VERBWIRE_PARTITIONS": "2",
            "VERBWIRE_DATA": str(folder),
            "VERBWIRE_HTTP_SECRET": self._secret,
            "VERBWIRE_HTTP_PORT": "0",
        }
        self._processes: list[subprocess.Popen[bytes]] = []
        self._folder = folder

    def deploy(self) -> None:
        """Make its topics and schemas."""
        subprocess.run([*_CLI, "deploy"], cwd=ROOT, env=self._environment, check=True, capture_output=True)

    def start(self, name: str, *groups: str) -> None:
        """Start a worker."""
        with (self._folder / f"{name}.log").open("wb") as log:
            command = [*_CLI, "worker", *groups, "--name", name]
            self._processes.append(
                subprocess.Popen(command, cwd=ROOT, env=self._environment, stdout=log, stderr=subprocess.STDOUT)
            )

    def url(self, name: str) -> str:
        """Where a worker's HTTP is, once it serves."""
        found = re.compile(r"HTTP on (\S+):(\d+)")
        log = self._folder / f"{name}.log"
        serves = eventually(lambda: found.search(log.read_text()), SECONDS)
        assert serves
        return "http://{}:{}".format(*serves.groups())

    def token(self, actor: str, scopes: tuple[str, ...] = SCOPES) -> str:
        """What somebody shows HTTP."""
        return mint_token(self._secret, actor, scopes)

    def client(self, actor: str = "4711", scopes: tuple[str, ...] = SCOPES) -> Client:
        """Somebody who asks."""
        token = self.token(actor, scopes)
        return Client(
            Connection(
                self.cluster.bootstrap,
                self.cluster.registry_url,
                self.names,
                load_catalog(ROOT / "schemas"),
                principal=Principal(actor, scopes),
                token=lambda: token,
                workers_key=lambda: workers_key(Settings(http_secret=self._secret)),
            )
        )

    def stop(self) -> None:
        """End the workers, and leave nothing on the broker: it may serve many runs."""
        for process in self._processes:
            process.kill()
            process.wait()
        admin = AdminClient({"bootstrap.servers": self.cluster.bootstrap, "log_level": 3})
        mine = [name for name in admin.list_topics(timeout=30).topics if name.startswith(f"{self.names.prefix}.")]
        for future in admin.delete_topics(mine).values():
            future.result()


_CLI = (sys.executable, "-c", "from verbwire.cli import main; main()")


@pytest.fixture(scope="module")
def shop(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    opened = Shop(cluster, tmp_path_factory.mktemp("shop"))
    opened.deploy()
    opened.start("one", "shop.orders.aggregate", "shop.sales_per_customer", "shop.sales_per_minute")
    opened.start("two", "shop.orders", "shop.sales_per_customer")
    yield opened
    opened.stop()


def test_what_one_has_asked_for_is_seen_at_once(shop: Shop) -> None:
    with shop.client() as client:
        for number in range(1, 9):
            order = f"A{number}"
            placed = client.ask(
                PlaceOrder(order_id=order, customer_id="4711", country="France", total_pence=100, placed_at=NOON)
            )
            assert placed.result(SECONDS) == Accepted(
                reply=OrderReceipt(order_id=order, total_pence=100, placed_at=NOON)
            )
            assert client.query(GetOrder(order_id=order), SECONDS).result().status is OrderStatus.PLACED
            assert client.ask(ConfirmOrder(order_id=order)).result(SECONDS) == Accepted()
            # Counted under another key than the order's, by way of a topic of the table's own.
            sales = client.query(GetCustomerSales(customer_id="4711"), SECONDS).result()
            assert (sales.orders, sales.total_pence) == (number, 100 * number)
            found = client.query(FindOrders(status=OrderStatus.CONFIRMED, page_size=100), SECONDS).result()
            assert found.complete
            assert {row.order_id for row in found.rows} == {f"A{n}" for n in range(1, number + 1)}
        minutes = client.query(SalesPerMinute(country="France", minute_from=NOON), SECONDS).result()
        assert [(row.minute, row.orders) for row in minutes.rows] == [(NOON, 8)]


@pytest.mark.parametrize("worker", ["one", "two"])
@pytest.mark.parametrize(
    "path", ["GetOrder?order_id=A1", "FindOrders", "GetCustomerSales?customer_id=4711", "SalesPerMinute"]
)
def test_what_nobody_can_have_seen_is_not_waited_for(shop: Shop, worker: str, path: str) -> None:
    """Wherever the rows are, and under whatever key they count."""
    events, far = shop.names.events("shop.orders"), 10**15
    headers = {"Authorization": f"Bearer {shop.token('4711')}"}
    with httpx.Client(base_url=shop.url(worker), headers=headers, timeout=60) as client:
        for place in (f"0:{far},1:{far}", "2:1"):
            told = eventually(lambda: told_of(client, path, f"{events}={place}"), SECONDS)  # noqa: B023
            assert told is not None
            assert (told.status_code, told.json()["code"]) == (400, "bad_position"), told.text
        told = told_of(client, path, f"{shop.names.events('shop.order')}=0:1")
        assert told is not None
        assert (told.status_code, told.json()["code"]) == (400, "unknown_topic")


def told_of(client: httpx.Client, path: str, position: str) -> httpx.Response | None:
    """Ask until whoever has the rows is there."""
    answer = client.get(f"/queries/{path}", headers={"Verbwire-Position": position})
    return None if answer.status_code == 503 and answer.json()["code"] != "behind" else answer


def test_what_is_refused_changes_nothing_that_is_seen(shop: Shop) -> None:
    with shop.client() as client:
        assert isinstance(client.ask(ConfirmOrder(order_id="never")).result(SECONDS), Rejected)
        with pytest.raises(NotFoundError):
            client.query(GetOrder(order_id="never"), SECONDS).result()
    with shop.client("another", ()) as stranger:
        with pytest.raises(NotFoundError):
            stranger.query(GetOrder(order_id="A1"), SECONDS).result()
        with pytest.raises(NotAllowedError):
            stranger.query(SalesPerMinute(), SECONDS).result()
