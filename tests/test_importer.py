"""The importer on a real broker: what arrives, in which order, on whose behalf, and once more."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from producers.importer import Imported, importing_client, send_credits, send_sales
from producers.sales_lines import Sales, SalesLine, ToSend, read_sales
from producers.settling import Orders
from schemas.accounts import CreditBalance
from schemas.carts import AddProductToCart, CheckOutCart
from schemas.orders import OrderCancelled, OrderConfirmed, OrderPlaced
from tests.kit.cluster import Cluster, eventually, records
from verbwire.client.base.connection import Connection
from verbwire.contracts.schema.load import load_catalog
from verbwire.deploy.deployment import deploy
from verbwire.deploy.target import Target
from verbwire.errors import ContractError
from verbwire.names import Names
from verbwire.wire.codec.topics import Codec
from verbwire.wire.headers import Headers
from verbwire.wire.registry.client import Registry

pytestmark = pytest.mark.kafka

ROOT = Path(__file__).parents[1]
REAL = ROOT / "producers/data/online_retail_2010-12.csv.gz"
CATALOG = load_catalog(ROOT / "schemas")
CONTEXTS = ["shop.carts", "shop.accounts", "shop.orders"]  # where it sends to, and what it waits for
LINES = 600  # with credits, rejected lines and many invoices among them


@pytest.fixture
def connection(cluster: Cluster, unique: str) -> Connection:
    names = Names("shop", unique)
    deploy(Target(cluster.bootstrap, cluster.registry_url, names, partitions=3), CATALOG, [], CONTEXTS)
    return Connection(cluster.bootstrap, cluster.registry_url, names, CATALOG)


@pytest.fixture(scope="module")
def sales(tmp_path_factory: pytest.TempPathFactory) -> Sales:
    path = tmp_path_factory.mktemp("sales") / "some.csv"
    with gzip.open(REAL) as file:
        path.write_bytes(b"".join(islice(file, LINES + 1)) + b"539650,84347,R")
    return read_sales(path)


def sent_by(sales: Sales) -> list[ToSend]:
    return [line for line in sales if isinstance(line, ToSend)]


def unheard(_line: SalesLine | None, _done: Imported) -> None:
    pass


def send_all(connection: Connection, sales: Sales) -> Imported:
    """As the importer does, but for the wait between sales and credits: nobody decides here."""
    done = Imported()
    with importing_client(connection) as client:
        send_sales(client, sales, done, unheard)
        send_credits(client, sales, done, unheard)
    return done


def test_every_command_arrives_in_order_with_its_id_and_the_importers_rights(
    connection: Connection, sales: Sales
) -> None:
    done = send_all(connection, sales)
    sent = sent_by(sales)
    assert done.commands == len(sent) == sum(done.ends.values())
    assert done.lines == LINES + 1
    assert done.unreadable == 1
    assert done.not_addressable == LINES - done.sent["AddProductToCart"] - done.sent["CreditBalance"]
    carts = [line for line in sent if not isinstance(line.command, CreditBalance)]
    credits = [line for line in sent if isinstance(line.command, CreditBalance)]
    assert len(credits) == done.sent["CreditBalance"] > 5
    expect_in_order(connection, "shop.carts", carts)
    expect_in_order(connection, "shop.accounts", credits)


def expect_in_order(connection: Connection, context: str, sent: list[ToSend]) -> None:
    topic = connection.names.commands(context)
    codec = Codec(CATALOG, Registry(connection.registry), connection.names)
    classes = {type(line.command).__contract__: type(line.command) for line in sent}
    decode = codec.topic_decoder(topic, context, classes).decode
    arrived: dict[str, list[tuple[str | None, object]]] = {}
    for record in sorted(
        records(connection.bootstrap, topic, len(sent)), key=lambda each: (each.partition(), each.offset())
    ):
        headers = Headers(record.headers())
        assert (headers.actor, set(headers.scopes)) == ("sales-importer", {"carts:write", "accounts:write"})
        arrived.setdefault(record.key().decode(), []).append((headers.id, decode(record.value())))
    expected: dict[str, list[tuple[str | None, object]]] = {}
    for line in sent:
        expected.setdefault(key(line), []).append((line.id, line.command))
    assert arrived == expected


def key(line: ToSend) -> str:
    match line.command:
        case AddProductToCart(cart_id=cart_id) | CheckOutCart(cart_id=cart_id):
            return cart_id
        case CreditBalance(account_id=account_id):
            return account_id


def test_an_import_that_was_broken_off_sends_the_same_commands_again(connection: Connection, sales: Sales) -> None:
    lines = list(sales)

    def interrupt(line: SalesLine | None, _done: Imported) -> None:
        if line == lines[100]:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), importing_client(connection) as client:
        send_sales(client, sales, Imported(), interrupt)
    send_all(connection, sales)
    ids = [line.id for line in sent_by(sales) if not isinstance(line.command, CreditBalance)]
    before = [line.id for line in lines[:101] if isinstance(line, ToSend) and line.id in ids]
    found = records(connection.bootstrap, connection.names.commands("shop.carts"), len(before) + len(ids))
    assert sorted(str(Headers(record.headers()).id) for record in found) == sorted(before + ids)


def test_orders_that_came_of_the_file_are_counted_when_they_are_confirmed_or_cancelled(
    connection: Connection,
) -> None:
    fields: dict[str, Any] = {"country": "EIRE", "total_pence": 500, "placed_at": datetime(2010, 12, 1, tzinfo=UTC)}
    with importing_client(connection) as client:
        for number, flow in [("1", "mine:checkout:1"), ("2", "mine:checkout:2"), ("3", "other:checkout:3")]:
            placed = OrderPlaced(order_id=number, **fields)
            confirmed = OrderConfirmed(order_id=number, **fields)
            cancelled = OrderCancelled(order_id=number, reason="", **fields)
            client.publish(placed, correlation_id=flow).result(10)
            client.publish(cancelled if number == "2" else confirmed, correlation_id=flow).result(10)
        client.publish(OrderPlaced(order_id="4", **fields), correlation_id="mine:checkout:4").result(10)
    with Orders(connection, "mine:") as orders:
        seen = []

        def looked() -> bool:
            orders.look()
            seen.append(orders.settled)
            return seen[-3:] == [2, 2, 2]

        assert eventually(looked)


def test_a_cluster_without_the_topics_is_told_what_to_do(cluster: Cluster, unique: str, sales: Sales) -> None:
    nowhere = Connection(cluster.bootstrap, cluster.registry_url, Names("shop", unique), CATALOG)
    with importing_client(nowhere) as client, pytest.raises(ContractError, match="verbwire deploy"):
        send_sales(client, sales, Imported(), unheard)
