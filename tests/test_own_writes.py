"""Whoever asks the shop to do something sees it done: whatever worker answers, and under whatever key it counts."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient

from schemas.orders import ConfirmOrder, FindOrders, GetOrder, OrderReceipt, OrderStatus, PlaceOrder
from schemas.sales import GetCustomerSales, SalesPerMinute
from tests.cluster import Cluster
from verbwire import Accepted, Rejected
from verbwire.contracts.load import load_catalog
from verbwire.development import workers_key
from verbwire.errors import NotAllowedError, NotFoundError
from verbwire.names import Names
from verbwire.sdk import Client, Connection, Identity
from verbwire.settings import Settings
from verbwire.tokens import mint_token

pytestmark = pytest.mark.kafka

ROOT = Path(__file__).parents[1]
SECONDS = 60.0
NOON = datetime(2010, 12, 1, 12, tzinfo=UTC)
SCOPES = ("orders:write", "sales:read")


class Shop:
    """A part of the shop's groups on two workers: no worker has all that a question needs."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self._cluster = cluster
        self._secret = secrets.token_hex(32)
        self._names = Names("shop", f"t{uuid.uuid4().hex[:10]}")
        self._environment = {
            **os.environ,
            "VERBWIRE_BOOTSTRAP": cluster.bootstrap,
            "VERBWIRE_REGISTRY": cluster.registry_url,
            "VERBWIRE_PREFIX": self._names.prefix,
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

    def client(self, actor: str = "4711", scopes: tuple[str, ...] = SCOPES) -> Client:
        """Somebody who asks."""
        token = mint_token(self._secret, actor, scopes)
        return Client(
            Connection(
                self._cluster.bootstrap,
                self._cluster.registry_url,
                self._names,
                load_catalog(ROOT / "schemas"),
                identity=Identity(actor, scopes),
                token=lambda: token,
                workers_key=lambda: workers_key(Settings(http_secret=self._secret)),
            )
        )

    def stop(self) -> None:
        """End the workers, and leave nothing on the broker: it may serve many runs."""
        for process in self._processes:
            process.kill()
            process.wait()
        admin = AdminClient({"bootstrap.servers": self._cluster.bootstrap, "log_level": 3})
        mine = [name for name in admin.list_topics(timeout=30).topics if name.startswith(f"{self._names.prefix}.")]
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
